//! Encodes parameters as a form or as JSON, directly into a buffer that is wiped when dropped.
//! Must not know what the parameters mean.
//! The encoders are written by hand, because a JSON map of the library would sort the members, and both libraries would
//! leave copies of secrets in buffers of their own.

use zeroize::Zeroizing;

use super::members::{Member, Value};

/// `application/x-www-form-urlencoded` by the rules of the WHATWG, to which RFC 6749 appendix B refers: space becomes `+`,
/// `*-._` are kept, all other characters except letters and digits become `%XX`.
pub(super) fn form<'a>(members: impl Iterator<Item = &'a Member<'a>> + Clone) -> Zeroizing<Vec<u8>> {
    let mut body = buffer(members.clone());
    for member in members {
        if !body.is_empty() {
            body.push(b'&');
        }
        form_encode(member.name, &mut body);
        body.push(b'=');
        form_encode(member.plain(), &mut body);
    }
    body
}

/// Appends one form-encoded text.
pub(super) fn form_encode(text: &str, to: &mut Vec<u8>) {
    for piece in form_urlencoded::byte_serialize(text.as_bytes()) {
        to.extend_from_slice(piece.as_bytes());
    }
}

/// One JSON object. A name that occurs once has a plain value; a repeated name has a list of values.
pub(super) fn json<'a>(members: impl Iterator<Item = &'a Member<'a>> + Clone) -> Zeroizing<Vec<u8>> {
    let mut body = buffer(members.clone());
    let mut members = members.peekable();
    body.push(b'{');
    while let Some(member) = members.next() {
        if body.len() > 1 {
            body.push(b',');
        }
        json_string(member.name, &mut body);
        body.push(b':');
        let same = |next: &&Member<'_>| next.name == member.name;
        let Some(second) = members.next_if(same) else {
            json_value(member, &mut body);
            continue;
        };
        body.push(b'[');
        json_value(member, &mut body);
        let mut next = Some(second);
        while let Some(member) = next {
            body.push(b',');
            json_value(member, &mut body);
            next = members.next_if(same);
        }
        body.push(b']');
    }
    body.push(b'}');
    body
}

fn json_value(member: &Member<'_>, to: &mut Vec<u8>) {
    match &member.value {
        Value::Text(text) => json_string(text, to),
        Value::Literal(text) => to.extend_from_slice(text.as_bytes()),
    }
}

/// Appends a JSON string (RFC 8259 §7), escaping only what must be escaped.
fn json_string(text: &str, to: &mut Vec<u8>) {
    to.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => to.extend_from_slice(&[b'\\', byte]),
            0..0x20 => to.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => to.push(byte),
        }
    }
    to.push(b'"');
}

/// An empty buffer that is large enough for any encoding of these members: a buffer that grows leaves a copy in memory.
fn buffer<'a>(members: impl Iterator<Item = &'a Member<'a>>) -> Zeroizing<Vec<u8>> {
    // A byte becomes at most six (`\u0000`). A member adds at most seven for quotes, colon, separator and brackets.
    let bound: usize = members.map(|member| 6 * (member.name.len() + member.plain().len()) + 7).sum();
    Zeroizing::new(Vec::with_capacity(bound + 2))
}
