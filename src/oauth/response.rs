//! From an HTTP answer to a token or a classified failure (`oauth.md` §c and §d): pure, and lenient where the world
//! is. Knows what servers send. Must not know how the answer was fetched, what the request contained beyond
//! [`Reading`], or when to try again.
//! Nothing that holds a body or a token derives Debug here.

mod body;
mod complaint;
mod members;
mod wait;

use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap};
use serde_json::Value;

use super::disclosure::Screen;
use super::error::{Defect, Error, Provenance, Refusal};
use super::error_table;
use super::expiry::{Clocks, ExpiryRules, http_date};
use super::request::GrantKind;
use super::secret::Secret;
use super::token::Token;
use crate::panics::contain;
pub(super) use body::without_byte_order_mark;
use members::Fault;
pub use members::is_refresh_token;

/// Largest body that is read, in bytes.
pub(super) const MAX_BODY: usize = 256 * 1024;

/// An HTTP answer as it came.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, at most 256 KiB.
    pub body: Vec<u8>,
}

/// What must be known of a request to understand its answer.
pub struct Reading<'a> {
    /// Our clock when the request was sent.
    pub sent_at: DateTime<Utc>,
    /// Host of the endpoint, without path or query: it appears in errors.
    pub host: &'a str,
    /// `response` of the spec.
    pub rules: &'a ResponseRules,
    /// The scopes asked for; empty = none were named.
    pub requested_scopes: &'a [String],
    /// On what authority the token was asked for.
    pub grant: GrantKind,
    /// Everything secret in the request. An explanation that contains any of it is not shown.
    pub confidential: &'a [&'a Secret],
    /// `requested_token_type` (RFC 8693 §2.1), if it was sent.
    pub requested_token_type: Option<&'a str>,
}

/// How much of a provider's words may be shown to those who read a status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disclosure {
    /// Codes of any kind, and explanations: somebody entitled has named both the host and the members.
    #[default]
    Full,
    /// Explanations, but of what `fields.error` points at the listed codes only: an author who chose it may have pointed
    /// at anything.
    ListedCodes,
    /// Listed codes and nothing else: nobody but an author has named the host, which may be anything.
    Withheld,
}

/// `response` of the spec: where a provider deviates from RFC 6749.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ResponseRules {
    /// Where members stand.
    pub fields: FieldPointers,
    /// Published instead of the answer's `token_type`, which is then not looked at.
    pub token_type: Option<String>,
    /// How the life is found.
    pub expiry: ExpiryRules,
    /// How much of the answer may be shown.
    pub disclosure: Disclosure,
}

/// JSON Pointers (RFC 6901) to members; None = the name of RFC 6749 at the top level. They work on form bodies too,
/// which are read as a flat object of strings.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FieldPointers {
    /// Instead of `/access_token`.
    pub access_token: Option<String>,
    /// Instead of `/expires_in`.
    pub expires_in: Option<String>,
    /// Instead of `/expires_at`.
    pub expires_at: Option<String>,
    /// Instead of `/refresh_token`.
    pub refresh_token: Option<String>,
    /// Instead of `/token_type`.
    pub token_type: Option<String>,
    /// An error code, besides `/error`. As such a member may also be there in a good answer ("code": "ok"), it
    /// counts only where the status is 400 or above or there is no access token.
    pub error: Option<String>,
}

/// Understands an answer.
///
/// Order of judgement: 3xx, 429 and 5xx by status; an error in the body, whatever the status; a token, if the
/// status is 2xx; the bare status.
pub fn read(answer: &Answer, reading: &Reading<'_>) -> Result<Token, Error> {
    // JSON, dates and base64 are read by libraries.
    contain(|| understood(answer, reading)).unwrap_or_else(|_| {
        let host = reading.host.to_owned();
        let answer = Provenance { host, status: answer.status, correlation: None };
        Err(Error::Malformed { answer: Box::new(answer), defect: Defect::NotAnAnswer })
    })
}

fn understood(answer: &Answer, reading: &Reading<'_>) -> Result<Token, Error> {
    if answer.body.len() > MAX_BODY {
        return Err(Error::too_large(reading.host));
    }
    match answer.status {
        200..=299 => read_success(answer, reading),
        300..=399 => Err(Error::Redirect { host: reading.host.to_owned(), status: answer.status }),
        // A body that cannot be read only means that the status has to speak for itself.
        400..=599 => Err(refused(answer, reading, &body::parse(answer).unwrap_or(Value::Null))),
        _ => Err(malformed(answer, reading, Defect::BadStatus)),
    }
}

fn read_success(answer: &Answer, reading: &Reading<'_>) -> Result<Token, Error> {
    let content = body::parse(answer).map_err(|defect| malformed(answer, reading, defect))?;
    if complaint::find(&content, answer.status, &reading.rules.fields).is_some() {
        return Err(refused(answer, reading, &content));
    }
    members::token(content, clocks(answer, reading), reading).map_err(|fault| match fault {
        Fault::Defect(defect) => malformed(answer, reading, defect),
        Fault::AlreadyExpired => Error::AlreadyExpired { answer: Box::new(provenance(answer, reading)) },
        Fault::TokenType(scheme) => {
            Error::UnsupportedTokenType { answer: Box::new(provenance(answer, reading)), scheme }
        }
    })
}

fn refused(answer: &Answer, reading: &Reading<'_>, content: &Value) -> Error {
    let status = answer.status;
    let complaint = complaint::find(content, status, &reading.rules.fields).unwrap_or_default();
    let code = complaint.code.filter(|code| !error_table::is_reason_phrase(code, status));
    let retry_after = wait::asked_for(&answer.headers, status, clocks(answer, reading));
    let known =
        code.as_deref().and_then(|code| error_table::for_code(code, complaint.description, reading.grant));
    let showable = match reading.rules.disclosure {
        // Where the spec says where the code stands, that may be a token: in a 2xx only a code that is one is shown.
        Disclosure::Full => status >= 300 || reading.rules.fields.error.is_none(),
        Disclosure::ListedCodes => reading.rules.fields.error.is_none(),
        Disclosure::Withheld => false,
    };
    let showable = showable || code.as_deref().is_some_and(error_table::is_listed);
    let (reason, retry) = match (status, code.as_deref()) {
        (429, _) => error_table::rate_limited(retry_after),
        (400..=499 | ..=299, Some(code)) => {
            known.unwrap_or_else(|| error_table::for_status(status, Some(code), reading.grant))
        }
        (_, code) => error_table::for_status(status, code, reading.grant),
    };
    let screen = screen(reading, content);
    let unlisted = code.is_some() && !showable;
    let description = complaint.description.filter(|_| reading.rules.disclosure != Disclosure::Withheld);
    Error::Refused(Box::new(Refusal {
        answer: provenance(answer, reading),
        reason,
        retry,
        code: code.filter(|_| showable).and_then(|code| screen.code(&code)),
        unlisted,
        description: description.and_then(|text| screen.description(text)),
        retry_after,
    }))
}

fn malformed(answer: &Answer, reading: &Reading<'_>, defect: Defect) -> Error {
    Error::Malformed { answer: Box::new(provenance(answer, reading)), defect }
}

fn provenance(answer: &Answer, reading: &Reading<'_>) -> Provenance {
    let shown = reading.rules.disclosure != Disclosure::Withheld;
    let correlation = if shown { screen(reading, &Value::Null).correlation(&answer.headers) } else { None };
    Provenance { host: reading.host.to_owned(), status: answer.status, correlation }
}

/// What nothing shown may contain: the request's secrets, and tokens that came along with an error.
fn screen<'a>(reading: &Reading<'a>, content: &'a Value) -> Screen<'a> {
    let fields = &reading.rules.fields;
    let issued = [
        content.pointer(fields.access_token.as_deref().unwrap_or("/access_token")),
        content.pointer(fields.refresh_token.as_deref().unwrap_or("/refresh_token")),
        content.get("access_token"),
        content.get("refresh_token"),
        content.get("id_token"),
    ];
    let issued = issued.into_iter().flatten().filter_map(Value::as_str);
    Screen::new(reading.confidential.iter().map(|secret| secret.expose()).chain(issued))
}

/// Ours, in whole seconds, and the provider's, where it tells a time that can be read (RFC 9110 §6.6.1).
fn clocks(answer: &Answer, reading: &Reading<'_>) -> Clocks {
    let date = answer.headers.get(DATE).and_then(|value| value.to_str().ok());
    Clocks { sent_at: reading.sent_at.timestamp(), server: date.and_then(http_date) }
}

#[cfg(test)]
mod tests;
