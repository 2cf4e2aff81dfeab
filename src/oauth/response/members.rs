//! The members of a good answer (RFC 6749 §5.1), each read as tolerantly as real servers need.
//! Knows what a token and its companions must look like to be of use. Must not know HTTP: status and headers have
//! been dealt with.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta};
use serde_json::Value;

use super::{FieldPointers, Reading};
use crate::oauth::error::{Defect, Scheme};
use crate::oauth::expiry::{self, AlreadyExpired, Clocks};
use crate::oauth::secret::Secret;
use crate::oauth::token::{Notice, Payload, Token};

/// Longest token, in bytes.
const MAX_TOKEN: usize = 64 * 1024;
/// Longest `scope` that is passed on, in bytes: it ends up in the status.
const MAX_SCOPE: usize = 4096;
/// How the one usable type is published.
const BEARER: &str = "Bearer";

/// Why an answer with a token in it is of no use.
pub(super) enum Fault {
    Defect(Defect),
    AlreadyExpired,
    TokenType(Scheme),
}

impl From<AlreadyExpired> for Fault {
    fn from(_: AlreadyExpired) -> Self {
        Fault::AlreadyExpired
    }
}

/// Reads a token. Takes the members over, so that the token's text moves into a [`Secret`] uncopied.
pub(super) fn token(mut content: Value, clocks: Clocks, reading: &Reading<'_>) -> Result<Token, Fault> {
    let fields = &reading.rules.fields;
    let access_token = access_token(&mut content, fields).map_err(Fault::Defect)?;
    let refresh_token =
        take(&mut content, fields.refresh_token.as_deref(), "/refresh_token").filter(|token| {
            // Some servers fill the member with the access token, which no refresh request will be granted for.
            is_refresh_token(token.expose()) && *token != access_token
        });
    check_issued_type(&content, reading.requested_token_type).map_err(Fault::Defect)?;

    let mut notices = BTreeSet::new();
    let token_type = token_type(&content, reading, &mut notices)?;
    let payload = Payload::of(access_token.expose());
    if payload.is_some_and(|payload| payload.bound) {
        notices.insert(Notice::BoundToken);
    }
    let scope = content.get("scope").and_then(scope);
    if scope.as_deref().is_some_and(|granted| is_reduced(granted, reading.requested_scopes)) {
        notices.insert(Notice::ScopeReduced);
    }
    let life =
        expiry::determine(&declared(&content, fields), payload.as_ref(), clocks, &reading.rules.expiry)?;
    let declared_zero = life.declared_zero;
    notices.extend(life.notices);

    // Only a clock at the end of chrono's range, 260,000 years from now, has no such instants.
    let issued_at = DateTime::from_timestamp(clocks.sent_at, 0).ok_or(AlreadyExpired)?;
    let expires_at = issued_at.checked_add_signed(TimeDelta::seconds(life.seconds)).ok_or(AlreadyExpired)?;
    Ok(Token {
        access_token,
        token_type,
        scope,
        refresh_token,
        issued_at,
        expires_at,
        declared_zero,
        notices,
    })
}

/// Whether something stands where the access token belongs, usable or not.
pub(super) fn has_access_token(content: &Value, fields: &FieldPointers) -> bool {
    let found = content.pointer(fields.access_token.as_deref().unwrap_or("/access_token"));
    found.is_some_and(|value| !value.is_null() && value.as_str() != Some(""))
}

/// Real tokens contain `|`, `:` and `*`, which RFC 6750's grammar does not know, but JSON can smuggle line breaks
/// and NUL into a header: printable ASCII it must be.
fn access_token(content: &mut Value, fields: &FieldPointers) -> Result<Secret, Defect> {
    if !has_access_token(content, fields) {
        return Err(Defect::NoToken);
    }
    let text = take(content, fields.access_token.as_deref(), "/access_token").ok_or(Defect::BadToken)?;
    let printable = text.expose().bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    let at_rest = text.expose().trim_ascii() == text.expose();
    if printable && at_rest && text.expose().len() <= MAX_TOKEN { Ok(text) } else { Err(Defect::BadToken) }
}

/// Words that stand where a refresh token would, to say that there is none.
const NO_TOKEN: [&str; 6] = ["not_supported", "none", "null", "undefined", "n/a", "false"];

/// Whether this text can be a refresh token: "" is as good as absent, and so is a word that says so.
pub fn is_refresh_token(text: &str) -> bool {
    let word = |none: &&str| text.trim().eq_ignore_ascii_case(none);
    let length = (1..=MAX_TOKEN).contains(&text.len());
    length && !text.chars().any(char::is_control) && !text.trim().is_empty() && !NO_TOKEN.iter().any(word)
}

fn take(content: &mut Value, pointer: Option<&str>, standard: &str) -> Option<Secret> {
    match content.pointer_mut(pointer.unwrap_or(standard))?.take() {
        Value::String(text) => Some(Secret::new(text)),
        _ => None,
    }
}

/// RFC 8693 §2.2.1: another type than the one asked for is another thing than the one asked for.
fn check_issued_type(content: &Value, requested: Option<&str>) -> Result<(), Defect> {
    match (content.get("issued_token_type"), requested) {
        (None | Some(Value::Null), _) | (_, None) => Ok(()),
        (Some(issued), Some(requested)) if issued.as_str() == Some(requested) => Ok(()),
        _ => Err(Defect::OtherTokenType),
    }
}

/// The published form of the type, compared without case (RFC 6749 §5.1).
fn token_type(
    content: &Value,
    reading: &Reading<'_>,
    notices: &mut BTreeSet<Notice>,
) -> Result<String, Fault> {
    if let Some(own) = reading.rules.token_type.as_deref() {
        return published(own).ok_or(Fault::TokenType(Scheme::Unknown));
    }
    let pointer = reading.rules.fields.token_type.as_deref().unwrap_or("/token_type");
    let text = match content.pointer(pointer) {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text.trim(),
        Some(_) => return Err(Fault::TokenType(Scheme::Unknown)),
    };
    if text.is_empty() {
        notices.insert(Notice::TokenTypeAssumed);
    } else if !text.eq_ignore_ascii_case(BEARER) {
        return Err(Fault::TokenType(Scheme::of(text)));
    }
    Ok(BEARER.to_owned())
}

/// The user's own type, if it may stand in headers and files.
fn published(own: &str) -> Option<String> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    if own.eq_ignore_ascii_case(BEARER) {
        Some(BEARER.to_owned())
    } else {
        (!own.is_empty() && own.bytes().all(safe)).then(|| own.to_owned())
    }
}

/// A string or a list of strings; anything else, and the empty string, tells nothing.
fn scope(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Array(scopes) => scopes.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.join(" "),
        _ => return None,
    };
    let presentable = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    (presentable && (1..=MAX_SCOPE).contains(&text.len())).then_some(text)
}

/// Whether something asked for is missing. A comma separates (GitHub) or belongs to a scope's name (Adobe): both
/// sides are taken apart alike, so that neither reading invents a loss.
fn is_reduced(granted: &str, requested: &[String]) -> bool {
    let granted: BTreeSet<&str> = scopes(granted).collect();
    requested.iter().flat_map(|scope| scopes(scope)).any(|scope| !granted.contains(scope))
}

fn scopes(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',']).filter(|scope| !scope.is_empty())
}

/// What the three names of an expiry say, in the order in which they are asked; `expires_on` is Entra's and never
/// elsewhere.
fn declared<'a>(content: &'a Value, fields: &FieldPointers) -> [Option<&'a Value>; 3] {
    [
        content.pointer(fields.expires_in.as_deref().unwrap_or("/expires_in")),
        content.pointer(fields.expires_at.as_deref().unwrap_or("/expires_at")),
        content.pointer("/expires_on"),
    ]
}
