//! Ocrolus (docs/providers/ocrolus.md): a form with the client secret and without an audience, the request that no source
//! contradicts.
//!
//! An audience is accepted only if it is exactly the one valid value; any other is answered with 403 `unauthorized_client`, as
//! users report. Errors follow RFC 6749, as the provider's reference page says.

use std::time::Duration;

use serde_json::{Value, json};

use super::books::{Books, secret};
use super::document::{Refusal, client, form, grant, no_authorization};
use super::{Document, RecordedRequest};

pub(super) static DOCUMENT: Document = Document {
    name: "ocrolus",
    hosts: &["auth.ocrolus.com", "api.ocrolus.com"],
    token_path: "/oauth/token",
    api_path: "/v1/books",
    lifetime: Duration::from_secs(86_400),
    credentials: || vec![("client_id", "ocrolus-client".into()), ("client_secret", secret("ocrolus"))],
    rotates: "client_secret",
    exchange,
};

const AUDIENCE: &str = "https://api.ocrolus.com/";

fn exchange(request: &RecordedRequest, books: &mut Books) -> Result<Value, Refusal> {
    let with_audience = ["grant_type", "client_id", "client_secret", "audience"];
    let has_audience = request.form_value("audience").is_some();
    let members = form(request, &with_audience[..if has_audience { 4 } else { 3 }])?;
    no_authorization(request)?;
    grant(&members, "client_credentials")?;
    client(&members, books)?;
    if members.get("audience").is_some_and(|audience| audience != AUDIENCE) {
        return Err(Refusal::oauth(
            403,
            "unauthorized_client",
            "the only legal audience has a trailing slash",
        ));
    }
    let token = books.jwt("https://auth.ocrolus.com/", AUDIENCE);
    Ok(json!({ "access_token": token, "token_type": "Bearer", "expires_in": books.lifetime.as_secs() }))
}
