//! The rules that all documents share for token requests, and the answers to requests that break them.
//!
//! Knows HTTP, forms, JSON and RFC 6749 §5.2. Must not know a single provider.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::books::Books;
use crate::scripted_provider::{Answer, RecordedRequest};

/// The members of a request's body.
pub(super) type Members = BTreeMap<String, String>;

/// A refused request: the answer for the client, and the reason for the test.
pub(super) struct Refusal {
    pub(super) answer: Answer,
    pub(super) why: String,
}

impl Refusal {
    /// An OAuth error.
    pub(super) fn oauth(status: u16, code: &str, why: impl Into<String>) -> Self {
        let why = why.into();
        let answer = Answer::json(status, &json!({ "error": code, "error_description": why }));
        Self { answer, why }
    }

    /// A bare status, for providers that document no body.
    pub(super) fn bare(status: u16, why: impl Into<String>) -> Self {
        Self { answer: Answer::status(status), why: why.into() }
    }

    pub(super) fn invalid_request(why: impl Into<String>) -> Self {
        Self::oauth(400, "invalid_request", why)
    }

    /// RFC 6749 §5.2. The description contains no value, because a wrong credential may be a secret, too.
    pub(super) fn invalid_client() -> Self {
        Self::oauth(401, "invalid_client", "unknown client or wrong secret")
    }
}

/// Reads a form that must contain exactly these members, once each.
pub(super) fn form(request: &RecordedRequest, members: &[&str]) -> Result<Members, Refusal> {
    carries(request, "application/x-www-form-urlencoded")?;
    let mut found = Members::new();
    for (name, value) in request.form() {
        if found.insert(name.clone(), value).is_some() {
            return Err(Refusal::invalid_request(format!("`{name}` is in the body twice")));
        }
    }
    exactly(found, members)
}

/// Reads a JSON object that must contain exactly these members, all of them strings.
pub(super) fn json_object(request: &RecordedRequest, members: &[&str]) -> Result<Members, Refusal> {
    carries(request, "application/json")?;
    let Value::Object(object) = request.json() else {
        return Err(Refusal::invalid_request("the body is no JSON object"));
    };
    let mut found = Members::new();
    for (name, value) in object {
        let Value::String(value) = value else {
            return Err(Refusal::invalid_request(format!("`{name}` is no string")));
        };
        found.insert(name, value);
    }
    exactly(found, members)
}

/// Refuses an `Authorization` header, because the document has the credentials only in the body.
pub(super) fn no_authorization(request: &RecordedRequest) -> Result<(), Refusal> {
    match request.header("authorization") {
        Some(_) => Err(Refusal::invalid_request("the document knows no Authorization header here")),
        None => Ok(()),
    }
}

/// Refuses an unknown client, and a client with another secret.
pub(super) fn client(members: &Members, books: &Books) -> Result<(), Refusal> {
    let is_known = ["client_id", "client_secret"].iter().all(|key| books.knows(key, members.get(*key)));
    if is_known { Ok(()) } else { Err(Refusal::invalid_client()) }
}

/// Refuses all other grants.
pub(super) fn grant(members: &Members, expected: &str) -> Result<(), Refusal> {
    match members.get("grant_type") {
        Some(grant) if grant == expected => Ok(()),
        Some(grant) => Err(Refusal::oauth(
            400,
            "unsupported_grant_type",
            format!("grant_type `{grant}` is not documented"),
        )),
        None => Err(Refusal::invalid_request("`grant_type` is missing")),
    }
}

/// Checks for a POST without query and cookies, with exactly this content type and no parameters of it.
fn carries(request: &RecordedRequest, content_type: &str) -> Result<(), Refusal> {
    if request.method != "POST" {
        return Err(Refusal::bare(405, format!("{} instead of POST", request.method)));
    }
    if request.target.contains('?') {
        return Err(Refusal::invalid_request("the document knows no query on the endpoint"));
    }
    if request.header("cookie").is_some() {
        return Err(Refusal::invalid_request("a token request carries no cookies"));
    }
    match request.header_values("content-type").as_slice() {
        [only] if only.eq_ignore_ascii_case(content_type) => Ok(()),
        found => Err(Refusal::invalid_request(format!("Content-Type {found:?} instead of {content_type}"))),
    }
}

fn exactly(found: Members, members: &[&str]) -> Result<Members, Refusal> {
    if let Some(missing) = members.iter().find(|name| !found.contains_key(**name)) {
        return Err(Refusal::invalid_request(format!("`{missing}` is missing from the body")));
    }
    if let Some(extra) = found.keys().find(|name| !members.contains(&name.as_str())) {
        return Err(Refusal::invalid_request(format!("the document knows no `{extra}` in the body")));
    }
    Ok(found)
}
