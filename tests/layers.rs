//! Directories are layers with dependencies in one direction (`src/lib.rs`), and files must not import each other in a circle. The
//! compiler checks neither within a crate, so these tests read the sources and every path in them.
//! Knows which layer may name what; must not know what a layer does.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test: also in its helpers

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "generated/modules.rs"]
mod modules;
#[path = "generated/paths.rs"]
mod paths;

use modules::{Module, Modules};
use paths::paths;

const LAYERS: [&str; 7] = ["api", "oauth", "decide", "issue", "controller", "runtime", "cli"];

/// The items of `api` that `oauth` may use: reasons, and the settings of a provider. None of them belongs to Kubernetes.
const SETTINGS: [&str; 17] = [
    "Reason",
    "reason",
    "BasicEncoding",
    "BodyFormat",
    "Duration",
    "ErrorCode",
    "ExpirySettings",
    "ExpiryUnit",
    "JsonWebAlgorithm",
    "ParameterPlace",
    "ParameterType",
    "is_reserved_parameter",
    "RequestMethod",
    "ResponseFields",
    "ResponseSettings",
    "SendClientId",
    "ShortText",
];

/// Paths that the sources of `decide` must not contain: clients, clocks, the environment, random numbers, an executor.
const IMPURE: [&str; 8] =
    ["kube::Client", "kube::Api", "tokio", "Utc::now", "SystemTime::now", "Instant::now", "std::env", "rand"];

/// A path in a file. A group of `use` gives one path for each of its members.
struct Mention {
    file: PathBuf,
    path: String,
}

impl Mention {
    /// Whether the path has these adjacent segments.
    fn has(&self, segments: &str) -> bool {
        let wanted: Vec<&str> = segments.split("::").collect();
        let path: Vec<&str> = self.path.split("::").collect();
        path.windows(wanted.len()).any(|window| window == wanted)
    }

    /// The layer that the path names, if it leads out of its module: `crate::LAYER` or `super::…::LAYER`.
    fn layer(&self) -> Option<&str> {
        let mut segments = self.path.split("::").skip_while(|segment| *segment == "super");
        let first = segments.next()?;
        let named = if first == "crate" { segments.next()? } else { first };
        let leads_out = self.path.starts_with("crate::") || self.path.starts_with("super::");
        LAYERS.into_iter().find(|layer| leads_out && *layer == named)
    }
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files_of(directory: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    sources(&root().join(directory), &mut files);
    assert!(!files.is_empty(), "no sources in {directory}");
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

/// Fails with every path of the layer for which `breaks` is true.
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
fn api_uses_no_other_layer() {
    assert_none("api", "uses another layer", |mention| mention.layer().is_some_and(|layer| layer != "api"));
}

#[test]
fn oauth_uses_reasons_and_settings_of_api_and_no_kubernetes() {
    assert_none("oauth", "uses more of another layer than reasons and settings", |mention| {
        let name = mention.path.strip_prefix("crate::api::").and_then(|rest| rest.split("::").next());
        let is_setting = name.is_some_and(|name| SETTINGS.contains(&name));
        mention.layer().is_some_and(|layer| layer != "oauth") && !is_setting
    });
    assert_none("oauth", "uses Kubernetes", |mention| mention.has("kube") || mention.has("k8s_openapi"));
}

#[test]
fn decide_is_pure_and_uses_no_layer_below_it() {
    assert_none("decide", "uses a layer below it", |mention| {
        mention.layer().is_some_and(|layer| ["issue", "controller", "runtime", "cli"].contains(&layer))
    });
    assert_none("decide", "is not pure", |mention| IMPURE.iter().any(|impure| mention.has(impure)));
}

#[test]
fn issue_uses_no_layer_below_it_and_no_cluster() {
    assert_none("issue", "uses a layer below it", |mention| {
        mention.layer().is_some_and(|layer| ["controller", "runtime", "cli"].contains(&layer))
    });
    assert_none("issue", "uses a client of the API server", |mention| mention.has("kube"));
}

#[test]
fn controller_uses_neither_runtime_nor_cli() {
    assert_none("controller", "uses a layer below it", |mention| {
        mention.layer().is_some_and(|layer| ["runtime", "cli"].contains(&layer))
    });
}

#[test]
fn runtime_does_not_use_cli() {
    assert_none("runtime", "uses a layer below it", |mention| mention.layer() == Some("cli"));
}

#[test]
fn cli_uses_neither_controller_nor_runtime() {
    assert_none("cli", "uses controller or runtime", |mention| {
        mention.layer().is_some_and(|layer| ["controller", "runtime"].contains(&layer))
    });
    let inputs = ["Utc::now", "SystemTime::now", "std::env", "aws_lc_rs"];
    assert_none("cli", "reads a clock, the environment or random numbers", |mention| {
        inputs.iter().any(|taken| mention.has(taken))
    });
}

/// The imports that are part of a circle.
fn circular(imports: &BTreeSet<(Module, Module)>) -> Vec<&(Module, Module)> {
    let mut imported: BTreeMap<&Module, Vec<&Module>> = BTreeMap::new();
    for (from, to) in imports {
        imported.entry(from).or_default().push(to);
    }
    let leads_back = |from: &Module, to: &Module| {
        let (mut seen, mut open) = (BTreeSet::from([to.clone()]), vec![to.clone()]);
        while let Some(at) = open.pop() {
            let next = imported.get(&at).into_iter().flatten().copied().cloned();
            open.extend(next.filter(|end| seen.insert(end.clone())));
        }
        seen.contains(from)
    };
    imports.iter().filter(|(from, to)| leads_back(from, to)).collect()
}

fn assert_no_circle(imports: &BTreeSet<(Module, Module)>) {
    let circular: Vec<String> = circular(imports)
        .into_iter()
        .map(|(from, to)| format!("{} imports {}", from.join("/"), to.join("/")))
        .collect();
    assert!(circular.is_empty(), "These imports in src form a circle:\n{}", circular.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let imports = Modules::read(&root()).imports();
    assert!(imports.len() > 300, "too few imports were found: {}", imports.len());
    assert_no_circle(&imports);
}

#[test]
fn no_rooms_of_the_controller_import_each_other_in_a_circle() {
    let room = |module: &Module| module.get(..2).filter(|room| room[0] == "controller").map(<[_]>::to_vec);
    let imports = Modules::read(&root()).imports();
    let between = imports.iter().filter_map(|(from, to)| Some((room(from)?, room(to)?)));
    assert_no_circle(&between.filter(|(from, to)| from != to).collect());
}

#[test]
fn circles_are_found_through_re_exports_and_not_to_modules_around() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("circles");
    fs::remove_dir_all(&directory).ok();
    fs::create_dir_all(directory.join("a")).unwrap();
    for (file, text) in [
        ("lib.rs", "mod a; mod b; mod c;"),
        (
            "a/mod.rs",
            "mod one;\nmod two;\npub use one::{One as First};\npub(crate) use two::Two;\npub struct A;",
        ),
        ("a/one.rs", "use super::{A, Two};\npub struct One;"),
        ("a/two.rs", "use crate::c::C;\npub struct Two;\n#[cfg(test)]\nmod tests { use crate::b; }"),
        ("b.rs", "use crate::a::First;\npub fn b() { crate::c::d() }"),
        ("c.rs", "use crate::a::First;\npub struct C;"),
    ] {
        fs::write(directory.join(file), text).unwrap();
    }
    let imports = Modules::read(&directory).imports();
    let module = |path: &str| path.split('/').map(str::to_owned).collect::<Module>();
    let import = |(from, to)| (module(from), module(to));
    let expected = [("a/one", "a/two"), ("a/two", "c"), ("b", "a/one"), ("b", "c"), ("c", "a/one")];
    let within = imports.iter().filter(|(from, _)| *from != module("a")).cloned();
    assert_eq!(within.collect::<BTreeSet<_>>(), expected.map(import).into());
    let circle = [("a/one", "a/two"), ("a/two", "c"), ("c", "a/one")].map(import);
    assert_eq!(circular(&imports).into_iter().cloned().collect::<BTreeSet<_>>(), circle.into());
}

#[test]
fn every_module_begins_with_documentation() {
    let undocumented: Vec<String> = files_of("")
        .into_iter()
        .filter(|file| !fs::read_to_string(file).unwrap().starts_with("//! "))
        .map(|file| file.display().to_string())
        .collect();
    assert!(undocumented.is_empty(), "files without //! at the start:\n{}", undocumented.join("\n"));
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
