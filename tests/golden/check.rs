//! The output of `tokensource check`, word for word: for the documented providers, and for manifests with and without faults.
//! Knows the manifests and the outputs; must not know how the program makes an output. `UPDATE_GOLDEN=1` writes the files
//! again.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;
use tokensource::cli::{CheckArguments, Environment, ExitStatus, checked};
use tokensource_kit::canaries;

use crate::example::{now, root};

/// The manifests that `check` calls valid. In `doubtful`, something merely looks wrong.
const GOOD: [&str; 7] =
    ["discovered", "doubtful", "masked", "referred", "revoking", "signed", "signed-token"];

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    check: CheckArguments,
}

pub(crate) fn check(arguments: &[&str]) -> (String, ExitStatus) {
    let arguments = ["check"].iter().chain(arguments);
    let arguments = Arguments::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}")).check;
    let definition = clap::Command::new("tokensource");
    let environment = Environment { now, nonce: || Some("nonce".to_owned()), variable: |_| None, definition };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (text, status) = runtime.block_on(checked(&arguments, &environment)).unwrap();
    let text = anstream::adapter::strip_str(&text).to_string();
    (text.replace(env!("CARGO_PKG_VERSION"), "VERSION"), status)
}

fn compare(name: &str, text: &str) {
    let golden = root().join("tests/golden/check").join(name).with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        fs::write(&golden, text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&golden).unwrap_or_default(), "{}", golden.display());
}

/// Files of one kind in the directory of this test, by name.
fn files(extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/golden/check")).unwrap();
    // A relative path, because the output must not contain a path of this machine. Tests run in the repository's root.
    let relative = |path: PathBuf| path.strip_prefix(root()).unwrap().to_owned();
    let mut files: Vec<_> = entries.map(|entry| relative(entry.unwrap().path())).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

#[test]
fn the_documented_providers_are_found_good() {
    for name in ["apiax", "ocrolus", "pliant", "prisjakt", "v2"] {
        let file = root().join("deploy/examples").join(name).with_extension("yaml");
        let (text, status) = check(&["-f", file.to_str().unwrap()]);
        assert_eq!(status, ExitStatus::Success, "{text}");
        compare(&format!("example-{name}"), &text);
    }
}

#[test]
fn every_fault_is_reported_with_advice() {
    for file in files("yaml") {
        let (text, status) = check(&["-f", file.to_str().unwrap()]);
        let expected = if GOOD.contains(&stem(&file)) { ExitStatus::Success } else { ExitStatus::Failure };
        assert_eq!(status, expected, "{}: {text}", file.display());
        compare(stem(&file), &text);
    }
    let outputs: Vec<_> = files("txt").iter().map(|path| stem(path).to_owned()).collect();
    let of_manifests = outputs.iter().filter(|name| !name.starts_with("example-")).count();
    assert_eq!(of_manifests, files("yaml").len(), "an output for each manifest, and no other output");
}

#[test]
fn the_pages_show_the_output() {
    let pages = fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let mut seen = 0;
    for block in pages.split("```\n").filter_map(|block| block.strip_prefix("$ tokensource check -f ")) {
        let (arguments, shown) = block.split_once('\n').unwrap();
        // `stories::check` sends this request to a Keycloak.
        if !arguments.contains("--send") {
            seen += 1;
            assert_eq!(check(&["-f", arguments]).0, shown.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
        }
    }
    assert!(seen >= 2, "{seen} screens");
}

#[test]
fn no_secret_of_any_manifest_is_shown_in_any_form() {
    let words = |text: &str| -> Vec<String> {
        let parts = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
        parts.filter(|word| word.starts_with("canary-")).map(str::to_owned).collect()
    };
    let mut registered = 0;
    for file in files("yaml") {
        for secret in words(&fs::read_to_string(file).unwrap()) {
            canaries::register("a Secret in a manifest", &secret);
            registered += 1;
        }
    }
    assert!(registered >= 15, "{registered} secrets");
    for file in files("yaml") {
        for output in ["text", "json"] {
            let (text, _) = check(&["-f", file.to_str().unwrap(), "-o", output]);
            assert_eq!(canaries::search(&text), [], "{}", file.display());
        }
    }
}

#[test]
fn several_files_are_read_as_one_and_programs_read_json() {
    let golden = |name: &str| root().join("tests/golden/check").join(name).display().to_string();
    // The Secret of one manifest completes the other.
    let (text, status) =
        check(&["-f", &golden("without-secret.yaml"), "-f", &golden("signed.yaml"), "-o", "json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["sources"][0]["failure"], Value::Null, "{report:#}");
    assert_eq!(report["sources"][0]["request"]["url"], "https://auth.example.com/token");
    assert_eq!(report["sources"][0]["renewal"]["lifetimeSeconds"], 3600);
    // Both have the same target.
    assert_eq!(report["sources"][1]["failure"]["reason"], "TargetConflict");
    assert_eq!(status, ExitStatus::Failure);
}
