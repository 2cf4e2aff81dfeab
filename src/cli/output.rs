//! How text reaches a person: colours where a terminal reads, lines that fit it, and no control character of anybody
//! else's. Must not know what is said.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};

use super::Error;

/// Where lines of prose end.
const WIDTH: usize = 100;

pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const TITLE: Style = Style::new().bold();

/// Writes to the standard output. Colours are taken out unless a terminal reads that shows them (`NO_COLOR` and the
/// like are obeyed).
pub(super) fn print(text: &str) -> Result<(), Error> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Write)
}

/// The same for the standard error: progress, and what goes wrong on the way.
pub(super) fn remark(text: &str) {
    let mut out = anstream::stderr().lock();
    // Whom should one tell?
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A text in this style.
pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{}{text}{}", style.render(), style.render_reset())
}

/// Prose in lines of at most [`WIDTH`] characters, each after this indentation. What holds a command stays in one line,
/// so that it can be copied.
pub(super) fn wrapped(text: &str, indentation: usize) -> String {
    if text.contains("kubectl ") {
        return format!("{}{text}\n", " ".repeat(indentation));
    }
    let mut wrapped = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
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
        wrapped.push_str(word);
        used += length;
    }
    wrapped.push('\n');
    wrapped
}

/// Somebody else's text without what would move a terminal's cursor.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_broken_between_words_and_commands_stay_whole() {
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
    fn nobody_else_moves_the_cursor() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{9b}c\nd"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
    }
}
