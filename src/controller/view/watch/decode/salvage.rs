//! Decodes as much of a value as can be decoded, within limits of length, depth and number of values.
//! An error never quotes the text. Must not know what the value describes.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Where decoding failed. The error itself is not shown, since it quotes the text.
pub(super) fn place(what: &str, error: &serde_json::Error) -> String {
    format!("{what} cannot be read from byte {} on", error.column())
}

/// Decodes the whole value or, if that fails, each member by itself. Also returns the places of the faults, at most eight.
pub(super) fn salvage<T: DeserializeOwned>(
    raw: &RawValue,
    what: &str,
    bound: Bound,
) -> (Option<T>, Option<String>) {
    if bound.allows(raw)
        && let Ok(whole) = serde_json::from_str(raw.get())
    {
        return (Some(whole), None);
    }
    let Ok(mut members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw.get()) else {
        return (None, Some(format!("{what} is no object")));
    };
    let mut unread = Vec::new();
    members.retain(|name, value| {
        let alone = BTreeMap::from([(name, &*value)]);
        let is_read = bound.allows(value)
            && serde_json::to_string(&alone).is_ok_and(|alone| serde_json::from_str::<T>(&alone).is_ok());
        if !is_read {
            unread.push(format!("{what}.{}", name.chars().take(64).collect::<String>()));
        }
        is_read
    });
    // All members together may exceed the limit although none of them does.
    let rest = serde_json::value::to_raw_value(&members).ok().filter(|rest| bound.allows(rest));
    let rest = rest.and_then(|rest| serde_json::from_str(rest.get()).ok());
    unread.truncate(8);
    let fault = if unread.is_empty() { what.to_owned() } else { unread.join(", ") };
    (rest, Some(fault))
}

/// The limits for a part of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) bytes: usize,
    pub(super) depth: usize,
    /// Limited, because each value takes hundreds of bytes in memory, however short its text is.
    pub(super) values: usize,
}

impl Bound {
    fn allows(self, raw: &RawValue) -> bool {
        let text = raw.get();
        let (mut depth, mut deepest, mut values) = (0_usize, 0, 0_usize);
        let (mut in_string, mut escaped) = (false, false);
        for byte in text.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => {
                    depth += 1;
                    values += 1;
                    deepest = deepest.max(depth);
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' => values += 1,
                _ => {}
            }
        }
        text.len() <= self.bytes && deepest <= self.depth && values <= self.values
    }
}
