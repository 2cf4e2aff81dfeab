//! Folders are layers, and arrows point one way (`src/lib.rs`). The compiler does not hold a single crate to that, so
//! this reads the sources and looks at every path in them.
//! Knows which layer may name what; must not know what any of them does.

#![allow(clippy::unwrap_used)] // a test: also in its helpers

use std::fs;
use std::path::{Path, PathBuf};

#[path = "generated/paths.rs"]
mod paths;

use paths::paths;

const LAYERS: [&str; 6] = ["api", "oauth", "decide", "controller", "runtime", "cli"];

/// What decisions must not be able to reach: clients, clocks, the environment, random numbers, an executor.
const IMPURE: [&str; 8] =
    ["kube::Client", "kube::Api", "tokio", "Utc::now", "SystemTime::now", "Instant::now", "std::env", "rand"];

/// One path in one file, with the groups of `use` written out.
struct Mention {
    file: PathBuf,
    path: String,
}

impl Mention {
    /// Whether these segments stand in it, one after the other.
    fn has(&self, segments: &str) -> bool {
        let wanted: Vec<&str> = segments.split("::").collect();
        let path: Vec<&str> = self.path.split("::").collect();
        path.windows(wanted.len()).any(|window| window == wanted)
    }

    /// The layer it leads to, if it leads out of its module: `crate::LAYER` or `super::…::LAYER`.
    fn layer(&self) -> Option<&str> {
        let mut segments = self.path.split("::").skip_while(|segment| *segment == "super");
        let first = segments.next()?;
        let named = if first == "crate" { segments.next()? } else { first };
        let leads_out = self.path.starts_with("crate::") || self.path.starts_with("super::");
        LAYERS.into_iter().find(|layer| leads_out && *layer == named)
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn files_of(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder), &mut files);
    assert!(!files.is_empty(), "no sources in {folder}");
    files.sort();
    files
}

/// Every path in the layer's sources.
fn mentions(layer: &str) -> Vec<Mention> {
    let read = |file: PathBuf| {
        let paths = paths(&fs::read_to_string(&file).unwrap());
        paths.into_iter().map(move |path| Mention { file: file.clone(), path })
    };
    files_of(layer).into_iter().flat_map(read).collect()
}

/// Names every path of the layer for which this is true.
fn assert_none(layer: &str, rule: &str, breaks: impl Fn(&Mention) -> bool) {
    let mentions = mentions(layer);
    let broken: Vec<String> = mentions
        .iter()
        .filter(|mention| breaks(mention))
        .map(|mention| format!("{}: {}", mention.file.display(), mention.path))
        .collect();
    assert!(broken.is_empty(), "src/{layer} {rule}:\n{}", broken.join("\n"));
}

#[test]
fn the_contract_knows_no_other_layer() {
    assert_none("api", "uses another layer", |mention| mention.layer().is_some_and(|layer| layer != "api"));
}

#[test]
fn the_protocol_knows_the_words_for_reasons_and_no_kubernetes() {
    assert_none("oauth", "uses more of another layer than Reason", |mention| {
        let word = mention.path.starts_with("crate::api::reason::Reason")
            || mention.path.starts_with("crate::api::Reason");
        mention.layer().is_some_and(|layer| layer != "oauth") && !word
    });
    assert_none("oauth", "uses Kubernetes", |mention| mention.has("kube") || mention.has("k8s_openapi"));
}

#[test]
fn decisions_are_pure() {
    assert_none("decide", "uses a layer below it", |mention| {
        mention.layer().is_some_and(|layer| ["controller", "runtime", "cli"].contains(&layer))
    });
    assert_none("decide", "is not pure", |mention| IMPURE.iter().any(|impure| mention.has(impure)));
}

#[test]
fn the_controller_does_not_know_the_process_around_it() {
    assert_none("controller", "uses a layer below it", |mention| {
        mention.layer().is_some_and(|layer| ["runtime", "cli"].contains(&layer))
    });
}

#[test]
fn the_process_does_not_know_the_commands_for_people() {
    assert_none("runtime", "uses a layer below it", |mention| mention.layer() == Some("cli"));
}

#[test]
fn the_commands_for_people_know_neither_the_controller_nor_the_process() {
    assert_none("cli", "uses the controller or the process around it", |mention| {
        mention.layer().is_some_and(|layer| ["controller", "runtime"].contains(&layer))
    });
    let clocks_and_chance = ["Utc::now", "SystemTime::now", "std::env", "aws_lc_rs"];
    assert_none("cli", "reads a clock, the environment or random numbers", |mention| {
        clocks_and_chance.iter().any(|taken| mention.has(taken))
    });
}

#[test]
fn every_module_begins_by_saying_what_it_knows() {
    let silent: Vec<String> = files_of("")
        .into_iter()
        .filter(|file| !fs::read_to_string(file).unwrap().starts_with("//! "))
        .map(|file| file.display().to_string())
        .collect();
    assert!(silent.is_empty(), "These begin without a line of //!:\n{}", silent.join("\n"));
}

#[test]
fn paths_are_found_in_groups_and_not_in_comments() {
    let text = "use a::{b, c::{self, d}, e as f};\n\
                use g; // crate::cli\n\
                /// crate::cli\n\
                fn h() { i::j(k::<l::m>()); match n { o::P { q } => r::s!(t) } }\n\
                use super::super::cli::u;";
    let found = paths(text);
    for path in
        ["a::b", "a::c::self", "a::c::d", "a::e", "g", "i::j", "l::m", "o::P", "r::s", "super::super::cli::u"]
    {
        assert!(found.iter().any(|found| found == path), "{path} was not found: {found:?}");
    }
    assert!(!found.iter().any(|path| path.contains("crate")), "{found:?}");
    let layers: Vec<_> =
        ["crate::cli::x", "super::super::cli", "crate::decide", "cli::x", "super::x::cli", "crate"]
            .map(|path| Mention { file: PathBuf::new(), path: path.to_owned() })
            .iter()
            .map(|mention| mention.layer().map(str::to_owned))
            .collect();
    let expected = [Some("cli"), Some("cli"), Some("decide"), None, None, None];
    assert_eq!(layers, expected.map(|layer| layer.map(str::to_owned)));
}
