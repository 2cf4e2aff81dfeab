//! Text of users where people and programs read it line by line: on a terminal, in a log.
//! Knows which characters have no shape of their own; must not know where a text goes.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Ranges of characters that hide, or that reorder or break up their neighbours, beside the control characters: format
/// characters, line and paragraph separators, letters without a glyph.
const UNSEEN: [(char, char); 22] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{110bd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e01ef}'),
];

/// Whether a character moves a cursor, breaks a line, or cannot be seen.
pub fn is_unseen(letter: char) -> bool {
    letter.is_control() || UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&letter))
}

/// The text with such characters written as JSON writes them, for example `\u001b`: in a JSON document the text is then
/// still the same.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + 16);
    text.chars().for_each(|letter| push_escaped(&mut written, letter));
    Cow::Owned(written)
}

/// Appends a character, escaped where it must be.
pub fn push_escaped(text: &mut String, letter: char) {
    match letter {
        '\n' => text.push_str("\\n"),
        '\t' => text.push_str("\\t"),
        '\r' => text.push_str("\\r"),
        _ if is_unseen(letter) => {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
        _ => text.push(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unseen_characters_are_written_out_and_others_stay() {
        for (text, shown) in [
            ("plain, höchst-länglich, 日本語 ✓", "plain, höchst-länglich, 日本語 ✓"),
            ("\u{1b}]0;owned\u{7}", "\\u001b]0;owned\\u0007"),
            ("a\nINFO forged\r\tb", "a\\nINFO forged\\r\\tb"),
            ("\u{9b}2J\u{7f}", "\\u009b2J\\u007f"),
            (
                "\u{202e}cba\u{2066}\u{200b}\u{feff}\u{ad}\u{2028}",
                "\\u202ecba\\u2066\\u200b\\ufeff\\u00ad\\u2028",
            ),
            ("\u{e0041}", "\\udb40\\udc41"),
            ("\u{3164}", "\\u3164"),
        ] {
            assert_eq!(escaped(text), shown, "{text:?}");
        }
    }

    #[test]
    fn json_means_the_same_escaped() {
        let value = serde_json::json!({"a\u{9b}": "\u{202e}b\u{e0041}\n\"\\"});
        let shown = escaped(&value.to_string()).into_owned();
        assert!(!shown.chars().any(is_unseen), "{shown:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
