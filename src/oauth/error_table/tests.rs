//! The reason and retry class of every error code and status.

use super::*;
use Reason::*;

const REFUSED: Retry = Retry::REFUSED;
const HOURLY: Retry = Retry::Terminal { repeat: Repeat::Hourly };
const LOCKED: Retry = Retry::Terminal { repeat: Repeat::Never };
const TRANSIENT: Retry = Retry::TRANSIENT;
const A_MINUTE: Retry = Retry::Transient { floor: Duration::from_secs(60) };
const FIVE_MINUTES: Retry = Retry::Transient { floor: Duration::from_secs(300) };

const GRANTS: [GrantKind; 7] = [
    GrantKind::ClientCredentials,
    GrantKind::Password,
    GrantKind::RefreshToken,
    GrantKind::Refresh,
    GrantKind::JwtBearer,
    GrantKind::TokenExchange,
    GrantKind::Extension,
];

/// `ServiceNow` answers so to a wrong client. This is no outage, so the request must not be repeated with short waits.
#[test]
fn server_error_with_access_denied_is_the_clients_fault() {
    let meaning = |description| for_code("server_error", description, GrantKind::ClientCredentials);
    assert_eq!(meaning(Some("access_denied")), Some((InvalidClient, REFUSED)));
    assert_eq!(meaning(Some("Access Denied")), Some((InvalidClient, REFUSED)));
    assert_eq!(meaning(Some("database is down")), Some((ProviderUnavailable, TRANSIENT)));
}

#[test]
fn codes_have_the_same_meaning_for_every_grant() {
    for (code, reason, retry) in [
        ("invalid_request", InvalidRequest, REFUSED),
        ("invalid_client", InvalidClient, REFUSED),
        ("unauthorized_client", UnauthorizedClient, REFUSED),
        ("unsupported_grant_type", UnsupportedGrantType, REFUSED),
        ("invalid_scope", InvalidScope, REFUSED),
        ("invalid_target", InvalidTarget, REFUSED),
        ("access_denied", AccessDenied, REFUSED),
        ("consent_required", ConsentRequired, REFUSED),
        ("interaction_required", ConsentRequired, REFUSED),
        ("login_required", ConsentRequired, REFUSED),
        ("server_error", ProviderUnavailable, TRANSIENT),
        ("temporarily_unavailable", ProviderUnavailable, TRANSIENT),
        ("slow_down", RateLimited, A_MINUTE),
        ("too_many_requests", RateLimited, A_MINUTE),
        ("rate_limit_exceeded", RateLimited, A_MINUTE),
        ("RATE_LIMIT_REACHED", RateLimited, A_MINUTE),
        ("use_dpop_nonce", UnsupportedTokenType, REFUSED),
        ("invalid_dpop_proof", UnsupportedTokenType, REFUSED),
        ("invalid_client_id", InvalidClient, REFUSED),
        ("inactive_user", InvalidClient, REFUSED),
        ("inactive_org", InvalidClient, REFUSED),
        ("incorrect_client_credentials", InvalidClient, REFUSED),
        ("bad_client_secret", InvalidClient, REFUSED),
        ("INVALID_CLIENT", InvalidClient, REFUSED),
        ("Invalid Client", InvalidClient, REFUSED),
    ] {
        for grant in GRANTS {
            // A password is sent at most once an hour.
            let password = grant == GrantKind::Password && retry == REFUSED;
            let retry = if password { HOURLY } else { retry };
            assert_eq!(for_code(code, None, grant), Some((reason, retry)), "{code} {grant:?}");
        }
    }
}

#[test]
fn meaning_of_invalid_grant_depends_on_the_grant() {
    for code in
        ["invalid_grant", "invalid_code", "bad_refresh_token", "invalid_refresh_token", "BAD_REFRESH_TOKEN"]
    {
        for (grant, reason, retry) in [
            (GrantKind::ClientCredentials, InvalidGrant, REFUSED),
            (GrantKind::RefreshToken, InvalidGrant, REFUSED),
            (GrantKind::Password, InvalidGrant, LOCKED),
            (GrantKind::Refresh, RefreshTokenRejected, TRANSIENT),
            (GrantKind::JwtBearer, AssertionRejected, Retry::Assertion { attempts: 3 }),
            (GrantKind::TokenExchange, InvalidGrant, REFUSED),
            (GrantKind::Extension, InvalidGrant, REFUSED),
        ] {
            assert_eq!(for_code(code, None, grant), Some((reason, retry)), "{code} {grant:?}");
        }
    }
}

#[test]
fn access_denied_with_too_many_requests_is_a_rate_limit() {
    let description = Some("You have made too many requests continuously.");
    let grant = GrantKind::RefreshToken;
    assert_eq!(for_code("Access Denied", description, grant), Some((RateLimited, A_MINUTE)));
    assert_eq!(for_code("invalid_client", description, grant), Some((InvalidClient, REFUSED)));
}

#[test]
fn status_decides_for_unknown_codes() {
    let grant = GrantKind::ClientCredentials;
    for code in ["", "10401", "invalid", "AADSTS70011", "invalid_client_x"] {
        assert_eq!(for_code(code, None, grant), None, "{code}");
    }
    for (status, reason, retry) in [
        (400, ProviderRejected, REFUSED),
        (401, ProviderRejected, REFUSED),
        (403, ProviderRejected, REFUSED),
        (422, ProviderRejected, REFUSED),
        (200, ProviderError, TRANSIENT),
        (501, ProviderError, TRANSIENT),
        // Statuses that have a meaning of their own, whatever the body has.
        (404, EndpointNotFound, REFUSED),
        (408, ProviderUnavailable, TRANSIENT),
        (415, UnsupportedMediaType, REFUSED),
        (503, ProviderUnavailable, TRANSIENT),
    ] {
        assert_eq!(for_status(status, Some("odd"), grant), (reason, retry), "{status}");
    }
}

#[test]
fn status_without_a_code_has_its_reason() {
    for (statuses, reason, retry) in [
        (&[400][..], InvalidRequest, REFUSED),
        (&[401], InvalidClient, REFUSED),
        (&[403], AccessDenied, REFUSED),
        (&[404, 405, 410], EndpointNotFound, REFUSED),
        (&[406, 415], UnsupportedMediaType, REFUSED),
        (&[407], ProxyError, FIVE_MINUTES),
        (&[408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529], ProviderUnavailable, TRANSIENT),
        (&[413, 431], RequestTooLarge, REFUSED),
        (&[429], RateLimited, A_MINUTE),
        (&[402, 409, 418, 422, 451, 499], ProviderRejected, REFUSED),
        (&[501, 505, 530, 599], ProviderError, TRANSIENT),
    ] {
        for status in statuses {
            let found = for_status(*status, None, GrantKind::ClientCredentials);
            assert_eq!(found, (reason, retry), "{status}");
        }
    }
}

#[test]
fn password_is_not_sent_again_after_a_401() {
    assert_eq!(for_status(401, None, GrantKind::Password), (InvalidClient, LOCKED));
    assert_eq!(for_status(401, Some("odd"), GrantKind::Password), (ProviderRejected, LOCKED));
    assert_eq!(for_status(403, None, GrantKind::Password), (AccessDenied, HOURLY));
}

#[test]
fn error_in_a_2xx_to_a_refresh_request_refuses_the_refresh_token() {
    for code in [None, Some("odd")] {
        assert_eq!(for_status(200, code, GrantKind::Refresh), (RefreshTokenRejected, TRANSIENT));
        assert_eq!(for_status(200, code, GrantKind::Password), (ProviderError, TRANSIENT));
    }
}

#[test]
fn code_that_repeats_the_status_is_recognised() {
    assert!(is_reason_phrase("Unauthorized", 401));
    assert!(is_reason_phrase("not_found", 404));
    assert!(!is_reason_phrase("Unauthorized", 400));
    assert!(!is_reason_phrase("invalid_client", 401));
    assert!(!is_reason_phrase("anything", 7));
}
