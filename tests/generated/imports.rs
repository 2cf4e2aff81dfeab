//! A picture of the rooms: which folder of `src` imports which, as a Mermaid diagram.
//! Knows folders and paths in sources; must not know what a room does.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::paths::paths;

/// From one room to another.
type Edges = BTreeSet<(String, String)>;

/// The folders that are modules, up to the second level.
fn rooms(source: &Path) -> BTreeSet<String> {
    let folders = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.join("mod.rs").is_file()).collect()
    };
    let first = folders(source);
    let second: Vec<_> = first.iter().flat_map(|folder| folders(folder)).collect();
    let name = |path: PathBuf| path.strip_prefix(source).unwrap().to_str().unwrap().to_owned();
    first.into_iter().chain(second).map(name).collect()
}

/// The innermost room that holds a module.
fn room<'a>(rooms: &'a BTreeSet<String>, module: &str) -> Option<&'a String> {
    let holds = |room: &&String| {
        module.strip_prefix(room.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    rooms.iter().filter(holds).max_by_key(|room| room.len())
}

/// The modules that a source file names, as paths below `src`. `module` is its own path.
fn named(text: &str, module: &str) -> Vec<String> {
    let own: Vec<&str> = module.split('/').collect();
    // Tests may import what they like.
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    // Nor is the scope of `pub(in crate::controller)` an import.
    let mut parts = code.split("(in ");
    let first = parts.next().unwrap_or_default().to_owned();
    let code = parts.filter_map(|part| part.split_once(')')).fold(first, |code, (_, rest)| code + "(" + rest);
    let resolved = paths(&code).into_iter().filter_map(|path| {
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

fn edges(source: &Path, folder: &Path, rooms: &BTreeSet<String>, found: &mut Edges) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            edges(source, &entry, rooms, found);
            continue;
        }
        let path = entry.strip_prefix(source).unwrap().with_extension("");
        let module = path.to_str().unwrap();
        let module = module.strip_suffix("/mod").unwrap_or(module);
        let is_test = module.split('/').any(|part| ["tests", "fixture"].contains(&part));
        let Some(from) = room(rooms, module).filter(|_| !is_test) else { continue };
        let named = named(&fs::read_to_string(&entry).unwrap(), module);
        let to = named.iter().filter_map(|named| room(rooms, named)).filter(|to| *to != from);
        found.extend(to.map(|to| (from.clone(), to.clone())));
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
fn reduced(all: &Edges) -> Edges {
    let mut kept = all.clone();
    for edge in all {
        kept.remove(edge);
        if !leads(&kept, &edge.0, &edge.1) {
            kept.insert(edge.clone());
        }
    }
    kept
}

/// The rooms that import each other in a circle with this one, itself included.
fn circle<'a>(rooms: &'a BTreeSet<String>, all: &Edges, room: &str) -> Vec<&'a String> {
    rooms.iter().filter(|other| leads(all, room, other) && leads(all, other, room)).collect()
}

pub(crate) fn picture(source: &Path) -> String {
    let rooms = rooms(source);
    let mut all = Edges::new();
    edges(source, source, &rooms, &mut all);
    let name = |room: &str| room.replace('/', "_");
    let mut picture = String::from("```mermaid\nflowchart TD\n");
    // Arrows within a circle show no order, so a circle is one box.
    let head = |room: &str| circle(&rooms, &all, room)[0].clone();
    for room in rooms.iter().filter(|room| head(room) == **room) {
        let members = circle(&rooms, &all, room);
        if members.len() > 1 {
            writeln!(picture, "    subgraph {}_circle[\"these import one another\"]", name(room)).unwrap();
            for member in members {
                writeln!(picture, "        {}[\"src/{member}\"]", name(member)).unwrap();
            }
            picture.push_str("    end\n");
        } else {
            writeln!(picture, "    {}[\"src/{room}\"]", name(room)).unwrap();
        }
    }
    let between: Edges =
        all.iter().map(|(from, to)| (head(from), head(to))).filter(|(from, to)| from != to).collect();
    let end = |room: &str| name(room) + if circle(&rooms, &all, room).len() > 1 { "_circle" } else { "" };
    for (from, to) in reduced(&between) {
        writeln!(picture, "    {} --> {}", end(&from), end(&to)).unwrap();
    }
    picture + "```\n"
}

#[test]
fn paths_are_read_from_code_alone() {
    let text = "use crate::api::{A, b::C};\n// crate::cli\nuse super::super::{D, view::E};\npub(in crate::cli) use x::F;\n#[cfg(test)]\nuse crate::runtime;";
    assert_eq!(named(text, "controller/act/f"), ["api/A", "api/b/C", "controller/D", "controller/view/E"]);
    let edges = |pairs: &[(&str, &str)]| -> Edges {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    };
    let all = edges(&[("cli", "decide"), ("decide", "api"), ("cli", "api")]);
    assert_eq!(reduced(&all), edges(&[("cli", "decide"), ("decide", "api")]));
    let all = edges(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]);
    assert_eq!(circle(&["a", "b", "c", "d"].map(str::to_owned).into(), &all, "c"), ["b", "c"]);
}
