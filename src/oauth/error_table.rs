//! The meaning of the error codes and statuses of providers, and how each is retried.
//! Knows the codes of RFCs and of OpenID Connect, and the documented codes of a few vendors, but no vendor's numeric codes.
//! Must not know bodies, headers or hosts.

use std::time::Duration;

use reqwest::StatusCode;

use super::error::{MANUAL_FIX_FLOOR, Repeat, Retry};
use super::request::GrantKind;
use crate::api::reason::Reason;

/// The minimum wait if the provider asks for fewer requests without naming a time.
const RATE_LIMIT_FLOOR: Duration = Duration::from_secs(60);

/// A refused password is never sent again, because the account could be locked.
const LOCKING: Retry = Retry::Terminal { repeat: Repeat::Never };

/// The meaning of an error code; None if this table does not have the code. The description matters only for codes with two
/// meanings.
pub(super) fn for_code(code: &str, description: Option<&str>, grant: GrantKind) -> Option<(Reason, Retry)> {
    let reason = match normalised(code).as_str() {
        "invalid_request" => Reason::InvalidRequest,
        "invalid_client"
        | "invalid_client_id"
        | "inactive_user"
        | "inactive_org"
        | "incorrect_client_credentials"
        | "bad_client_secret" => Reason::InvalidClient,
        // The code of RFC 6749, and codes for a refresh token that was revoked or has expired: `invalid_code` of Zoho,
        // `bad_refresh_token` of GitHub and HubSpot, and one of others.
        "invalid_grant" | "invalid_code" | "bad_refresh_token" | "invalid_refresh_token" => {
            return Some(for_grant(grant));
        }
        "unauthorized_client" => Reason::UnauthorizedClient,
        "unsupported_grant_type" => Reason::UnsupportedGrantType,
        "invalid_scope" => Reason::InvalidScope,
        "invalid_target" => Reason::InvalidTarget,
        "access_denied" if description.is_some_and(is_rate_limit) => return Some(rate_limited(None)),
        "access_denied" => Reason::AccessDenied,
        "consent_required" | "interaction_required" | "login_required" => Reason::ConsentRequired,
        // ServiceNow answers so to a wrong client or secret.
        "server_error" if description.is_some_and(|text| normalised(text) == "access_denied") => {
            Reason::InvalidClient
        }
        "server_error" | "temporarily_unavailable" => {
            return Some((Reason::ProviderUnavailable, Retry::TRANSIENT));
        }
        "slow_down" | "too_many_requests" | "rate_limit_exceeded" | "rate_limit_reached" => {
            return Some(rate_limited(None));
        }
        "use_dpop_nonce" | "invalid_dpop_proof" => Reason::UnsupportedTokenType,
        _ => return None,
    };
    Some((reason, refused(grant)))
}

/// Whether a code is publicly documented, so that it cannot be a private value: a code that [`for_code`] knows, or one of
/// `FURTHER`, the remaining codes of RFC 6749, 6750, 7009, 7591, 8628, 9396, 9470 and OpenID Connect Core,
/// `unmet_authentication_requirements` of OpenID Connect, and two codes of CIBA.
pub(super) fn is_listed(code: &str) -> bool {
    const FURTHER: [&str; 21] = [
        "unsupported_response_type",
        "invalid_token",
        "insufficient_scope",
        "unsupported_token_type",
        "invalid_redirect_uri",
        "invalid_client_metadata",
        "invalid_software_statement",
        "unapproved_software_statement",
        "authorization_pending",
        "expired_token",
        "invalid_authorization_details",
        "insufficient_user_authentication",
        "unmet_authentication_requirements",
        "account_selection_required",
        "invalid_request_uri",
        "invalid_request_object",
        "request_not_supported",
        "request_uri_not_supported",
        "registration_not_supported",
        "invalid_binding_message",
        "unknown_user_id",
    ];
    let code = normalised(code);
    for_code(&code, None, GrantKind::ClientCredentials).is_some() || FURTHER.contains(&code.as_str())
}

/// The meaning of a status, whatever the code means. `code` is the code of the response, if there is one.
pub(super) fn for_status(status: u16, code: Option<&str>, grant: GrantKind) -> (Reason, Retry) {
    let has_code = code.is_some();
    let refused = refused(grant);
    match status {
        // An error with a success status: the refresh token is refused.
        200..=299 if grant == GrantKind::Refresh => (Reason::RefreshTokenRejected, Retry::TRANSIENT),
        404 | 405 | 410 => (Reason::EndpointNotFound, refused),
        406 | 415 => (Reason::UnsupportedMediaType, refused),
        407 => (Reason::ProxyError, Retry::Transient { floor: MANUAL_FIX_FLOOR }),
        408 | 425 | 500 | 502 | 503 | 504 | 520..=529 => (Reason::ProviderUnavailable, Retry::TRANSIENT),
        413 | 431 => (Reason::RequestTooLarge, refused),
        429 => rate_limited(None),
        400 if !has_code => (Reason::InvalidRequest, refused),
        // The account may be locked, whatever code the provider sends.
        401 if grant == GrantKind::Password => {
            let reason = if has_code { Reason::ProviderRejected } else { Reason::InvalidClient };
            (reason, LOCKING)
        }
        401 if !has_code => (Reason::InvalidClient, refused),
        403 if !has_code => (Reason::AccessDenied, refused),
        400..=499 => (Reason::ProviderRejected, refused),
        _ => (Reason::ProviderError, Retry::TRANSIENT),
    }
}

/// How a refused request is repeated. A request with a password is repeated only once an hour: no sooner for new inputs, and
/// not once more before the stored token expires.
fn refused(grant: GrantKind) -> Retry {
    match grant {
        GrantKind::Password => Retry::Terminal { repeat: Repeat::Hourly },
        _ => Retry::REFUSED,
    }
}

/// Whether a code only repeats the status in words, as the default pages of web frameworks do
/// (`{"status":401,"error":"Unauthorized"}`). Such a code explains nothing.
pub(super) fn is_reason_phrase(code: &str, status: u16) -> bool {
    let phrase = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    phrase.is_some_and(|phrase| normalised(phrase) == normalised(code))
}

/// The meaning of `invalid_grant`, which depends on the grant.
fn for_grant(grant: GrantKind) -> (Reason, Retry) {
    match grant {
        // The caller drops the refresh token and uses the primary grant immediately. If that is interrupted, the next
        // attempt needs no minimum wait.
        GrantKind::Refresh => (Reason::RefreshTokenRejected, Retry::TRANSIENT),
        GrantKind::Password => (Reason::InvalidGrant, LOCKING),
        // Clocks drift and assertions expire: a new assertion may be accepted.
        GrantKind::JwtBearer => (Reason::AssertionRejected, Retry::Assertion { attempts: 3 }),
        GrantKind::ClientCredentials
        | GrantKind::RefreshToken
        | GrantKind::TokenExchange
        | GrantKind::Extension => (Reason::InvalidGrant, Retry::REFUSED),
    }
}

/// Rate limiting: the wait that the provider asks for, or else a minute.
pub(super) fn rate_limited(retry_after: Option<Duration>) -> (Reason, Retry) {
    (Reason::RateLimited, Retry::Transient { floor: retry_after.unwrap_or(RATE_LIMIT_FLOOR) })
}

/// Zoho reports rate limiting as `Access Denied` and explains it in the description.
fn is_rate_limit(description: &str) -> bool {
    description.to_ascii_lowercase().contains("too many requests")
}

fn normalised(code: &str) -> String {
    code.trim().to_ascii_lowercase().replace(' ', "_")
}

#[cfg(test)]
mod tests;
