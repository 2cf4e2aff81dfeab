//! `docs/logs.md` lists exactly the log lines that the code writes at INFO and above, with their levels and fields.
//! Knows how a line is written in the sources; must not know when the code writes the line.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)] // a test: also in its helpers

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The level and the fields of each message. The fields are None for the lines of `report/log.rs`, whose own tests compare
/// them.
type Lines = BTreeMap<String, (String, Option<BTreeSet<String>>)>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The sources without tests.
fn sources(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            found.push((path, code));
        }
    }
}

/// The arguments of a macro from after its opening parenthesis, split at the commas between them.
fn arguments(text: &str) -> Vec<String> {
    let (mut found, mut argument, mut depth, mut quoted, mut escaped) =
        (vec![], String::new(), 0, false, false);
    for letter in text.chars() {
        match letter {
            '"' if !escaped => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted && depth > 0 => depth -= 1,
            ')' if !quoted => break,
            ',' if !quoted && depth == 0 => {
                found.push(std::mem::take(&mut argument).trim().to_owned());
                continue;
            }
            _ => {}
        }
        escaped = quoted && letter == '\\' && !escaped;
        argument.push(letter);
    }
    found.push(argument.trim().to_owned());
    found.retain(|argument| !argument.is_empty());
    found
}

/// The text of a literal: continued lines are joined, and a placeholder is `…`.
fn literal(source: &str) -> String {
    let text = source.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = text.unwrap_or_else(|| panic!("the message of a log line is no literal: {source}"));
    let joined: String = text
        .split("\\\n")
        .enumerate()
        .map(|(n, part)| if n == 0 { part } else { part.trim_start() })
        .collect();
    match joined.split_once('{') {
        Some((before, rest)) => format!("{before}…{}", rest.split_once('}').unwrap().1),
        None => joined,
    }
}

/// The lines of one file.
fn lines_of(code: &str, found: &mut Lines) {
    for level in ["error", "warn", "info"] {
        for (at, opening) in code.match_indices(&format!("tracing::{level}!(")) {
            let mut arguments = arguments(&code[at + opening.len()..]);
            let message = literal(&arguments.pop().unwrap());
            let name = |field: &String| {
                let name = field.split_once('=').map_or(field.as_str(), |(name, _)| name);
                name.trim().trim_start_matches(['%', '?']).to_owned()
            };
            let fields = arguments.iter().map(name).collect();
            let before = found.insert(message.clone(), (level.to_uppercase(), Some(fields)));
            assert!(before.is_none(), "{message:?} is written in two places");
        }
    }
}

/// The lines of `report/log.rs`: a level, and then a literal. The one level that is computed is INFO or DEBUG.
fn lines_of_log(code: &str, found: &mut Lines) {
    for (level, name) in [("Level::Warn,", "WARN"), ("Level::Info,", "INFO"), ("(level,", "INFO")] {
        for (at, opening) in code.match_indices(level) {
            let rest = code[at + opening.len()..].trim_start();
            if rest.starts_with('"') {
                found.insert(literal(&arguments(rest)[0]), (name.to_owned(), None));
            }
        }
    }
}

/// The rows of the page: `| message | LEVEL | fields | when |`.
fn rows(page: &str) -> Lines {
    let mut rows = Lines::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [message, level @ ("INFO" | "WARN" | "ERROR"), fields, _] = cells[..] else { continue };
        let fields = fields.split(", ").map(|field| field.trim_matches('`').to_owned());
        let fields = fields.filter(|field| !field.is_empty()).collect();
        let before = rows.insert(message.trim_matches('`').to_owned(), (level.to_owned(), Some(fields)));
        assert!(before.is_none(), "{message} has two rows");
    }
    rows
}

fn page() -> String {
    fs::read_to_string(root().join("docs/logs.md")).unwrap()
}

#[test]
fn the_page_lists_exactly_the_lines_of_the_code() {
    let (mut files, mut found) = (Vec::new(), Lines::new());
    sources(&root().join("src"), &mut files);
    for (path, code) in files {
        lines_of(&code, &mut found);
        if path.ends_with("report/log.rs") {
            lines_of_log(&code, &mut found);
        }
    }
    assert!(found.len() > 30, "{} lines were found", found.len());
    let mut rows = rows(&page());
    for (message, (level, fields)) in found {
        let row = rows.remove(&message).unwrap_or_else(|| panic!("docs/logs.md has no row for {message:?}"));
        assert_eq!(row.0, level, "level of {message:?}");
        if fields.is_some() {
            assert_eq!(row.1, fields, "fields of {message:?}");
        }
    }
    assert!(rows.is_empty(), "docs/logs.md has rows that no code writes: {:#?}", rows.keys());
}

#[test]
fn every_field_of_a_line_is_explained() {
    let page = page();
    let explained = page.split("### Fields").nth(1).unwrap().split("###").next().unwrap();
    let fields: BTreeSet<String> =
        rows(&page).into_values().flat_map(|(_, fields)| fields.unwrap()).collect();
    let missing: Vec<_> = fields.iter().filter(|field| !explained.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "docs/logs.md explains no {missing:?}");
}
