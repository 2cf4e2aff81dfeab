//! Prisjakt (docs/providers/prisjakt.md): client credentials in a form, with `Accept: application/json`.
//!
//! Error bodies are not documented and follow RFC 6749.

use std::time::Duration;

use serde_json::{Value, json};

use super::books::{Books, secret};
use super::document::{Refusal, client, form, grant, no_authorization};
use super::{Document, RecordedRequest};

pub(super) static DOCUMENT: Document = Document {
    name: "prisjakt",
    hosts: &["auth.pj.nu", "api.pj.nu"],
    token_path: "/oauth2/token",
    api_path: "/echo",
    lifetime: Duration::from_secs(86_399),
    credentials: || vec![("client_id", "prisjakt-client".into()), ("client_secret", secret("prisjakt"))],
    rotates: "client_secret",
    exchange,
};

fn exchange(request: &RecordedRequest, books: &mut Books) -> Result<Value, Refusal> {
    let members = form(request, &["grant_type", "client_id", "client_secret"])?;
    no_authorization(request)?;
    if request.header_values("accept") != ["application/json"] {
        return Err(Refusal::invalid_request("`Accept: application/json` belongs to the documented request"));
    }
    grant(&members, "client_credentials")?;
    client(&members, books)?;
    let token = books.jwt("https://auth.pj.nu", "api.pj.nu");
    Ok(json!({
        "access_token": token, "expires_in": books.lifetime.as_secs(), "scope": "", "token_type": "bearer",
    }))
}
