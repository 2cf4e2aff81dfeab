//! The parts of an answer that only the client may see.
//!
//! Knows the members that contain tokens. Must not know the searched places.

use serde_json::Value;

use crate::canaries;

/// Registers the tokens of an answer and the marker that [`Answer::token`](super::Answer::token) adds. A body without a
/// marker is also registered as a whole.
pub(super) fn register(body: &[u8]) {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    for member in ["access_token", "refresh_token", "id_token", "accessToken", "marker"] {
        if let Some(secret) = parsed[member].as_str().filter(|text| text.len() >= 8) {
            canaries::register(&format!("{member} of an answer"), secret);
        }
    }
    // A short body would be found anywhere, and the search for a long body would take long.
    let text = std::str::from_utf8(body).ok().filter(|text| (16..4096).contains(&text.len()));
    if let Some(text) = text.filter(|_| parsed["marker"].is_null()) {
        canaries::register("an answer's whole body", text);
    }
}
