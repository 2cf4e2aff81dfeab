//! Manifests as YAML, with comments in front that name the remaining tasks. Knows YAML and line lengths. Must not know how
//! the manifests were made.

use super::error::LineError;
use super::manifest::Manifests;

/// The length of a line of a comment.
const WIDTH: usize = 110;

const ANSWER: &str = "If the documented answer has no expires_in, set provider.response.expiry.assumedLifetime; if its members \
                      have other names, set provider.response.fields. docs/bring-your-own.md explains both.";

/// The text of a file with the manifests.
pub(super) fn render(manifests: &Manifests) -> Result<String, LineError> {
    let mut text =
        "# Written by tokensource init from a curl line. Values that look like secrets were left out; check that none is left.\n".to_owned();
    text.push_str(&list("To do", manifests.to_do.iter().map(String::as_str)));
    text.push_str(&list("Notes", manifests.notes.iter().map(String::as_str).chain([ANSWER])));
    // Serialization cannot fail: the objects consist of strings and numbers.
    let failed = |_| LineError::new("the manifests cannot be written as YAML: this is a bug");
    let mut documents = Vec::new();
    for secret in &manifests.secrets {
        documents.push(serde_saphyr::to_string(secret).map_err(failed)?);
    }
    documents.push(serde_saphyr::to_string(&manifests.source).map_err(failed)?);
    text.push_str(&documents.join("---\n"));
    Ok(text)
}

fn list<'a>(title: &str, entries: impl Iterator<Item = &'a str>) -> String {
    let entries: String = entries.map(entry).collect();
    if entries.is_empty() { entries } else { format!("#\n# {title}:\n{entries}") }
}

/// One entry, in as many lines as it needs.
fn entry(text: &str) -> String {
    let (mut lines, mut line) = (String::new(), "#   -".to_owned());
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            "#    ".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    format!("{lines}{line}\n")
}
