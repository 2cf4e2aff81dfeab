//! Escapes line breaks, terminal sequences and invisible characters in log output, so that each log record is one line.
//! Relies on the subscriber writing each line in one piece. Must not know what is logged.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::api::text::escaped;

/// Writes log lines to standard error.
pub(super) struct EscapingStderr;

impl<'a> MakeWriter<'a> for EscapingStderr {
    type Writer = Escaping<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Escaping(io::stderr())
    }
}

/// Escapes the line that each call of `write` passes.
pub(super) struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |text| (text, "\n"));
        let escaped = escaped(text) + end;
        self.0.write_all(escaped.as_bytes()).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(json: bool) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = file.reopen().unwrap();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || Escaping(writer.try_clone().unwrap()));
        let log = || {
            let hostile = "x\n2026-01-01T00:00:00Z  INFO forged\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\u{2028}";
            let _span = tracing::error_span!("reconcile", object = %hostile).entered();
            tracing::warn!(name = %hostile, quoted = ?hostile, "It failed: {hostile}");
        };
        if json {
            tracing::subscriber::with_default(subscriber.json().finish(), log);
        } else {
            tracing::subscriber::with_default(subscriber.finish(), log);
        }
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn logged_text_cannot_begin_a_line_or_affect_a_terminal() {
        for json in [false, true] {
            let written = logged(json);
            let line = written.strip_suffix('\n').unwrap();
            assert!(!line.chars().any(crate::api::text::is_unseen), "{written:?}");
            assert!(line.matches("forged").count() >= 4, "{written:?}");
            if json {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            }
        }
    }
}
