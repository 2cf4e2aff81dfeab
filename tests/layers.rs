//! Folders are layers with dependencies in one direction (`src/lib.rs`), and files must not import each other in a circle. The
//! compiler checks neither within a crate, so these tests read the sources and every path in them.
//! Knows which layer may name what; must not know what a layer does.

#![allow(clippy::unwrap_used)] // a test: also in its helpers

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "generated/paths.rs"]
mod paths;

use paths::paths;

const LAYERS: [&str; 6] = ["api", "oauth", "decide", "controller", "runtime", "cli"];

/// The types of `api` that `oauth` may use: reasons, and the settings of a provider. None of them belongs to Kubernetes.
const SETTINGS: [&str; 15] = [
    "Reason",
    "reason",
    "BasicEncoding",
    "BodyFormat",
    "Duration",
    "ExpirySettings",
    "ExpiryUnit",
    "Header",
    "JsonWebAlgorithm",
    "Parameter",
    "ParameterPlace",
    "ParameterType",
    "ResponseFields",
    "ResponseSettings",
    "SendClientId",
];

/// Folders whose files still import each other in a circle. This list is to be emptied.
const CIRCULAR: [&str; 2] = ["src/controller/", "src/decide/"];

/// What decisions must not use: clients, clocks, the environment, random numbers, an executor.
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
        mention.layer().is_some_and(|layer| ["controller", "runtime", "cli"].contains(&layer))
    });
    assert_none("decide", "is not pure", |mention| IMPURE.iter().any(|impure| mention.has(impure)));
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

#[test]
fn every_module_begins_with_documentation() {
    let undocumented: Vec<String> = files_of("")
        .into_iter()
        .filter(|file| !fs::read_to_string(file).unwrap().starts_with("//! "))
        .map(|file| file.display().to_string())
        .collect();
    assert!(undocumented.is_empty(), "files without //! at the start:\n{}", undocumented.join("\n"));
}

/// A source file without its tests: the paths in it, and the names that its `use` statements bring into its module.
struct Source {
    file: PathBuf,
    paths: Vec<String>,
    imports: BTreeMap<String, String>,
}

/// The modules of the library by path: `["oauth", "request"]` for `src/oauth/request.rs`.
struct Modules(BTreeMap<Vec<String>, Source>);

impl Modules {
    fn read() -> Self {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let is_test = |path: &Path| {
            path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
        };
        let files = files_of("").into_iter().filter(|file| !is_test(file) && !file.ends_with("src/main.rs"));
        let module = |file: &PathBuf| -> Vec<String> {
            let path = file.strip_prefix(&src).unwrap().with_extension("");
            let names = path.components().map(|part| part.as_os_str().to_str().unwrap().to_owned());
            names.filter(|name| name != "mod" && name != "lib").collect()
        };
        Self(files.map(|file| (module(&file), Source::read(file))).collect())
    }

    /// The module that a path in `module` leads to, through re-exports; None for names of the module itself and of other
    /// crates.
    fn resolve(&self, module: &[String], path: &str) -> Option<Vec<String>> {
        let mut segments = path.split("::").filter(|segment| !segment.is_empty()).peekable();
        let mut found = module.to_vec();
        match segments.peek().copied()? {
            "crate" => {
                segments.next();
                found.clear();
            }
            "self" => drop(segments.next()),
            "super" => {
                while segments.next_if_eq(&"super").is_some() {
                    found.pop();
                }
            }
            child => {
                if !self.0.contains_key(&[module, &[child.to_owned()]].concat()) {
                    return None;
                }
            }
        }
        for segment in segments {
            let child = [found.as_slice(), &[segment.to_owned()]].concat();
            if self.0.contains_key(&child) {
                found = child;
                continue;
            }
            // An item of this module, or one that it imports from another module.
            let import = self.0.get(&found)?.imports.get(segment).filter(|import| *import != path);
            return import.and_then(|import| self.resolve(&found, import)).or(Some(found));
        }
        Some(found)
    }

    /// The modules that each module uses, without its own ancestors: a module and its children may use each other.
    fn uses(&self) -> BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> {
        let uses = |(module, source): (&Vec<String>, &Source)| {
            let found = source.paths.iter().filter_map(|path| self.resolve(module, path));
            found.filter(|used| !module.starts_with(used)).collect()
        };
        self.0.iter().map(|entry| (entry.0, uses(entry))).collect()
    }
}

impl Source {
    fn read(file: PathBuf) -> Self {
        let text = fs::read_to_string(&file).unwrap();
        let end =
            ["#[cfg(test)]\nmod ", "#[cfg(test)]\npub"].iter().filter_map(|start| text.find(start)).min();
        let text = &text[..end.unwrap_or(text.len())];
        let statements = text.split(';').filter_map(|statement| {
            let (before, tree) = statement.rsplit_once("use ")?;
            let prefix = before.rsplit('\n').next().unwrap().trim();
            (prefix.is_empty() || prefix.starts_with("pub")).then_some(tree)
        });
        let name = |path: &String| path.trim_end_matches("::self").rsplit("::").next().unwrap().to_owned();
        let imports = statements
            .flat_map(paths)
            .map(|path| (name(&path), path.trim_end_matches("::self").to_owned()))
            .collect();
        Self { paths: paths(text), imports, file }
    }
}

/// The modules that `from` uses, directly or through others.
fn reachable<'a>(
    from: &Vec<String>,
    uses: &'a BTreeMap<&Vec<String>, BTreeSet<Vec<String>>>,
) -> BTreeSet<&'a Vec<String>> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Vec<String>> = uses[from].iter().collect();
    while let Some(module) = open.pop() {
        if found.insert(module) {
            open.extend(uses.get(module).into_iter().flatten());
        }
    }
    found
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    let modules = Modules::read();
    let uses = modules.uses();
    assert!(uses.values().map(BTreeSet::len).sum::<usize>() > 300, "too few imports were found");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let reachable: BTreeMap<_, _> = uses.keys().map(|module| (*module, reachable(module, &uses))).collect();
    let mut circles = BTreeSet::new();
    for (module, source) in &modules.0 {
        let file = source.file.strip_prefix(root).unwrap().display().to_string();
        let others = reachable[module].iter().filter(|other| reachable[**other].contains(module));
        let circle: BTreeSet<_> = others.map(|other| other.join("::")).collect();
        if !circle.is_empty() && !CIRCULAR.iter().any(|exempt| file.starts_with(exempt)) {
            circles.insert(circle);
        }
    }
    assert!(circles.is_empty(), "these import each other in a circle: {circles:#?}");
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
