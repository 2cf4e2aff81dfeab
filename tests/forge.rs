//! The files that the forge reads: workflows, forms of issues, updates of dependencies, the container for contributors.
//! Knows what the forge would refuse or overlook; must not know what a workflow's commands do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test: also in its helpers

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tokensource_kit::assets;
use tokensource_kit::shipped::repository;

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("reading {path}: {error}"))
}

fn yaml(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a directory, in the order of their names.
fn files(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join(directory)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs actionlint without shellcheck and pyflakes, because only some machines have these programs.
fn actionlint(workflows: &[PathBuf]) -> Output {
    let mut command = Command::new(assets::actionlint().join("actionlint"));
    command.args(["-no-color", "-shellcheck=", "-pyflakes="]).args(workflows).current_dir(repository());
    command.output().unwrap()
}

#[test]
fn workflows_pass_the_linter() {
    let workflows = files(".github/workflows");
    assert!(workflows.len() > 1, "{workflows:?}");
    let output = actionlint(&workflows);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn linter_finds_planted_mistakes() {
    let sound = read(".github/workflows/ci.yaml");
    let directory = tempfile::tempdir().unwrap();
    for (right, wrong, complaint) in [
        ("github.ref }}", "github.reference }}", "property \"reference\" is not defined"),
        ("runs-on:", "run-on:", "\"runs-on\" section is missing"),
        ("persist-credentials:", "persist-credential:", "input \"persist-credential\" is not defined"),
    ] {
        assert!(sound.contains(right), "ci.yaml has no `{right}`");
        let path = directory.path().join("ci.yaml");
        fs::write(&path, sound.replacen(right, wrong, 1)).unwrap();
        let output = actionlint(&[path]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && said.contains(complaint), "with `{wrong}` it said: {said}");
    }
}

#[test]
fn workflows_begin_without_rights_and_pin_their_actions() {
    for path in files(".github/workflows") {
        let workflow = yaml(&path);
        let rights = &workflow["permissions"];
        assert_eq!(rights, &serde_json::json!({ "contents": "read" }), "{}", path.display());
        let text = fs::read_to_string(&path).unwrap();
        let used = text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("uses: "));
        // A workflow of this repository has the version of this repository.
        for action in used.filter(|action| !action.starts_with("./")) {
            let version = action.split_once("@v").map(|(_, version)| version.split(' ').next().unwrap());
            let pinned =
                version.is_some_and(|version| version.split('.').all(|part| part.parse::<u32>().is_ok()));
            assert!(pinned, "{}: {action} names no version", path.display());
        }
    }
}

/// The versions that follow `start` directly, such as `1.95` in `rust:1.95-bookworm`.
fn versions(text: &str, start: &str) -> Vec<String> {
    let version =
        |rest: &str| rest.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect();
    text.split(start).skip(1).map(version).filter(|version: &String| !version.is_empty()).collect()
}

#[test]
fn one_rust_builds_everything() {
    let mut found = BTreeSet::new();
    let mut seen = 0;
    let mut paths = files(".github/workflows");
    paths.extend(["Dockerfile", ".devcontainer/Dockerfile"].map(|path| repository().join(path)));
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let here = ["rust:", "toolchain install ", "cargo +"].map(|start| versions(&text, start)).concat();
        seen += usize::from(!here.is_empty());
        found.extend(here);
    }
    assert!(seen > 2 && found.len() == 1, "{seen} files name these versions of Rust: {found:?}");
}

#[test]
fn dependencies_that_are_to_be_updated_are_there() {
    let config = yaml(&repository().join(".github/dependabot.yml"));
    for update in config["updates"].as_array().unwrap() {
        let ecosystem = update["package-ecosystem"].as_str().unwrap();
        let file = match ecosystem {
            "cargo" => "Cargo.toml",
            "gomod" => "go.mod",
            "docker" => "Dockerfile",
            "github-actions" => ".github/workflows",
            other => panic!("nothing here is of the kind {other}"),
        };
        let one = update["directory"].as_str().into_iter();
        let several = update["directories"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|directory| directory.as_str().unwrap());
        for directory in one.chain(several) {
            let path = repository().join(directory.trim_start_matches('/')).join(file);
            assert!(path.exists(), "{ecosystem}: there is no {}", path.display());
        }
    }
}

#[test]
fn forms_of_issues_are_complete() {
    let forms: Vec<_> =
        files(".github/ISSUE_TEMPLATE").into_iter().filter(|path| !path.ends_with("config.yml")).collect();
    assert!(forms.len() > 1, "{forms:?}");
    for path in forms {
        let (form, path) = (yaml(&path), path.display());
        for key in ["name", "description"] {
            assert!(form[key].as_str().is_some_and(|text| !text.is_empty()), "{path} has no {key}");
        }
        let mut ids = BTreeSet::new();
        for field in form["body"].as_array().unwrap() {
            match field["type"].as_str().unwrap() {
                "markdown" => assert!(field["attributes"]["value"].is_string(), "{path}: {field}"),
                "input" | "textarea" => {
                    assert!(field["attributes"]["label"].is_string(), "{path}: {field}");
                    assert!(ids.insert(field["id"].as_str().unwrap()), "{path}: an id twice: {field}");
                }
                other => panic!("{path}: {other} is no type of a field"),
            }
        }
        assert!(!ids.is_empty(), "{path} has no field");
    }
}

#[test]
fn container_for_contributors_can_be_read() {
    let text = read(".devcontainer/devcontainer.json");
    let lines: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let config: Value = serde_json::from_str(&lines.join("\n")).unwrap();
    let dockerfile = config["build"]["dockerfile"].as_str().unwrap();
    assert!(repository().join(".devcontainer").join(dockerfile).exists());
    assert!(config["onCreateCommand"].as_str().unwrap().contains(".ci/tools"));
}
