//! `crds/` is generated, and committed so that it can be read and applied: it must be what the code would generate.
//! Knows the three files; must not know what stands in them.

#![allow(clippy::unwrap_used)] // a test: also in its helpers

use std::fs;
use std::path::Path;

use tokensource::api::definitions;
use tokensource::cli::print_definitions;

/// In the order of [`definitions`].
const FILES: [&str; 3] = ["tokensources.yaml", "tokenproviders.yaml", "clustertokenproviders.yaml"];

fn documents() -> Vec<String> {
    let mut printed = Vec::new();
    print_definitions(&mut printed).unwrap();
    let printed = format!("\n{}", String::from_utf8(printed).unwrap());
    printed.split("\n---\n").skip(1).map(|document| format!("{}\n", document.trim_end())).collect()
}

#[test]
fn the_committed_definitions_are_the_generated_ones() {
    let documents = documents();
    assert_eq!(documents.len(), FILES.len());
    for (file, document) in FILES.iter().zip(documents) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds").join(file);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        // Not assert_eq: two whole definitions would bury the one line that matters.
        assert!(committed == document, "crds/{file} is not what the code generates: run `make generate`");
    }
}

#[test]
fn each_definition_is_printed_under_its_own_name() {
    let named = definitions().into_iter().zip(documents()).zip(FILES);
    for ((definition, document), file) in named {
        let name = definition.metadata.name.as_deref().unwrap();
        assert_eq!(name.strip_suffix(".tokensource.dev"), file.strip_suffix(".yaml"));
        let read: serde_json::Value = serde_saphyr::from_str(&document).unwrap();
        assert_eq!(read, serde_json::to_value(&definition).unwrap(), "{file}");
    }
}
