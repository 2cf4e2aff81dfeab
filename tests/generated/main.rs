//! Generated files: `crds/`, the generated parts of pages in `docs/`, and of the chart's schema. Each must be what the code
//! would generate. `make generate` writes them, by running this test with `GENERATE_INTO=DIRECTORY`. Knows the files, and
//! how a page marks its generated parts; must not know their content.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test: also in its helpers

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use tokensource::api::definitions;

mod chart;
mod imports;
mod modules;
mod paths;
mod reference;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page in which the text between `<!-- generated: NAME -->` and `<!-- end -->` is generated again for each part.
fn page(file: &str, parts: &[(&str, String)]) -> (String, String) {
    let committed = fs::read_to_string(root().join(file)).unwrap();
    let mut rest = committed.as_str();
    let mut written = String::new();
    for (name, text) in parts {
        let marker = format!("<!-- generated: {name} -->\n");
        let (before, after) = rest.split_once(&marker).unwrap_or_else(|| panic!("{file} has no {marker}"));
        let (_, after) = after.split_once("<!-- end -->\n").unwrap();
        write!(written, "{before}{marker}\n{text}\n<!-- end -->\n").unwrap();
        rest = after;
    }
    (file.to_owned(), written + rest)
}

/// The generated files, each with its path and content.
fn generated() -> Vec<(String, String)> {
    let definitions = definitions().map(|definition| {
        let file = format!("crds/{}.yaml", definition.spec.names.plural);
        (file, serde_saphyr::to_string(&definition).unwrap())
    });
    let mut files = Vec::from(definitions);
    files.push(page("docs/reference.md", &reference::parts()));
    files.push(page("docs/install.md", &[("values", chart::table())]));
    files.push(chart::schema());
    files.push(page("docs/architecture.md", &[("rooms", imports::picture(&root().join("src")))]));
    files
}

#[test]
fn committed_files_are_the_generated_ones() {
    for (file, text) in generated() {
        if let Some(directory) = env::var_os("GENERATE_INTO") {
            let target = PathBuf::from(directory).join(file);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::write(target, text).unwrap();
        } else {
            let committed = fs::read_to_string(root().join(&file)).unwrap_or_default();
            // `assert_eq` would print both files.
            assert!(committed == text, "{file} is not what the code generates: run `make generate`");
        }
    }
}
