//! A picture of the rooms: which folder of `src` imports which, as a Mermaid diagram.
//! Knows folders and paths in sources; must not know what a room does.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::paths::paths;

/// Folders that are drawn, if they exist. A folder within another one comes before it.
const ROOMS: [&str; 10] = [
    "api",
    "oauth",
    "decide",
    "issue",
    "controller/reconcile",
    "controller/view",
    "controller/provider",
    "controller",
    "runtime",
    "cli",
];

type Edges = BTreeSet<(&'static str, &'static str)>;

/// The folder that holds a module, or that its submodules are in.
fn room(source: &Path, module: &str) -> Option<&'static str> {
    let holds =
        |room: &&str| module.strip_prefix(*room).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    ROOMS.into_iter().filter(|room| source.join(room).is_dir()).find(holds)
}

/// The modules that a source file names, as paths below `src`. `module` is its own path.
fn named(text: &str, module: &str) -> Vec<String> {
    let own: Vec<&str> = module.split('/').collect();
    // Tests may import what they like.
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let resolved = paths(code).into_iter().filter_map(|path| {
        let segments: Vec<&str> = path.split("::").collect();
        let up = segments.iter().take_while(|segment| **segment == "super").count();
        match segments[0] {
            "crate" => Some(segments[1..].join("/")),
            "super" if up <= own.len() => Some([&own[..own.len() - up], &segments[up..]].concat().join("/")),
            _ => None,
        }
    });
    resolved.collect()
}

fn edges(source: &Path, folder: &Path, found: &mut Edges) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            edges(source, &entry, found);
            continue;
        }
        let path = entry.strip_prefix(source).unwrap().with_extension("");
        let module = path.to_str().unwrap();
        let module = module.strip_suffix("/mod").unwrap_or(module);
        let is_test = module.split('/').any(|part| ["tests", "fixture"].contains(&part));
        let Some(from) = room(source, module).filter(|_| !is_test) else { continue };
        let text = fs::read_to_string(&entry).unwrap();
        let rooms = named(&text, module).into_iter().filter_map(|named| room(source, &named));
        found.extend(rooms.filter(|to| *to != from).map(|to| (from, to)));
    }
}

fn leads(edges: &Edges, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for (_, next) in edges.iter().filter(|(start, _)| *start == at) {
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    seen.contains(to)
}

/// Without the arrows that follow from others.
fn reduced(all: Edges) -> Edges {
    let mut kept = all.clone();
    for edge in all {
        kept.remove(&edge);
        if !leads(&kept, edge.0, edge.1) {
            kept.insert(edge);
        }
    }
    kept
}

pub(crate) fn picture(source: &Path) -> String {
    let mut all = Edges::new();
    edges(source, source, &mut all);
    let mut picture = String::from("```mermaid\nflowchart TD\n");
    for room in ROOMS.into_iter().rev().filter(|room| source.join(room).is_dir()) {
        writeln!(picture, "    {}[\"src/{room}\"]", room.replace('/', "_")).unwrap();
    }
    for (from, to) in reduced(all) {
        writeln!(picture, "    {} --> {}", from.replace('/', "_"), to.replace('/', "_")).unwrap();
    }
    picture + "```\n"
}

#[test]
fn paths_are_read_from_code_alone() {
    let text = "use crate::api::{A, b::C};\n// crate::cli\nuse super::super::{D, view::E};\n#[cfg(test)]\nuse crate::runtime;";
    assert_eq!(named(text, "controller/act/f"), ["api/A", "api/b/C", "controller/D", "controller/view/E"]);
    let all = Edges::from([("cli", "decide"), ("decide", "api"), ("cli", "api")]);
    assert_eq!(reduced(all), Edges::from([("cli", "decide"), ("decide", "api")]));
}
