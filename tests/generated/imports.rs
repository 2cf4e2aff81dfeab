//! The picture of the directories of `src` and their imports, as a Mermaid diagram. Knows directories and paths in sources; must not
//! know the purpose of a directory.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::modules::Modules;

/// Each edge: a directory that imports, and the directory whose code it imports.
type Edges = BTreeSet<(String, String)>;

/// The directories that are modules, up to the second level.
fn rooms(source: &Path) -> BTreeSet<String> {
    let directories = |directory: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.join("mod.rs").is_file()).collect()
    };
    let first = directories(source);
    let second: Vec<_> = first.iter().flat_map(|directory| directories(directory)).collect();
    let name = |path: PathBuf| path.strip_prefix(source).unwrap().to_str().unwrap().to_owned();
    first.into_iter().chain(second).map(name).collect()
}

/// The innermost directory with this module.
fn room<'a>(rooms: &'a BTreeSet<String>, module: &[String]) -> Option<&'a String> {
    let module = PathBuf::from_iter(module);
    rooms.iter().filter(|room| module.starts_with(room)).max_by_key(|room| room.len())
}

/// The imports between directories. An import of an enclosing directory is left out, because the files directly in that
/// directory have no box of their own.
fn edges(source: &Path, rooms: &BTreeSet<String>) -> Edges {
    let imports = Modules::read(source).imports();
    let between = imports.iter().filter_map(|(from, to)| Some((room(rooms, from)?, room(rooms, to)?)));
    let across = between.filter(|(from, to)| !Path::new(from).starts_with(to));
    across.map(|(from, to)| (from.clone(), to.clone())).collect()
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

/// The edges that do not follow from others.
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

/// The directories that import each other in a circle with this directory, including itself.
fn circle<'a>(rooms: &'a BTreeSet<String>, all: &Edges, room: &str) -> Vec<&'a String> {
    rooms.iter().filter(|other| leads(all, room, other) && leads(all, other, room)).collect()
}

pub(crate) fn picture(source: &Path) -> String {
    let rooms = rooms(source);
    let all = edges(source, &rooms);
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
fn arrows_that_follow_from_others_are_left_out_and_circles_are_found() {
    let edges = |pairs: &[(&str, &str)]| -> Edges {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    };
    let all = edges(&[("cli", "decide"), ("decide", "api"), ("cli", "api")]);
    assert_eq!(reduced(&all), edges(&[("cli", "decide"), ("decide", "api")]));
    let all = edges(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]);
    assert_eq!(circle(&["a", "b", "c", "d"].map(str::to_owned).into(), &all, "c"), ["b", "c"]);
}
