//! Finds the error in a body that reports one.
//! Knows RFC 6749 §5.2 and the shapes of the vendors that deviate. Must not know what a code means, nor what of it
//! may be shown.

use serde_json::Value;

use super::FieldPointers;
use super::members::has_access_token;

/// An error report, still in the provider's words.
#[derive(Default)]
pub(super) struct Complaint<'a> {
    /// None where the body says that it failed, but not why.
    pub(super) code: Option<String>,
    /// RFC 6749's `error_description`. Other members with explanations are left alone: only this one is known to
    /// be written for the client's developer.
    pub(super) description: Option<&'a str>,
}

/// The error a body reports, or None where it reports none.
pub(super) fn find<'a>(content: &'a Value, status: u16, fields: &FieldPointers) -> Option<Complaint<'a>> {
    let description = text(content, "/error_description");
    if let Some(code) = text(content, "/error") {
        return Some(Complaint { code: Some(code.to_owned()), description });
    }
    if status < 400 && has_access_token(content, fields) {
        return None;
    }
    let own = fields.error.as_ref().and_then(|pointer| scalar(content.pointer(pointer)?));
    let code = own.or_else(|| vendors_code(content, status));
    let failed = code.is_some() || says_failure(content);
    failed.then_some(Complaint { code, description })
}

/// Fitbit, UPS and PayPal, in this order. `name` is too common a member to be an error in a 2xx.
fn vendors_code(content: &Value, status: u16) -> Option<String> {
    text(content, "/errors/0/errorType")
        .map(str::to_owned)
        .or_else(|| scalar(content.pointer("/response/errors/0/code")?))
        .or_else(|| text(content, "/name").filter(|_| status >= 400).map(str::to_owned))
}

/// Slack and Zoho.
fn says_failure(content: &Value) -> bool {
    content.get("ok") == Some(&Value::Bool(false)) || text(content, "/status") == Some("failure")
}

fn text<'a>(content: &'a Value, pointer: &str) -> Option<&'a str> {
    content.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Codes are numbers in some places; 0 is nobody's error.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.as_f64() != Some(0.0) => Some(number.to_string()),
        _ => None,
    }
}
