//! Output for people: colours on a terminal, wrapped lines, and escaped control characters in foreign text. All output of
//! the commands except `crd` goes through [`print`], [`redraw`] or [`remark`]. Must not know the content of the output.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};

use super::Error;
use crate::api::text::{escaped, push_escaped};

/// The length of wrapped lines.
const WIDTH: usize = 100;

pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const TITLE: Style = Style::new().bold();

/// Moves the cursor to the first column of the first line, and clears the screen below.
const FROM_THE_TOP: &str = "\u{1b}[H\u{1b}[J";

/// Writes to standard output. Colours are removed unless it is a terminal that supports them (`NO_COLOR` and similar
/// variables are respected).
pub(super) fn print(text: &str) -> Result<(), Error> {
    write(&printable(text))
}

/// Writes to standard output in place of the previous output.
pub(super) fn redraw(text: &str) -> Result<(), Error> {
    write(&format!("{FROM_THE_TOP}{}", printable(text)))
}

fn write(text: &str) -> Result<(), Error> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Write)
}

/// Writes progress and errors to standard error.
pub(super) fn remark(text: &str) {
    let mut out = anstream::stderr().lock();
    // There is no other place to report an error of this write.
    let _ = out.write_all(printable(text).as_bytes()).and_then(|()| out.flush());
}

/// Escapes everything that affects a terminal, except line ends, tabs and the styles above.
fn printable(text: &str) -> String {
    let styles = [GOOD, WARNING, BAD, TITLE].map(|style| style.render().to_string());
    let end_of_style = TITLE.render_reset().to_string();
    let mut printable = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let ours = styles.iter().chain([&end_of_style]).find(|sequence| rest.starts_with(*sequence));
        let taken = if let Some(sequence) = ours {
            printable.push_str(sequence);
            sequence.len()
        } else {
            match letter {
                '\n' | '\t' => printable.push(letter),
                _ => push_escaped(&mut printable, letter),
            }
            letter.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    printable
}

/// The text in this style.
pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{}{}{}", style.render(), escaped(text), style.render_reset())
}

/// Wraps text in lines of at most [`WIDTH`] characters, each indented. A text with a kubectl command stays in one line, so
/// that the command can be copied.
pub(super) fn wrapped(text: &str, indentation: usize) -> String {
    if text.contains("kubectl ") {
        return format!("{}{}\n", " ".repeat(indentation), escaped(text));
    }
    let mut wrapped = String::new();
    let mut used = 0;
    for word in text.split_whitespace().map(escaped) {
        let length = word.chars().count();
        if used > 0 && indentation + used + 1 + length > WIDTH {
            wrapped.push('\n');
            used = 0;
        }
        if used == 0 {
            wrapped.push_str(&" ".repeat(indentation));
        } else {
            wrapped.push(' ');
            used += 1;
        }
        wrapped.push_str(&word);
        used += length;
    }
    wrapped.push('\n');
    wrapped
}

/// Text from users, the API server or providers in one line: control characters and invisible characters are escaped.
pub(super) fn harmless(text: &str) -> String {
    escaped(text).into_owned()
}

/// A value as indented JSON.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    // Serialization cannot fail: the values are structs of strings, numbers and lists.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// A value as YAML.
pub(super) fn yaml(value: &impl serde::Serialize) -> String {
    serde_saphyr::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words_unless_it_has_a_command() {
        let command = "x".repeat(120);
        let text = format!("{} {command} end", "word ".repeat(30).trim());
        let lines: Vec<String> = wrapped(&text, 2).lines().map(str::to_owned).collect();
        assert!(lines.iter().all(|line| line.starts_with("  ") && !line.ends_with(' ')));
        assert!(lines.iter().filter(|line| line.len() > WIDTH).all(|line| line.trim() == command));
        assert_eq!(lines.len(), 4);
        assert_eq!(wrapped("", 2), "\n");
        let command = format!("{} kubectl get secret", "word ".repeat(40));
        assert_eq!(wrapped(&command, 2), format!("  {command}\n"));
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{9b}c\nd"), "a\\u001b[2Jb\\u009bc\\nd");
        let hostile = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\r\u{1b}[8m";
        let shown = "\\u001b]0;owned\\u0007\\u009b2J\\u202e\\r\\u001b[8m";
        assert_eq!(printable(&format!("a\t{hostile}\n")), format!("a\t{shown}\n"));
        let ours = styled(BAD, hostile);
        assert_eq!(printable(&ours), format!("{}{shown}{}", BAD.render(), BAD.render_reset()));
        assert_eq!(wrapped(&format!("kubectl get {hostile}"), 2), format!("  kubectl get {shown}\n"));
        assert_eq!(wrapped(hostile, 0).matches('\\').count(), 5, "a line end counts as white space");
    }
}
