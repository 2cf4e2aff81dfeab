//! The paths that Rust source text contains.
//! Knows braces and comments; must not know what a path means.

/// Every path in a string, `a::{b, c::d}` being `a::b` and `a::c::d`.
pub(crate) fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // The beginnings that surrounding braces add to a path: an empty one, unless the braces are a group of a `use`.
    let mut prefixes = vec![String::new()];
    let mut path = String::new();
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    for letter in code.flat_map(|line| line.chars().chain(['\n'])) {
        match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | ':' => path.push(letter),
            _ => {
                let whole = format!("{}{path}", prefixes.last().unwrap());
                let group = path.ends_with("::");
                if !path.is_empty() && !group {
                    found.push(whole.clone());
                }
                path.clear();
                match letter {
                    '{' => prefixes.push(if group { whole } else { String::new() }),
                    '}' if prefixes.len() > 1 => drop(prefixes.pop()),
                    _ => {}
                }
            }
        }
    }
    found
}
