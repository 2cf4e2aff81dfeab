//! Finds the error that a response body reports.
//! Knows RFC 6749 §5.2 and the forms of vendors that deviate. Must not know what a code means, or whether it may be shown.

use serde_json::{Value, json};

use super::body::as_text;
use super::members::has_access_token;
use crate::api::ResponseSettings;

/// An error in the provider's own words.
#[derive(Default)]
pub(super) struct ErrorResponse<'a> {
    /// None if the body reports a failure without a code.
    pub(super) code: Option<String>,
    /// `error_description` of RFC 6749, or the member that `fields.errorDescription` names. Other members with explanations
    /// are not used, because only `error_description` is meant for the client's developer.
    pub(super) description: Option<&'a str>,
}

/// The error that a body reports; None if it reports none.
pub(super) fn find<'a>(
    object: &'a Value,
    status: u16,
    settings: &ResponseSettings,
) -> Option<ErrorResponse<'a>> {
    let fields = &settings.fields;
    let description = text(object, fields.error_description.as_deref().unwrap_or("/error_description"));
    let own = fields.error.as_ref().and_then(|pointer| object.pointer(pointer));
    match own.and_then(as_text).map(|code| meaning(code, status, settings)) {
        Some(Meaning::Success) => return None,
        Some(Meaning::Error(code)) => return Some(ErrorResponse { code: Some(code), description }),
        Some(Meaning::Unknown) | None => {}
    }
    if let Some(code) = text(object, "/error") {
        return Some(ErrorResponse { code: Some(code.to_owned()), description });
    }
    if status < 400 && has_access_token(object, fields) {
        return None;
    }
    let code = own.and_then(scalar).or_else(|| vendor_code(object, status));
    let failed = code.is_some() || reports_failure(object);
    failed.then_some(ErrorResponse { code, description })
}

/// The meaning that the spec gives to the value of the member at `fields.error`.
enum Meaning {
    Success,
    Error(String),
    /// The spec gives the code no meaning for this status.
    Unknown,
}

fn meaning(code: String, status: u16, settings: &ResponseSettings) -> Meaning {
    let success = &settings.success_codes;
    if let Some(mapped) = settings.errors.get(&code).and_then(|mapped| as_text(&json!(mapped))) {
        Meaning::Error(mapped)
    } else if success.is_empty() || status >= 300 {
        Meaning::Unknown
    } else if success.iter().any(|success| success.0 == code) {
        Meaning::Success
    } else {
        Meaning::Error(code)
    }
}

/// The codes of Fitbit, UPS and PayPal, in this order. `name` is too common a member to mean an error in a 2xx.
fn vendor_code(object: &Value, status: u16) -> Option<String> {
    text(object, "/errors/0/errorType")
        .map(str::to_owned)
        .or_else(|| scalar(object.pointer("/response/errors/0/code")?))
        .or_else(|| text(object, "/name").filter(|_| status >= 400).map(str::to_owned))
}

/// Whether the body reports a failure without a code, as Slack and Zoho do.
fn reports_failure(object: &Value) -> bool {
    object.get("ok") == Some(&Value::Bool(false)) || text(object, "/status") == Some("failure")
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A code as text or as a number. The number 0 is no error code.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.as_f64() != Some(0.0) => Some(number.to_string()),
        _ => None,
    }
}
