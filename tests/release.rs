//! The steps of `.ci/release` that take seconds, in a copy of the repository: version, archives, chart, manifest of the plugin,
//! checksums. helm, krew and oras read the results.
//! Knows what is in a release; must not know how it is made. The binaries are scripts here: building them takes minutes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test: also in its helpers

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tokensource_kit::assets;
use tokensource_kit::shipped::repository;

const VERSION: &str = "9.8.7";
const SOURCE: &str = "https://forge.example.com/team/tokensource";
const PRESENT: &str = env!("CARGO_PKG_VERSION");

/// Runs a command, and returns its output, or the reason why it failed.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr) + &text(&output.stdout))
    }
}

/// A copy of the files that a release reads or changes.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let copy = tempfile::tempdir().unwrap();
        let parts = [
            ".ci",
            ".cargo",
            "CHANGELOG.md",
            "Cargo.lock",
            "Cargo.toml",
            "Dockerfile",
            "LICENSE",
            "README.md",
            "deploy",
            "docs",
            "src",
            "tests",
        ];
        let mut command = Command::new("cp");
        command.arg("--recursive").args(parts).arg(copy.path()).current_dir(repository());
        run(&mut command).unwrap();
        fs::create_dir_all(repository().join(".assets")).unwrap();
        std::os::unix::fs::symlink(repository().join(".assets"), copy.path().join(".assets")).unwrap();
        Self(copy)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn script(&self, name: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(self.path(name));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .env("SOURCE", SOURCE);
        run(&mut command)
    }

    /// Programs for three platforms, and what `.ci/release` makes of them.
    fn release(&self) -> PathBuf {
        self.script(".ci/release", &[VERSION, "bump"]).unwrap();
        for (platform, name) in [
            ("linux-amd64", "tokensource"),
            ("linux-arm64", "tokensource"),
            ("windows-amd64", "tokensource.exe"),
        ] {
            let program = self.path("dist/bin").join(platform).join(name);
            fs::create_dir_all(program.parent().unwrap()).unwrap();
            fs::write(&program, format!("#!/bin/sh\necho tokensource {VERSION} on {platform}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        self.script(".ci/release", &[VERSION, "archives", "chart", "krew", "checksums"]).unwrap();
        self.path("dist")
    }
}

/// All files below a directory, by their path in it.
fn files(directory: &Path, below: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(directory.join(below)).unwrap().map(Result::unwrap) {
        let name = format!("{below}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files(directory, &name, found);
        } else {
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn version_is_bumped_everywhere_and_once() {
    let copy = Tree::new();
    copy.script(".ci/bump", &[VERSION]).unwrap();
    let mut grep = Command::new("grep");
    grep.args([
        "--recursive",
        "--word-regexp",
        "--fixed-strings",
        PRESENT,
        "Dockerfile",
        "README.md",
        "deploy",
        "docs",
    ]);
    // grep fails where it finds nothing.
    assert_eq!(run(grep.current_dir(copy.0.path())), Err(String::new()), "these still name {PRESENT}");

    // The lock file is as cargo would write it.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--offline", "--depth", "0", "--package", "tokensource"]);
    let tree = run(cargo.current_dir(copy.0.path())).unwrap();
    assert!(tree.starts_with(&format!("tokensource v{VERSION} ")), "{tree}");

    let chart = copy.read("deploy/helm/tokensource/Chart.yaml");
    assert!(chart.contains(&format!("\nversion: {VERSION}\nappVersion: \"{VERSION}\"")), "{chart}");
    let changes = copy.read("CHANGELOG.md");
    let heading = format!("\n## Unreleased\n\n## {VERSION} (2023-11-14)\n");
    assert_eq!(changes.matches(&heading).count(), 1, "{changes}");

    let mut before = BTreeMap::new();
    files(copy.0.path(), "docs", &mut before);
    copy.script(".ci/bump", &[VERSION]).unwrap();
    let mut after = BTreeMap::new();
    files(copy.0.path(), "docs", &mut after);
    assert!(before == after && copy.read("CHANGELOG.md") == changes, "the second time it changed something");

    for (version, complaint) in [
        ("9.8.6", "older than 9.8.7"),
        ("9.8.7-rc.1", "older than 9.8.7"),
        ("v9.9.0", "no version"),
        ("9.9", "no version"),
        ("9.9.0", "says nothing below"),
    ] {
        let error = copy.script(".ci/bump", &[version]).unwrap_err();
        assert!(error.contains(complaint), "{version}: {error}");
    }
}

#[test]
fn release_of_the_same_tree_is_the_same_byte_for_byte() {
    let [one, two] = [Tree::new(), Tree::new()].map(|copy| {
        let mut found = BTreeMap::new();
        files(&copy.release(), ".", &mut found);
        found
    });
    let names: Vec<_> = one.keys().map(String::as_str).collect();
    for name in [
        "./tokensource-9.8.7-windows-amd64.zip",
        "./tokensource-9.8.7.tgz",
        "./SHA256SUMS",
        "./chart/index.json",
    ] {
        assert!(names.contains(&name), "there is no {name}: {names:?}");
    }
    assert_eq!(names, two.keys().map(String::as_str).collect::<Vec<_>>());
    let different: Vec<_> =
        one.iter().filter(|(name, bytes)| &two[*name] != *bytes).map(|(name, _)| name).collect();
    assert!(different.is_empty(), "these differ: {different:?}");
}

#[test]
fn release_is_understood_by_those_who_read_it() {
    let copy = Tree::new();
    let dist = copy.release();
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&dist)).unwrap();

    // Helm: the packaged chart makes what the directory makes.
    let packaged = dist.join("tokensource-9.8.7.tgz");
    let render = |chart: &Path| {
        let mut helm = Command::new(assets::helm().join("helm"));
        run(helm
            .args(["template", "tokensource"])
            .arg(chart)
            .args(["--set", "image.repository=r/tokensource"]))
        .unwrap()
    };
    let rendered = render(&packaged);
    assert!(rendered.contains("image: \"r/tokensource:9.8.7\""), "{rendered}");
    assert_eq!(rendered, render(&copy.path("deploy/helm/tokensource")));

    // oras: the layout is the layout of a chart in a registry, as helm reads it.
    let mut oras = Command::new(assets::oras().join("oras"));
    oras.args(["manifest", "fetch", "--oci-layout", "chart:9.8.7"]).current_dir(&dist);
    let manifest: Value = serde_json::from_str(&run(&mut oras).unwrap()).unwrap();
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.cncf.helm.config.v1+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.cncf.helm.chart.content.v1.tar+gzip");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    let blob = |digest: &Value| {
        dist.join("chart/blobs/sha256").join(digest.as_str().unwrap().trim_start_matches("sha256:"))
    };
    assert_eq!(fs::read(blob(&manifest["layers"][0]["digest"])).unwrap(), fs::read(&packaged).unwrap());
    let config: Value =
        serde_json::from_slice(&fs::read(blob(&manifest["config"]["digest"])).unwrap()).unwrap();
    assert_eq!((&config["name"], &config["version"]), (&"tokensource".into(), &VERSION.into()), "{config}");

    // krew: it installs the plugin from manifest and archive, and refuses another archive.
    let root = copy.path("krew");
    let krew = |archive: &str| {
        let mut krew = Command::new(assets::krew().join("krew"));
        krew.arg("install")
            .arg("--manifest")
            .arg(dist.join("tokensource.yaml"))
            .arg("--archive")
            .arg(dist.join(archive));
        run(krew.env("KREW_ROOT", &root).env("KREW_OS", "linux").env("KREW_ARCH", "amd64"))
    };
    let refusal = krew("tokensource-9.8.7-linux-arm64.tar.gz").unwrap_err();
    assert!(refusal.contains("checksum does not match"), "{refusal}");
    krew("tokensource-9.8.7-linux-amd64.tar.gz").unwrap();
    let said = run(&mut Command::new(root.join("bin/kubectl-tokensource"))).unwrap();
    assert_eq!(said, "tokensource 9.8.7 on linux-amd64\n");
    let manifest: Value = serde_saphyr::from_str(&copy.read("dist/tokensource.yaml")).unwrap();
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    assert_eq!(platforms.len(), 3, "{manifest}");
    for platform in platforms {
        let uri = platform["uri"]
            .as_str()
            .unwrap()
            .strip_prefix(&format!("{SOURCE}/releases/download/v{VERSION}/"))
            .unwrap();
        assert!(dist.join(uri).is_file(), "there is no {uri}");
    }
}
