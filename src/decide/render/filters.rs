//! The filters of a template. Each takes and gives at most what a whole template may render to, since a chain of
//! filters that lengthen their input would otherwise double it again and again.
//! Must not put a value into an error.

use std::fmt::Write as _;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::{Environment, Error, ErrorKind, Value};

use super::LIMIT;

/// Their names, for people.
pub(super) const NAMES: [&str; 12] = [
    "b64encode",
    "first",
    "join",
    "last",
    "length",
    "lower",
    "replace",
    "split",
    "tojson",
    "trim",
    "upper",
    "urlencode",
];

/// Adds all of [`NAMES`].
pub(super) fn add_to(engine: &mut Environment<'_>) {
    engine.add_filter("b64encode", |text: &str| bounded(text, |text| STANDARD.encode(text)));
    engine.add_filter("first", |parts: Vec<Value>| parts.into_iter().next().ok_or_else(missing));
    engine.add_filter("join", join);
    engine.add_filter("last", |parts: Vec<Value>| parts.into_iter().next_back().ok_or_else(missing));
    engine.add_filter("length", |text: &str| text.chars().count());
    engine.add_filter("lower", |text: &str| bounded(text, str::to_ascii_lowercase));
    engine.add_filter("replace", replace);
    engine.add_filter("split", split);
    engine.add_filter("tojson", tojson);
    engine.add_filter("trim", |text: &str| bounded(text, |text| text.trim().to_owned()));
    engine.add_filter("upper", |text: &str| bounded(text, str::to_ascii_uppercase));
    engine.add_filter("urlencode", |text: &str| bounded(text, urlencode));
}

/// Collects bytes up to the limit, and refuses what goes beyond it.
#[derive(Default)]
pub(super) struct Bounded(Vec<u8>);

impl Bounded {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LIMIT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn too_long() -> Error {
    Error::from(ErrorKind::WriteFailure)
}

/// An empty list has neither a first nor a last part.
fn missing() -> Error {
    Error::from(ErrorKind::UndefinedError)
}

/// For filters that lengthen their input by a small factor at most.
fn bounded(text: &str, filter: impl FnOnce(&str) -> String) -> Result<String, Error> {
    if text.len() > LIMIT {
        return Err(too_long());
    }
    Some(filter(text)).filter(|result| result.len() <= LIMIT).ok_or_else(too_long)
}

/// Everything but the unreserved characters of RFC 3986 as `%XX`: fit for a path, a query, and a user or password in
/// front of a host.
fn urlencode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

/// JSON without HTML's escapes: `&` stays `&`.
fn tojson(value: &Value) -> Result<String, Error> {
    let mut json = Bounded::default();
    serde_json::to_writer(&mut json, value)
        .map_err(|error| if error.is_io() { too_long() } else { Error::from(ErrorKind::BadSerialization) })?;
    String::from_utf8(json.into_bytes()).map_err(|_| Error::from(ErrorKind::BadSerialization))
}

fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    if text.len() > LIMIT || text.matches(from).count().saturating_mul(to.len()) > LIMIT {
        return Err(too_long());
    }
    bounded(text, |text| text.replace(from, to))
}

/// At the separator or, without one, at white space; a text of nothing but white space has no parts.
fn split(text: &str, separator: Option<&str>) -> Result<Vec<String>, Error> {
    let pieces: Vec<&str> = match separator {
        // A value costs some tens of bytes, however short it is.
        _ if text.len() > LIMIT => return Err(too_long()),
        Some("") => return Err(Error::from(ErrorKind::InvalidOperation)),
        Some(separator) => text.split(separator).collect(),
        None => text.split_ascii_whitespace().collect(),
    };
    Ok(pieces.into_iter().map(str::to_owned).collect())
}

#[allow(clippy::needless_pass_by_value)] // the signature is minijinja's
fn join(pieces: Vec<String>, separator: Option<&str>) -> Result<String, Error> {
    let separator = separator.unwrap_or_default();
    let length = pieces.iter().map(|piece| piece.len() + separator.len()).fold(0, usize::saturating_add);
    if length > LIMIT { Err(too_long()) } else { Ok(pieces.join(separator)) }
}
