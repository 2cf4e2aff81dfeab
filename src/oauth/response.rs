//! Turns an HTTP response into a token or a classified error. Pure, and lenient where servers deviate from the RFCs.
//! Must not know how the response was fetched, what the request contained beyond [`ResponseContext`], or when to retry.
//! No type here that holds a body or a token has Debug.

mod body;
mod error_response;
mod members;
mod retry_after;

use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap};
use serde_json::Value;

use super::error::{Defect, Error, Refusal, ResponseInfo};
use super::error_table;
use super::expiry::{Clocks, http_date};
use super::redactor::Redactor;
use super::request::GrantKind;
use super::secret::Secret;
use super::token::Token;
use crate::api::ResponseSettings;
use crate::panics::contain;
pub(super) use body::without_byte_order_mark;
use members::Fault;
pub use members::is_refresh_token;

/// The longest body that is read, in bytes.
pub(super) const MAX_BODY: usize = 256 * 1024;

/// An HTTP response.
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// All headers, except `Content-Encoding` if the body was decoded.
    pub headers: HeaderMap,
    /// The body, decoded if its encoding is known, at most 256 KiB.
    pub body: Vec<u8>,
}

/// The facts about a request that are needed to understand its response.
pub struct ResponseContext<'a> {
    /// The local clock when the request was sent.
    pub sent_at: DateTime<Utc>,
    /// Host of the endpoint, without path or query. Errors show it.
    pub host: &'a str,
    /// How to read the response.
    pub settings: &'a ResponseSettings,
    /// How much of the response may be shown.
    pub disclosure: Disclosure,
    /// The requested scopes; empty if the request named none.
    pub requested_scopes: &'a [String],
    /// The kind of the grant.
    pub grant: GrantKind,
    /// All secrets of the request. A text of the provider that contains one of them is not shown.
    pub confidential: &'a [&'a Secret],
    /// `requested_token_type` (RFC 8693 §2.1), if it was sent.
    pub requested_token_type: Option<&'a str>,
}

/// How much of a provider's response may be shown to those who can read a status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disclosure {
    /// All codes and descriptions: an administrator has named the host and the members. In a 2xx, a member that
    /// `fields.error` names may be a token, so only listed codes are shown.
    #[default]
    Full,
    /// Codes and descriptions. If `fields.error` names the member of the code, only listed codes are shown; if
    /// `fields.errorDescription` names a member, no description is shown. The author of the spec could have chosen any
    /// member.
    ListedCodes,
    /// Only listed codes: the author of the spec alone has named the host, which could be any host.
    Withheld,
}

/// Reads a response.
///
/// Order of checks: the size of the body; 3xx, 429, 5xx and invalid statuses, by the status; an error in the body of a 2xx
/// or 4xx; a token in a 2xx; any other 4xx, by the status.
pub fn read(response: &HttpResponse, context: &ResponseContext<'_>) -> Result<Token, Error> {
    // Libraries parse JSON, dates and base64, and may panic.
    contain(|| parse(response, context))
        .unwrap_or_else(|_| Err(Error::unreadable(context.host, response.status)))
}

fn parse(response: &HttpResponse, context: &ResponseContext<'_>) -> Result<Token, Error> {
    if response.body.len() > MAX_BODY {
        return Err(Error::too_large(context.host));
    }
    failure(response, context).map_or_else(|| read_success(response, context), Err)
}

/// The error of a response whose status is not 2xx.
pub(super) fn failure(response: &HttpResponse, context: &ResponseContext<'_>) -> Option<Error> {
    Some(match response.status {
        200..=299 => return None,
        300..=399 => Error::Redirect { host: context.host.to_owned(), status: response.status },
        // If the body cannot be parsed, the status alone decides.
        400..=599 => refused(response, context, &body::parse(response).unwrap_or(Value::Null)),
        _ => malformed(response, context, Defect::BadStatus),
    })
}

fn read_success(response: &HttpResponse, context: &ResponseContext<'_>) -> Result<Token, Error> {
    let object = body::parse(response).map_err(|defect| malformed(response, context, defect))?;
    if error_response::find(&object, response.status, context.settings).is_some() {
        return Err(refused(response, context, &object));
    }
    members::token(object, clocks(response, context), context).map_err(|fault| match fault {
        Fault::Defect(defect) => malformed(response, context, defect),
        Fault::AlreadyExpired => Error::AlreadyExpired { response: info(response, context).into() },
        Fault::TokenType(scheme) => {
            Error::UnsupportedTokenType { response: info(response, context).into(), scheme }
        }
    })
}

fn refused(response: &HttpResponse, context: &ResponseContext<'_>, object: &Value) -> Error {
    let status = response.status;
    let fields = &context.settings.fields;
    let found = error_response::find(object, status, context.settings).unwrap_or_default();
    let code = found.code.filter(|code| !error_table::is_reason_phrase(code, status));
    let retry_after = retry_after::parse(&response.headers, status, clocks(response, context));
    let known =
        code.as_deref().and_then(|code| error_table::for_code(code, found.description, context.grant));
    let showable = match context.disclosure {
        // The member that `fields.error` names may be a token in a 2xx, so only listed codes are shown of it.
        Disclosure::Full => status >= 300 || fields.error.is_none(),
        Disclosure::ListedCodes => fields.error.is_none(),
        Disclosure::Withheld => false,
    };
    let showable = showable || code.as_deref().is_some_and(error_table::is_listed);
    let (reason, retry) = match (status, code.as_deref()) {
        (429, _) => error_table::rate_limited(retry_after),
        (400..=499 | ..=299, Some(code)) => {
            known.unwrap_or_else(|| error_table::for_status(status, Some(code), context.grant))
        }
        (_, code) => error_table::for_status(status, code, context.grant),
    };
    let redactor = redactor(context, object);
    let unlisted = code.is_some() && !showable;
    // The author of the spec could point `errorDescription` at any member.
    let described = match context.disclosure {
        Disclosure::Full => true,
        Disclosure::ListedCodes => fields.error_description.is_none(),
        Disclosure::Withheld => false,
    };
    let description = found.description.filter(|_| described);
    Error::Refused(Box::new(Refusal {
        response: info(response, context),
        reason,
        retry,
        code: code.filter(|_| showable).and_then(|code| redactor.code(&code)),
        unlisted,
        description: description.and_then(|text| redactor.description(text)),
        retry_after,
    }))
}

fn malformed(response: &HttpResponse, context: &ResponseContext<'_>, defect: Defect) -> Error {
    Error::Malformed { response: info(response, context).into(), defect }
}

fn info(response: &HttpResponse, context: &ResponseContext<'_>) -> ResponseInfo {
    let shown = context.disclosure != Disclosure::Withheld;
    let redactor = redactor(context, &Value::Null);
    let correlation = if shown { redactor.correlation(&response.headers) } else { None };
    ResponseInfo { correlation, ..ResponseInfo::new(context.host, response.status) }
}

/// Withholds the secrets of the request, and tokens that an error response contains.
fn redactor<'a>(context: &ResponseContext<'a>, object: &'a Value) -> Redactor<'a> {
    let fields = &context.settings.fields;
    let issued = [
        object.pointer(fields.access_token()),
        object.pointer(fields.refresh_token()),
        object.get("access_token"),
        object.get("refresh_token"),
        object.get("id_token"),
    ];
    let issued = issued.into_iter().flatten().filter_map(Value::as_str);
    Redactor::new(context.confidential.iter().map(|secret| secret.expose()).chain(issued))
}

/// The local clock, and the provider's clock if the response has a valid date (RFC 9110 §6.6.1).
fn clocks(response: &HttpResponse, context: &ResponseContext<'_>) -> Clocks {
    let date = response.headers.get(DATE).and_then(|value| value.to_str().ok());
    Clocks { sent_at: context.sent_at.timestamp(), server: date.and_then(http_date) }
}

#[cfg(test)]
mod tests;
