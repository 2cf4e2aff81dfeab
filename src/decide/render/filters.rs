//! The filters of a template. A text that a filter makes is at most as long as the maximum output of a template, because a
//! chain of filters could otherwise double a text again and again. Each filter charges its work to the budget of the `work`
//! module before it does the work. Must not put a value into an error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::vocabulary::FILTERS;
use super::work::{ITEM, Work};
use super::{Fault, LIMIT};

/// Applies the filter of this name.
pub(super) fn apply(name: &str, input: Value, arguments: &[Value], work: &mut Work) -> Result<Value, Fault> {
    work.charge(ITEM)?;
    match (name, input, arguments) {
        ("b64encode", Value::String(text), []) => {
            reserve(text.len().div_ceil(3) * 4, work)?;
            Ok(Value::String(STANDARD.encode(text)))
        }
        ("first", Value::Array(parts), []) => parts.into_iter().next().ok_or(Fault::Missing),
        ("last", Value::Array(parts), []) => parts.into_iter().next_back().ok_or(Fault::Missing),
        ("join", Value::Array(parts), []) => join(&parts, "", work),
        ("join", Value::Array(parts), [Value::String(separator)]) => join(&parts, separator, work),
        ("length", Value::String(text), []) => {
            work.charge(text.len())?;
            Ok(Value::from(text.chars().count()))
        }
        ("lower", Value::String(mut text), []) => {
            work.charge(text.len())?;
            text.make_ascii_lowercase();
            Ok(Value::String(text))
        }
        ("upper", Value::String(mut text), []) => {
            work.charge(text.len())?;
            text.make_ascii_uppercase();
            Ok(Value::String(text))
        }
        ("replace", Value::String(text), [Value::String(from), Value::String(to)]) => {
            replace(&text, from, to, work)
        }
        ("split", Value::String(text), []) => pieces(&text, text.split_ascii_whitespace(), work),
        ("split", Value::String(text), [Value::String(separator)]) if !separator.is_empty() => {
            pieces(&text, text.split(separator.as_str()), work)
        }
        ("tojson", value, []) => tojson(&value, work),
        ("trim", Value::String(text), []) => {
            work.charge(text.len())?;
            Ok(Value::from(text.trim()))
        }
        ("urlencode", Value::String(text), []) => urlencode(&text, work),
        (name, _, arguments) if FILTERS.contains(&name) => Err(match (name, arguments.len()) {
            ("replace", 2) | ("join" | "split", 0 | 1) => Fault::Unfit,
            ("replace" | "join" | "split", _) | (_, 1..) => Fault::Arguments,
            _ => Fault::Unfit,
        }),
        _ => Err(Fault::UnknownFilter),
    }
}

/// Charges a result of this length, and refuses one that is too long.
fn reserve(length: usize, work: &mut Work) -> Result<(), Fault> {
    if length > LIMIT {
        return Err(Fault::TooLong);
    }
    work.charge(length)
}

/// Encodes everything but the unreserved characters of RFC 3986 as `%XX`: safe in a path, in a query, and in a user or
/// password before a host.
fn urlencode(text: &str, work: &mut Work) -> Result<Value, Fault> {
    const HEXADECIMAL: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    work.charge(text.len())?;
    let length = text.bytes().map(|byte| if plain(byte) { 1 } else { 3 }).sum();
    reserve(length, work)?;
    let mut encoded = String::with_capacity(length);
    let digit = |value: u8| HEXADECIMAL.get(usize::from(value)).copied().unwrap_or_default();
    for byte in text.bytes() {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    Ok(Value::String(encoded))
}

/// JSON without HTML's escapes: `&` stays `&`.
fn tojson(value: &Value, work: &mut Work) -> Result<Value, Fault> {
    let mut json = Bounded { text: Vec::new(), work, fault: Fault::Unfit };
    serde_json::to_writer(&mut json, value).map_err(|_| json.fault)?;
    String::from_utf8(json.text).map(Value::String).map_err(|_| Fault::Unfit)
}

/// Collects bytes up to the limit, and refuses what goes beyond it.
struct Bounded<'a> {
    text: Vec<u8>,
    work: &'a mut Work,
    /// Why further bytes are refused.
    fault: Fault,
}

impl std::io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Each write is charged eight bytes more, because a text that consists of quotes is written letter by letter.
        let charged = self.work.charge(bytes.len() + 8);
        let fits = if self.text.len() + bytes.len() > LIMIT { Err(Fault::TooLong) } else { charged };
        if let Err(fault) = fits {
            self.fault = fault;
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn replace(text: &str, from: &str, to: &str, work: &mut Work) -> Result<Value, Fault> {
    // Charged twice: the occurrences are counted before they are replaced.
    work.charge(2 * text.len())?;
    let occurrences = text.matches(from).count();
    let removed = occurrences.saturating_mul(from.len());
    let added = occurrences.saturating_mul(to.len());
    work.charge(occurrences.saturating_mul(8))?;
    reserve(text.len().saturating_sub(removed).saturating_add(added), work)?;
    Ok(Value::String(text.replace(from, to)))
}

/// The parts of a split text.
fn pieces<'a>(text: &str, pieces: impl Iterator<Item = &'a str>, work: &mut Work) -> Result<Value, Fault> {
    work.charge(text.len())?;
    let mut parts = Vec::new();
    for piece in pieces {
        work.charge(ITEM + piece.len())?;
        parts.push(Value::from(piece));
    }
    Ok(Value::Array(parts))
}

fn join(parts: &[Value], separator: &str, work: &mut Work) -> Result<Value, Fault> {
    work.charge(parts.len() * ITEM)?;
    let texts: Vec<&str> =
        parts.iter().map(|part| part.as_str().ok_or(Fault::Unfit)).collect::<Result<_, _>>()?;
    let length = texts.iter().map(|text| text.len() + separator.len()).fold(0, usize::saturating_add);
    reserve(length, work)?;
    Ok(Value::String(texts.join(separator)))
}
