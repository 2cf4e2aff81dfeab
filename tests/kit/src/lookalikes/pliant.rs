//! Pliant (docs/providers/pliant.md): a JSON body with an audience, in two environments that share nothing.
//!
//! Error bodies are not documented and follow RFC 6749, except for an audience that the client has no grant for: Auth0, on
//! which Pliant runs, answers 403 `access_denied`.

use std::time::Duration;

use serde_json::{Value, json};

use super::books::{Books, secret};
use super::document::{Refusal, client, grant, json_object, no_authorization};
use super::{Document, RecordedRequest};

pub(super) static PRODUCTION: Document = Document {
    name: "pliant",
    hosts: &["infinnityprodinternal.eu.auth0.com"],
    token_path: "/oauth/token",
    api_path: "/api/integration",
    lifetime: Duration::from_secs(86_400),
    credentials: || vec![("client_id", "pliant-production".into()), ("client_secret", secret("pliant"))],
    rotates: "client_secret",
    exchange: |request, books| exchange(request, books, "api.getpliant.com/api/integration"),
};

pub(super) static SANDBOX: Document = Document {
    name: "pliant-sandbox",
    hosts: &["infinnitystaginginternal.eu.auth0.com"],
    token_path: "/oauth/token",
    api_path: "/api/integration",
    lifetime: Duration::from_secs(86_400),
    credentials: || vec![("client_id", "pliant-sandbox".into()), ("client_secret", secret("pliant-sandbox"))],
    rotates: "client_secret",
    exchange: |request, books| exchange(request, books, "api.staging.v2.infinnitytest.com/api/integration"),
};

fn exchange(request: &RecordedRequest, books: &mut Books, audience: &str) -> Result<Value, Refusal> {
    let members = json_object(request, &["grant_type", "client_id", "client_secret", "audience"])?;
    no_authorization(request)?;
    grant(&members, "client_credentials")?;
    client(&members, books)?;
    if members.get("audience").map(String::as_str) != Some(audience) {
        return Err(Refusal::oauth(403, "access_denied", "the audience is not that of this environment"));
    }
    let token = books.jwt("https://infinnity.eu.auth0.com/", audience);
    Ok(json!({ "access_token": token, "expires_in": books.lifetime.as_secs(), "token_type": "Bearer" }))
}
