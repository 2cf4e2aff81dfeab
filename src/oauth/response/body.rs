//! Parses the body of a response as an object: JSON whatever the Content-Type, or a form.
//! Knows JSON, forms, byte order marks and wrong content types. Must not know what a member means, and must not pass on a
//! parser's error, which may quote the body.

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Map, Value};

use super::HttpResponse;
use crate::oauth::error::Defect;

/// The body without UTF-8's byte order mark, which `serde_json` refuses.
pub(in crate::oauth) fn without_byte_order_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

/// The members of a body, always as an object. The last of duplicate members wins.
pub(super) fn parse(response: &HttpResponse) -> Result<Value, Defect> {
    if is_encoded(response) {
        return Err(Defect::Encoded);
    }
    let body = without_byte_order_mark(&response.body).trim_ascii();
    if body.is_empty() {
        Err(Defect::Empty)
    } else if body.starts_with(b"{") {
        // Whatever the Content-Type: JSON with text/plain or a form type is common.
        serde_json::from_slice(body).map_err(|_| Defect::BrokenJson)
    } else if may_be_form(response) {
        Ok(form(body))
    } else {
        Err(Defect::NotAnAnswer)
    }
}

/// Whether the body has an unknown encoding. The token client has decoded known encodings and removed their header.
fn is_encoded(response: &HttpResponse) -> bool {
    let plain = |value: &[u8]| value.is_empty() || value.eq_ignore_ascii_case(b"identity");
    response.headers.get_all(CONTENT_ENCODING).iter().any(|value| !plain(value.as_bytes().trim_ascii()))
}

fn may_be_form(response: &HttpResponse) -> bool {
    let declared =
        response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim();
    ["application/x-www-form-urlencoded", "text/plain"]
        .iter()
        .any(|form| media_type.eq_ignore_ascii_case(form))
}

fn form(body: &[u8]) -> Value {
    let members = form_urlencoded::parse(body);
    Value::Object(members.map(|(name, value)| (name.into_owned(), Value::from(value))).collect::<Map<_, _>>())
}

/// A member as text, whether the provider sends text, a number or a boolean.
pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
