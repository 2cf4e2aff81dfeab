//! The words of a command line, split as a POSIX shell splits them.
//!
//! Expands and runs nothing: `$NAME`, `$(command)` and `<a placeholder>` stay unchanged in their words. More lenient than a
//! shell, because lines of documentation need that: a `&` inside a URL needs no quotes, and a line may continue after `^` or
//! a backtick. The crate shlex knows neither `$'…'` nor the end of a command (`|`, `>`, `;`), so it would take `jq` for a
//! URL. Must not know curl.

use std::iter::Peekable;
use std::str::Chars;

use super::error::LineError;

/// The longest line, in bytes.
pub(super) const MAX_LENGTH: usize = 64 * 1024;
/// The largest number of words.
const MAX_WORDS: usize = 200;

/// The words of the first command of the line.
pub(super) fn words(line: &str) -> Result<Vec<String>, LineError> {
    if line.len() > MAX_LENGTH {
        return Err(LineError::new(
            "it is longer than 64 KiB: leave out what the token request does not need",
        ));
    }
    let mut reader = Reader { rest: line.chars().peekable(), words: Vec::new(), word: None };
    while reader.step()? {}
    reader.end_word()?;
    Ok(reader.words)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    words: Vec<String>,
    /// The word that is being read. A pair of quotes alone makes an empty word.
    word: Option<String>,
}

impl Reader<'_> {
    /// Reads one element; false at the end of the command.
    fn step(&mut self) -> Result<bool, LineError> {
        let Some(letter) = self.rest.next() else { return Ok(false) };
        match letter {
            ' ' | '\t' | '\r' | '\n' => self.end_word()?,
            '\'' => self.single_quotes()?,
            '"' => self.double_quotes()?,
            '\\' | '^' | '`' if self.continues(letter) => {}
            '\\' => self.extend_with_next(),
            '`' => self.until('`')?,
            '$' => self.dollar()?,
            '#' if self.word.is_none() => while self.rest.next_if(|letter| *letter != '\n').is_some() {},
            '|' => return Ok(false),
            '>' => {
                // The number before `>` names a file descriptor.
                self.word.take_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
                return Ok(false);
            }
            ';' | '&' if self.ends_command() => return Ok(false),
            '<' => self.angle_brackets(),
            _ => self.push(letter),
        }
        Ok(true)
    }

    fn push(&mut self, letter: char) {
        self.word.get_or_insert_default().push(letter);
    }

    fn extend_with_next(&mut self) {
        if let Some(letter) = self.rest.next() {
            self.push(letter);
        }
    }

    fn end_word(&mut self) -> Result<(), LineError> {
        self.words.extend(self.word.take());
        if self.words.len() > MAX_WORDS {
            return Err(LineError::new(format!(
                "it has more than {MAX_WORDS} words: give the line of the token request alone"
            )));
        }
        Ok(())
    }

    /// Skips the end of a line after a character that continues the line, also if blanks follow the character.
    fn continues(&mut self, letter: char) -> bool {
        let mut ahead = self.rest.clone();
        while ahead.next_if(|letter| matches!(letter, ' ' | '\t' | '\r')).is_some() {}
        let ends = match ahead.next() {
            Some(next) => next == '\n',
            None => letter == '\\',
        };
        if ends {
            self.rest = ahead;
        }
        ends
    }

    /// Whether the character just read ends the command. Inside a word, `&` separates the parameters of a URL.
    fn ends_command(&mut self) -> bool {
        self.word.is_none() || self.rest.peek().is_none_or(|next| next.is_whitespace() || *next == '&')
    }

    fn single_quotes(&mut self) -> Result<(), LineError> {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(()),
                Some(letter) => self.push(letter),
                None => return Err(unclosed()),
            }
        }
    }

    fn double_quotes(&mut self) -> Result<(), LineError> {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next() {
                Some('"') => return Ok(()),
                Some('\\') => match self.rest.next() {
                    Some('\n') => {}
                    Some(letter @ ('$' | '`' | '"' | '\\')) => self.push(letter),
                    Some(letter) => {
                        self.push('\\');
                        self.push(letter);
                    }
                    None => return Err(unclosed()),
                },
                Some('`') => self.until('`')?,
                Some('$') if self.rest.peek() == Some(&'(') => self.substitution()?,
                Some(letter) => self.push(letter),
                None => return Err(unclosed()),
            }
        }
    }

    /// After a `$` outside quotes.
    fn dollar(&mut self) -> Result<(), LineError> {
        match self.rest.peek() {
            Some('\'') => {
                self.rest.next();
                self.escaped_quotes()
            }
            Some('"') => Ok(()),
            Some('(') => self.substitution(),
            Some('{') => {
                self.push('$');
                self.until('}')
            }
            _ => {
                self.push('$');
                Ok(())
            }
        }
    }

    /// `$(command)`, which is kept as text.
    fn substitution(&mut self) -> Result<(), LineError> {
        self.push('$');
        let mut depth = 0_usize;
        loop {
            let letter = self.rest.next().ok_or_else(unclosed)?;
            self.push(letter);
            match letter {
                '(' => depth += 1,
                ')' if depth <= 1 => return Ok(()),
                ')' => depth -= 1,
                _ => {}
            }
        }
    }

    /// Keeps everything up to this character as text.
    fn until(&mut self, end: char) -> Result<(), LineError> {
        if end == '`' {
            self.push('`');
        }
        loop {
            let letter = self.rest.next().ok_or_else(unclosed)?;
            self.push(letter);
            if letter == end {
                return Ok(());
            }
        }
    }

    /// `$'…'` with the escapes of C.
    fn escaped_quotes(&mut self) -> Result<(), LineError> {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next().ok_or_else(unclosed)? {
                '\'' => return Ok(()),
                '\\' => {
                    let letter = self.rest.next().ok_or_else(unclosed)?;
                    let letter = match letter {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'x' => self.number("", 16, 2),
                        'u' => self.number("", 16, 4),
                        'U' => self.number("", 16, 8),
                        '0'..='7' => self.number(letter.encode_utf8(&mut [0; 4]), 8, 3),
                        other => other,
                    };
                    self.push(letter);
                }
                letter => self.push(letter),
            }
        }
    }

    /// The character with this number, of which the first digits have been read.
    fn number(&mut self, first: &str, radix: u32, longest: usize) -> char {
        let mut digits = first.to_owned();
        while digits.len() < longest {
            let Some(digit) = self.rest.next_if(|letter| letter.is_digit(radix)) else { break };
            digits.push(digit);
        }
        u32::from_str_radix(&digits, radix)
            .ok()
            .and_then(char::from_u32)
            .unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    /// `<a placeholder>` without quotes, where a shell would read a file.
    fn angle_brackets(&mut self) {
        let ahead = self.rest.clone().take_while(|letter| *letter != '\n');
        let closes = ahead.take(100).any(|letter| letter == '>');
        self.push('<');
        if !closes {
            return;
        }
        for letter in self.rest.by_ref() {
            self.word.get_or_insert_default().push(letter);
            if letter == '>' {
                return;
            }
        }
    }
}

fn unclosed() -> LineError {
    LineError::new("a quotation mark or a bracket in it is never closed: copy the whole line")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let cases: [(&str, &[&str]); 21] = [
            ("curl  -X POST\thttps://a/b ", &["curl", "-X", "POST", "https://a/b"]),
            ("curl 'a b' \"c d\" e\\ f", &["curl", "a b", "c d", "e f"]),
            ("a'b'\"c\"d ''", &["abcd", ""]),
            (r#""say \"hi\" \n \$x""#, &[r#"say "hi" \n $x"#]),
            (r"'it'\''s'", &["it's"]),
            (r"$'it\'s\n\x41\u00e4\101'", &["it's\nA\u{e4}A"]),
            ("a \\\n  b \\ \n c ^\r\n d `\n e", &["a", "b", "c", "d", "e"]),
            ("\"a\\\nb\"", &["ab"]),
            ("a\nb", &["a", "b"]),
            ("a # b\nc#d", &["a", "c#d"]),
            ("a | jq -r .b", &["a"]),
            ("a -m 5|jq", &["a", "-m", "5"]),
            ("a 2>/dev/null", &["a"]),
            ("a; b", &["a"]),
            ("a && b", &["a"]),
            ("https://a/b?c=d&e=f", &["https://a/b?c=d&e=f"]),
            ("a -d id=<your id> b", &["a", "-d", "id=<your id>", "b"]),
            ("\"Basic $(echo -n \"a:b\" | base64)\" c", &["Basic $(echo -n \"a:b\" | base64)", "c"]),
            ("$(cat (a) b) `cat c`", &["$(cat (a) b)", "`cat c`"]),
            ("${A B} $C", &["${A B}", "$C"]),
            ("", &[]),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn lines_without_an_end_and_long_lines_are_refused() {
        for line in ["a 'b", "a \"b", "a $'b", "a $(b", "a `b", "a \"b\\"] {
            assert_eq!(words(line), Err(unclosed()), "{line}");
        }
        assert!(words(&"a ".repeat(200)).is_ok());
        assert!(words(&"a ".repeat(201)).is_err());
        assert!(words(&"a".repeat(MAX_LENGTH)).is_ok());
        assert!(words(&"a".repeat(MAX_LENGTH + 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}", shaped in "[-a-z '\"\\\\$({})`<>|;&\\n]{0,200}") {
            let _ = (words(&text), words(&shaped));
        }
    }
}
