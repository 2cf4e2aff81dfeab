//! Which error code or status of a provider means what, and when to try again.
//! Knows the codes of RFC 6749, 8693, 8707 and 9449 and the documented ones of a few vendors; never keyed on
//! vendors' numbers. Must not know bodies, headers or hosts.

use std::time::Duration;

use reqwest::StatusCode;

use super::error::{Repeat, Retry};
use super::request::GrantKind;
use crate::api::reason::Reason;

/// The shortest wait where the provider asks for fewer requests without saying when to come back.
const RATE_LIMIT_FLOOR: Duration = Duration::from_secs(60);
/// The shortest wait after a proxy's refusal.
const PROXY_FLOOR: Duration = Duration::from_secs(5 * 60);

/// A refused password is not shown again: accounts lock.
const LOCKING: Retry = Retry::Terminal { repeat: Repeat::Never };

/// What an error code means, or None for one that nobody has documented. The description is asked only where one
/// code has two meanings.
pub(super) fn for_code(code: &str, description: Option<&str>, grant: GrantKind) -> Option<(Reason, Retry)> {
    let reason = match normalised(code).as_str() {
        "invalid_request" => Reason::InvalidRequest,
        "invalid_client"
        | "invalid_client_id"
        | "inactive_user"
        | "inactive_org"
        | "incorrect_client_credentials"
        | "bad_client_secret" => Reason::InvalidClient,
        // Words for a refresh token that was revoked or has expired: Zoho, GitHub, others, HubSpot.
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

/// Whether everybody may know that a provider said this: a code that means something here, or that a registry or RFC
/// lists. Beyond those of [`for_code`] these are the rest of RFC 6749, 6750, 7009, 7591, 8628, 9396, 9470 and OpenID
/// Connect Core.
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

/// What a status means when no known code explains it. `code` tells whether there is an unknown one.
pub(super) fn for_status(status: u16, code: Option<&str>, grant: GrantKind) -> (Reason, Retry) {
    let spoken = code.is_some();
    let refused = refused(grant);
    match status {
        // It says what is wrong, which a good answer does not.
        200..=299 if grant == GrantKind::Refresh => (Reason::RefreshTokenRejected, Retry::TRANSIENT),
        404 | 405 | 410 => (Reason::EndpointNotFound, refused),
        406 | 415 => (Reason::UnsupportedMediaType, refused),
        407 => (Reason::ProxyError, Retry::Transient { floor: PROXY_FLOOR }),
        408 | 425 | 500 | 502 | 503 | 504 | 520..=529 => (Reason::ProviderUnavailable, Retry::TRANSIENT),
        413 | 431 => (Reason::RequestTooLarge, refused),
        429 => rate_limited(None),
        400 if !spoken => (Reason::InvalidRequest, refused),
        // An account may lock, whatever the provider calls it.
        401 if grant == GrantKind::Password => {
            let reason = if spoken { Reason::ProviderRejected } else { Reason::InvalidClient };
            (reason, LOCKING)
        }
        401 if !spoken => (Reason::InvalidClient, refused),
        403 if !spoken => (Reason::AccessDenied, refused),
        400..=499 => (Reason::ProviderRejected, refused),
        _ => (Reason::ProviderError, Retry::TRANSIENT),
    }
}

/// How a request is repeated that was refused for good: one that shows a password is not made more often for being new,
/// nor before the token ends.
fn refused(grant: GrantKind) -> Retry {
    match grant {
        GrantKind::Password => Retry::Terminal { repeat: Repeat::Hourly },
        _ => Retry::REFUSED,
    }
}

/// Whether a code only repeats the status in words, as frameworks' default pages do
/// (`{"status":401,"error":"Unauthorized"}`): then it explains nothing.
pub(super) fn is_reason_phrase(code: &str, status: u16) -> bool {
    let phrase = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    phrase.is_some_and(|phrase| normalised(phrase) == normalised(code))
}

/// `invalid_grant` depends on what was shown to the provider.
fn for_grant(grant: GrantKind) -> (Reason, Retry) {
    match grant {
        // The caller drops the refresh token and asks by the primary grant at once; should it be interrupted,
        // nothing stands in the way of the next attempt.
        GrantKind::Refresh => (Reason::RefreshTokenRejected, Retry::TRANSIENT),
        GrantKind::Password => (Reason::InvalidGrant, LOCKING),
        // Clocks drift and assertions age: a fresh one may do.
        GrantKind::JwtBearer => (Reason::AssertionRejected, Retry::Assertion { attempts: 3 }),
        GrantKind::ClientCredentials
        | GrantKind::RefreshToken
        | GrantKind::TokenExchange
        | GrantKind::Extension => (Reason::InvalidGrant, Retry::REFUSED),
    }
}

/// Too many requests: the wait the provider names, else a minute.
pub(super) fn rate_limited(retry_after: Option<Duration>) -> (Reason, Retry) {
    (Reason::RateLimited, Retry::Transient { floor: retry_after.unwrap_or(RATE_LIMIT_FLOOR) })
}

/// Zoho throttles with `Access Denied` and explains it in words.
fn is_rate_limit(description: &str) -> bool {
    description.to_ascii_lowercase().contains("too many requests")
}

fn normalised(code: &str) -> String {
    code.trim().to_ascii_lowercase().replace(' ', "_")
}

#[cfg(test)]
mod tests;
