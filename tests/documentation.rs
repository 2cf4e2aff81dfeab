//! The pages for people: every link leads to an existing file and heading, the paths and tests that pages name exist, the
//! map in CONTRIBUTING.md and the index of docs/ are complete, fields have the names of the CRDs, and README.md is short.
//! Knows the part of Markdown that links need; must not know the content of a page.

#![allow(clippy::unwrap_used)] // a test: also in its helpers

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages of the repository, except built and fetched pages.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut directories = vec![root().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                let hidden = name.to_string_lossy().starts_with('.') && name != ".github";
                let foreign = name == "target" || hidden;
                directories.extend((!foreign).then_some(path));
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The text without fenced blocks, which have neither links nor headings.
fn prose(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n")
}

/// The anchors that GitHub makes of a page's headings.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = prose(page);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| -> String {
        let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        title.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
    };
    headings.map(anchor).collect()
}

/// The targets of the links of a page.
fn links(page: &Path) -> Vec<String> {
    let text = prose(page);
    let ends = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(link, _)| link.to_owned()).filter(|link| !link.contains("://")).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut dead = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for link in links(&page) {
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let leads = target.exists() && (anchor.is_empty() || anchors(&target).contains(anchor));
            if !leads {
                dead.push(format!("{}: {link}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(seen > 50, "{seen} links were found");
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

/// The strings between single backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// Whether this is a path below one of the directories that pages mention.
fn is_path(word: &str) -> bool {
    ["src/", "tests/", "deploy/"].iter().any(|start| word.starts_with(start))
        && !word.contains(['*', ' ', '{'])
}

#[test]
fn every_path_that_a_page_names_exists() {
    let mut missing = Vec::new();
    let mut seen = 0;
    for page in pages() {
        let text = prose(&page);
        for path in quoted(&text).into_iter().filter(|word| is_path(word)) {
            seen += 1;
            if !root().join(path).exists() {
                missing.push(format!("{}: {path}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(seen > 50, "{seen} paths were found");
    assert!(missing.is_empty(), "there are no such files:\n{}", missing.join("\n"));
}

#[test]
fn the_map_names_every_directory() {
    let text = prose(&root().join("CONTRIBUTING.md"));
    let named: BTreeSet<&str> = quoted(&text).into_iter().filter(|word| is_path(word)).collect();
    for directory in ["src", "tests"] {
        for entry in fs::read_dir(root().join(directory)).unwrap().map(Result::unwrap) {
            let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
            // `assets` has scripts; `crds.rs`, `lib.rs` and `main.rs` need no entry in the map.
            let is_named = named.contains(path.as_str())
                || ["tests/assets", "tests/crds.rs", "src/lib.rs", "src/main.rs"].contains(&path.as_str());
            assert!(is_named, "CONTRIBUTING.md does not name {path}");
        }
    }
}

#[test]
fn tests_that_are_said_to_be_run_exist() {
    let page = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let commands: Vec<_> =
        quoted(&page).into_iter().filter_map(|word| word.strip_prefix("cargo test --test ")).collect();
    assert!(commands.len() > 6, "{commands:?}");
    for command in commands {
        let name = command.split(' ').next().unwrap();
        let exists = ["", "/main"].iter().any(|end| root().join(format!("tests/{name}{end}.rs")).exists());
        assert!(exists, "there is no test {name}");
    }
}

fn sources(directory: &Path, found: &mut String) {
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_page_on_security_names_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let mut code = String::new();
    for directory in ["src", "tests"] {
        sources(&root().join(directory), &mut code);
    }
    let words: BTreeSet<&str> = page
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.matches('_').count() > 2 && !word.starts_with("tokensource_"))
        .collect();
    assert!(words.len() > 50, "{words:?}");
    let missing: Vec<_> = words.iter().filter(|word| !code.contains(&format!("fn {word}("))).collect();
    assert!(missing.is_empty(), "docs/security.md names tests that do not exist: {missing:?}");
}

/// Every field of a CRD, as `spec.target.name`; the elements of a list have the name of the list.
fn fields(schema: &Value, path: &str, found: &mut Vec<String>) {
    let below = schema.get("items").unwrap_or(schema);
    for (name, field) in below["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        fields(field, &path, found);
        found.push(path);
    }
}

/// Paths that are no fields of our CRDs: values of the chart, and fields of other kinds.
const OF_OTHERS: [&str; 6] = [
    "rolloutRestart.enabled",
    "spec.groups",
    "spec.target.template.metadata.annotations",
    "spec.template.metadata.annotations",
    "spec.destination.annotations",
    "spec.destination.create",
];

#[test]
fn fields_are_called_as_the_definitions_call_them() {
    let mut known = Vec::new();
    for kind in ["tokensources", "tokenproviders", "clustertokenproviders"] {
        let text = fs::read_to_string(root().join(format!("crds/{kind}.yaml"))).unwrap();
        let definition: Value = serde_saphyr::from_str(&text).unwrap();
        fields(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "", &mut known);
    }
    let parents: BTreeSet<_> = known.iter().filter_map(|path| path.rsplit('.').nth(1)).collect();
    let mut strange = Vec::new();
    let mut seen = 0;
    for page in pages() {
        let text = prose(&page);
        for word in quoted(&text) {
            // `renewal.onRevoked: Withdraw`
            let path = word.split(':').next().unwrap();
            let is_path = path
                .split('.')
                .all(|part| !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric()));
            let parent = path.split('.').next().unwrap();
            if is_path && path.contains('.') && (parents.contains(parent) || parent == "spec") {
                seen += 1;
                let suffix = format!(".{path}");
                if !known.iter().any(|field| field.ends_with(&suffix)) && !OF_OTHERS.contains(&path) {
                    strange.push(format!("{}: {word}", page.strip_prefix(root()).unwrap().display()));
                }
            }
        }
    }
    assert!(seen > 50, "{seen} fields were found");
    assert!(strange.is_empty(), "there are no such fields:\n{}", strange.join("\n"));
}

#[test]
fn every_annotation_is_in_the_reference() {
    let names = fs::read_to_string(root().join("src/api/annotation.rs")).unwrap();
    // `unreadable` is never on an object in the cluster.
    let names = names
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|name| name.contains('/') && !name.ends_with("/unreadable"));
    let page = fs::read_to_string(root().join("docs/reference.md")).unwrap();
    let missing: Vec<_> = names.filter(|name| !page.contains(&format!("`{name}"))).collect();
    assert!(missing.is_empty(), "docs/reference.md does not describe {missing:?}");
}

#[test]
fn the_index_names_every_page_and_the_readme_is_short() {
    let index = links(&root().join("docs/README.md"));
    let missing: Vec<_> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "README.md" && !index.contains(name))
        .collect();
    assert!(missing.is_empty(), "docs/README.md does not name {missing:?}");
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 250, "README.md has {} lines", readme.lines().count());
}
