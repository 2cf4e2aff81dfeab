//! Apiax (docs/providers/apiax.md): the password grant first, then refresh tokens that rotate.
//!
//! As documented, epoch milliseconds are in `expires_in` of the first response and in `expires_at` of refresh responses. A
//! refresh token that is used twice invalidates its whole family (RFC 9700 §4.14), so that tests notice the mistake. The errors
//! are Keycloak's errors, because Apiax runs on Keycloak.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::books::{Books, RefreshToken, secret};
use super::document::{Refusal, form, grant, no_authorization};
use super::{Document, RecordedRequest};
use crate::unique;

/// "14 days starting after the retrieval of your Access Token with credentials": rotation does not extend
/// them.
const LOGIN: Duration = Duration::from_secs(14 * 24 * 3600);
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(super) static DOCUMENT: Document = Document {
    name: "apiax",
    hosts: &["auth.apiax.io"],
    token_path: "/auth/realms/apiax/protocol/openid-connect/token",
    api_path: "/api",
    lifetime: Duration::from_secs(1800),
    credentials: || {
        vec![
            ("client_id", "integration-api".into()),
            ("username", "someone@example.com".into()),
            ("password", secret("apiax")),
        ]
    },
    rotates: "password",
    exchange,
};

fn exchange(request: &RecordedRequest, books: &mut Books) -> Result<Value, Refusal> {
    no_authorization(request)?;
    match request.form_value("grant_type").as_deref() {
        Some("refresh_token") => refresh(request, books),
        _ => log_in(request, books),
    }
}

fn log_in(request: &RecordedRequest, books: &mut Books) -> Result<Value, Refusal> {
    let members = form(request, &["client_id", "grant_type", "username", "password"])?;
    grant(&members, "password")?;
    if !books.knows("client_id", members.get("client_id")) {
        return Err(Refusal::invalid_client());
    }
    if !books.knows("username", members.get("username")) || !books.knows("password", members.get("password"))
    {
        return Err(Refusal::oauth(401, "invalid_grant", "Invalid user credentials"));
    }
    Ok(response(books, "expires_in", &unique::uuid(), Utc::now() + LOGIN))
}

fn refresh(request: &RecordedRequest, books: &mut Books) -> Result<Value, Refusal> {
    let members = form(request, &["grant_type", "client_assertion_type", "client_id", "refresh_token"])?;
    if !books.knows("client_id", members.get("client_id")) {
        return Err(Refusal::invalid_client());
    }
    if members["client_assertion_type"] != ASSERTION_TYPE {
        return Err(Refusal::invalid_request("`client_assertion_type` is not the documented one"));
    }
    let Some(known) = books.refresh.get_mut(&members["refresh_token"]) else {
        return Err(Refusal::oauth(400, "invalid_grant", "Invalid refresh token"));
    };
    if known.expires <= Utc::now() {
        return Err(Refusal::oauth(400, "invalid_grant", "Token is not active"));
    }
    let RefreshToken { family, expires, used } = known.clone();
    if used {
        books.refresh.retain(|_, token| token.family != family);
        let why = "Maximum allowed refresh token reuse exceeded";
        return Err(Refusal::oauth(400, "invalid_grant", why));
    }
    known.used = true;
    Ok(response(books, "expires_at", &family, expires))
}

fn response(books: &mut Books, expiry_name: &str, family: &str, login_ends: DateTime<Utc>) -> Value {
    let refresh_token = books.jwt("https://auth.apiax.io/auth/realms/apiax", "refresh");
    // The refresh token looks like an access token, but the API must not accept it.
    books.tokens.remove(&refresh_token);
    let entry = RefreshToken { family: family.to_owned(), expires: login_ends, used: false };
    books.refresh.insert(refresh_token.clone(), entry);
    let access_token = books.jwt("https://auth.apiax.io/auth/realms/apiax", "account");
    json!({
        "access_token": access_token,
        expiry_name: books.expires().timestamp_millis(),
        "refresh_expires_in": 0,
        "refresh_token": refresh_token,
        "token_type": "bearer",
        "not-before-policy": 1_577_836_800_000_i64,
        "session_state": family,
        "scope": "email profile",
    })
}
