//! The members of a successful response (RFC 6749 §5.1), each read as leniently as real servers require.
//! Must not know HTTP: status and headers have been handled.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta};
use serde_json::Value;

use super::ResponseContext;
use super::body::as_text;
use crate::api::ResponseFields;
use crate::oauth::error::{Defect, Scheme};
use crate::oauth::expiry::{self, AlreadyExpired, Clocks};
use crate::oauth::secret::Secret;
use crate::oauth::token::{JwtPayload, Notice, Token};

/// The longest token, in bytes.
const MAX_TOKEN: usize = 64 * 1024;
/// The longest `scope` that is kept, in bytes: the status contains it.
const MAX_SCOPE: usize = 4096;
/// The maximum size of a member that is kept for templates, in bytes.
const MAX_KEPT: usize = 4096;
/// The published form of the only type that is accepted from a response.
const BEARER: &str = "Bearer";

/// Why no usable token can be read from a successful response.
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

/// Reads a token. Takes ownership of the members, so that the token's text moves into a [`Secret`] without a copy.
pub(super) fn token(
    mut object: Value,
    clocks: Clocks,
    context: &ResponseContext<'_>,
) -> Result<Token, Fault> {
    let fields = &context.settings.fields;
    let access_token = access_token(&mut object, fields).map_err(Fault::Defect)?;
    let refresh_token = take(&mut object, fields.refresh_token()).filter(|token| {
        // Some servers put the access token here, which no refresh request can use.
        is_refresh_token(token.expose()) && *token != access_token
    });
    check_issued_type(&object, context.requested_token_type).map_err(Fault::Defect)?;

    let mut notices = BTreeSet::new();
    let token_type = token_type(&object, context, &mut notices)?;
    let payload = JwtPayload::of(access_token.expose());
    if payload.is_some_and(|payload| payload.bound) {
        notices.insert(Notice::BoundToken);
    }
    let scope = object.get("scope").and_then(scope);
    if scope.as_deref().is_some_and(|granted| is_reduced(granted, context.requested_scopes)) {
        notices.insert(Notice::ScopeReduced);
    }
    let expiry = &context.settings.expiry;
    let lifetime = expiry::determine(&declared(&object, fields), payload.as_ref(), clocks, expiry)?;
    notices.extend(lifetime.notices);

    // Fails only for a clock at the end of chrono's range, 260,000 years from now.
    let issued_at = DateTime::from_timestamp(clocks.sent_at, 0).ok_or(AlreadyExpired)?;
    let expires_at =
        issued_at.checked_add_signed(TimeDelta::seconds(lifetime.seconds)).ok_or(AlreadyExpired)?;
    Ok(Token {
        access_token,
        token_type,
        scope,
        refresh_token,
        // Both tokens were removed from the object, so that no pointer leads to them.
        kept: kept(&object, &context.settings.keep),
        issued_at,
        expires_at,
        declared_zero: lifetime.declared_zero,
        notices,
    })
}

/// Whether the response has an access token, usable or not.
pub(super) fn has_access_token(object: &Value, fields: &ResponseFields) -> bool {
    let found = object.pointer(fields.access_token());
    found.is_some_and(|value| !value.is_null() && value.as_str() != Some(""))
}

/// Real tokens contain `|`, `:` and `*`, which the grammar of RFC 6750 excludes. But JSON could carry line breaks and NUL into
/// a header, so printable ASCII is required.
fn access_token(object: &mut Value, fields: &ResponseFields) -> Result<Secret, Defect> {
    if !has_access_token(object, fields) {
        return Err(Defect::NoToken);
    }
    let text = take(object, fields.access_token()).ok_or(Defect::BadToken)?;
    let printable = text.expose().bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    let is_trimmed = text.expose().trim_ascii() == text.expose();
    if printable && is_trimmed && text.expose().len() <= MAX_TOKEN { Ok(text) } else { Err(Defect::BadToken) }
}

/// Values that servers send to say that there is no refresh token.
const NO_TOKEN: [&str; 6] = ["not_supported", "none", "null", "undefined", "n/a", "false"];

/// Whether the text can be a refresh token: it is not blank, has at most 64 KiB and no control character, and is not a value
/// such as `none`, which servers send if there is no refresh token.
pub fn is_refresh_token(text: &str) -> bool {
    let word = |none: &&str| text.trim().eq_ignore_ascii_case(none);
    let length = (1..=MAX_TOKEN).contains(&text.len());
    length && !text.chars().any(char::is_control) && !text.trim().is_empty() && !NO_TOKEN.iter().any(word)
}

/// The members that templates may use. A value with a line break could add lines to a file whose template has a line for the
/// value.
fn kept(object: &Value, keep: &BTreeMap<String, String>) -> BTreeMap<String, Option<Secret>> {
    let is_line = |text: &String| text.len() <= MAX_KEPT && !text.contains(char::is_control);
    let member = |pointer: &str| object.pointer(pointer).and_then(as_text).filter(is_line).map(Secret::new);
    keep.iter().map(|(name, pointer)| (name.clone(), member(pointer))).collect()
}

fn take(object: &mut Value, pointer: &str) -> Option<Secret> {
    match object.pointer_mut(pointer)?.take() {
        Value::String(text) => Some(Secret::new(text)),
        _ => None,
    }
}

/// Refuses a token of another type than requested. `issued_token_type` (RFC 8693 §2.2.1) may be missing.
fn check_issued_type(object: &Value, requested: Option<&str>) -> Result<(), Defect> {
    match (object.get("issued_token_type"), requested) {
        (None | Some(Value::Null), _) | (_, None) => Ok(()),
        (Some(issued), Some(requested)) if issued.as_str() == Some(requested) => Ok(()),
        _ => Err(Defect::OtherTokenType),
    }
}

/// The published form of the type, compared without case (RFC 6749 §5.1).
fn token_type(
    object: &Value,
    context: &ResponseContext<'_>,
    notices: &mut BTreeSet<Notice>,
) -> Result<String, Fault> {
    if let Some(own) = context.settings.token_type.as_deref() {
        return published(own).ok_or(Fault::TokenType(Scheme::Unknown));
    }
    let text = match object.pointer(context.settings.fields.token_type()) {
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

/// The type that the spec sets, if it is safe in headers and files.
fn published(own: &str) -> Option<String> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    if own.eq_ignore_ascii_case(BEARER) {
        Some(BEARER.to_owned())
    } else {
        (!own.is_empty() && own.bytes().all(safe)).then(|| own.to_owned())
    }
}

/// The scope, from a string or a list of strings. None for any other value, and for a scope that is empty, too long or not
/// printable ASCII.
fn scope(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Array(scopes) => scopes.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.join(" "),
        _ => return None,
    };
    let presentable = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    (presentable && (1..=MAX_SCOPE).contains(&text.len())).then_some(text)
}

/// Whether a requested scope was not granted. A comma separates scopes (GitHub) or belongs to the name of a scope (Adobe), so
/// both sides are split at commas, and neither reading reports a missing scope by mistake.
fn is_reduced(granted: &str, requested: &[String]) -> bool {
    let granted: BTreeSet<&str> = scopes(granted).collect();
    requested.iter().flat_map(|scope| scopes(scope)).any(|scope| !granted.contains(scope))
}

fn scopes(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',']).filter(|scope| !scope.is_empty())
}

/// The declared values in the order of precedence. `expires_on` is a member of Entra's responses and has no setting.
fn declared<'a>(object: &'a Value, fields: &ResponseFields) -> [Option<&'a Value>; 3] {
    [object.pointer(fields.expires_in()), object.pointer(fields.expires_at()), object.pointer("/expires_on")]
}
