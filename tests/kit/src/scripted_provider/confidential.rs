//! What of an answer nobody but the client may ever show.
//!
//! It knows the members that hold tokens. It must not know where they are searched for.

use serde_json::Value;

use crate::canaries;

/// Registers the tokens, the marker that [`Answer::token`](super::Answer::token) adds, or else the body as a whole.
pub(super) fn register(body: &[u8]) {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    for member in ["access_token", "refresh_token", "id_token", "accessToken", "marker"] {
        if let Some(secret) = parsed[member].as_str().filter(|text| text.len() >= 8) {
            canaries::register(&format!("{member} of an answer"), secret);
        }
    }
    // Whoever shows a body without a marker is found by the body itself; megabytes are not worth their search.
    let text = std::str::from_utf8(body).ok().filter(|text| (16..4096).contains(&text.len()));
    if let Some(text) = text.filter(|_| parsed["marker"].is_null()) {
        canaries::register("an answer's whole body", text);
    }
}
