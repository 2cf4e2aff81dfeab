//! The `/oauth/v2/token` provider (docs/providers/v2.md): raw HTTP Basic, and only `grant_type` in the body.
//!
//! The provider's documentation promises a JWT but shows a token that is no JWT, and this server issues such tokens. The answer to
//! bad credentials is 401 with an empty body, because no body is documented.

use std::time::Duration;

use serde_json::{Value, json};

use super::books::Books;
use super::document::{Refusal, form, grant};
use super::{Document, RecordedRequest};

pub(super) static DOCUMENT: Document = Document {
    name: "v2",
    hosts: &["api.example.com"],
    token_path: "/oauth/v2/token",
    api_path: "/api",
    lifetime: Duration::from_secs(3600),
    // Form-encoding would change both values, and the colon in the secret reveals a wrong split.
    credentials: || {
        vec![
            ("client_id", "1PpG/Q 1".into()),
            ("client_secret", "z/tZ9VwFZqApmIQ+ZH1I5pLk/uB4ud:X2/8bL+wfFTt1rFw=".into()),
        ]
    },
    rotates: "client_secret",
    exchange,
};

fn exchange(request: &RecordedRequest, books: &mut Books) -> Result<Value, Refusal> {
    let members = form(request, &["grant_type"])?;
    grant(&members, "client_credentials")?;
    let Some((id, secret)) = request.basic() else {
        return Err(Refusal::bare(401, "no `Authorization: Basic` header that decodes to id and secret"));
    };
    if !books.knows("client_id", Some(&id)) || !books.knows("client_secret", Some(&secret)) {
        return Err(Refusal::bare(401, "unknown client or wrong secret; is it raw, not form-encoded?"));
    }
    let token = books.base64_token();
    Ok(json!({ "token_type": "Bearer", "expires_in": books.lifetime.as_secs(), "access_token": token }))
}
