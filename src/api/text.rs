//! Escapes user-controlled text for output that is read line by line, such as a terminal or a log.
//! Knows which characters have no visible shape; must not know where a text is written.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Ranges of invisible characters other than the control characters: format characters, line and paragraph separators, and
/// other characters without a glyph (`Default_Ignorable_Code_Point`). Such characters hide, reorder or separate the characters
/// beside them. The variation selectors U+FE00 to U+FE0F are not among them: they choose the shape of a visible character.
const UNSEEN: [(char, char); 24] = [
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
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether a character moves the cursor, breaks the line, or is invisible.
pub fn is_unseen(letter: char) -> bool {
    letter.is_control() || UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&letter))
}

/// Escapes unseen characters as JSON does, for example as `\u001b`, so that an escaped JSON document keeps its meaning.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + 16);
    text.chars().for_each(|letter| push_escaped(&mut written, letter));
    Cow::Owned(written)
}

/// Appends a character, escaped if it is an unseen character.
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
    fn unseen_characters_are_escaped_and_others_are_kept() {
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
            // Signs of number and of musical notation, and the visible characters after them.
            ("\u{110bd}\u{110be}\u{110d0}", "\\ud804\\udcbd\u{110be}\u{110d0}"),
            ("\u{110cc}\u{110cd}\u{110ce}", "\u{110cc}\\ud804\\udccd\u{110ce}"),
            ("\u{1bc9f}\u{1bca3}\u{1bca4}", "\u{1bc9f}\\ud82f\\udca3\u{1bca4}"),
            ("\u{1d11e}\u{1d173}\u{1d17b}", "\u{1d11e}\\ud834\\udd73\u{1d17b}"),
            ("\u{fff0}\u{e0fff}", "\\ufff0\\udb43\\udfff"),
            ("\u{26a0}\u{fe0f}", "\u{26a0}\u{fe0f}"),
        ] {
            assert_eq!(escaped(text), shown, "{text:?}");
        }
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let value = serde_json::json!({"a\u{9b}": "\u{202e}b\u{e0041}\n\"\\"});
        let shown = escaped(&value.to_string()).into_owned();
        assert!(!shown.chars().any(is_unseen), "{shown:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
