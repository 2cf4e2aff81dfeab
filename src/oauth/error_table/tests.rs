//! A case for each row of the two error tables.

use super::*;
use Reason::*;

const TERMINAL: Retry = Retry::TERMINAL;
const NO_PROBE: Retry = Retry::Terminal { reprobe: false };
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

#[test]
fn codes_that_mean_the_same_whatever_the_grant() {
    for (code, reason, retry) in [
        ("invalid_request", InvalidRequest, TERMINAL),
        ("invalid_client", InvalidClient, TERMINAL),
        ("unauthorized_client", UnauthorizedClient, TERMINAL),
        ("unsupported_grant_type", UnsupportedGrantType, TERMINAL),
        ("invalid_scope", InvalidScope, TERMINAL),
        ("invalid_target", InvalidTarget, TERMINAL),
        ("access_denied", AccessDenied, TERMINAL),
        ("consent_required", ConsentRequired, TERMINAL),
        ("interaction_required", ConsentRequired, TERMINAL),
        ("login_required", ConsentRequired, TERMINAL),
        ("server_error", ProviderUnavailable, TRANSIENT),
        ("temporarily_unavailable", ProviderUnavailable, TRANSIENT),
        ("slow_down", RateLimited, A_MINUTE),
        ("too_many_requests", RateLimited, A_MINUTE),
        ("rate_limit_exceeded", RateLimited, A_MINUTE),
        ("RATE_LIMIT_REACHED", RateLimited, A_MINUTE),
        ("use_dpop_nonce", UnsupportedTokenType, TERMINAL),
        ("invalid_dpop_proof", UnsupportedTokenType, TERMINAL),
        ("invalid_client_id", InvalidClient, TERMINAL),
        ("inactive_user", InvalidClient, TERMINAL),
        ("inactive_org", InvalidClient, TERMINAL),
        ("incorrect_client_credentials", InvalidClient, TERMINAL),
        ("bad_client_secret", InvalidClient, TERMINAL),
        ("INVALID_CLIENT", InvalidClient, TERMINAL),
        ("Invalid Client", InvalidClient, TERMINAL),
    ] {
        for grant in GRANTS {
            assert_eq!(for_code(code, None, grant), Some((reason, retry)), "{code} {grant:?}");
        }
    }
}

#[test]
fn a_refused_grant_depends_on_the_grant() {
    for code in ["invalid_grant", "invalid_code"] {
        for (grant, reason, retry) in [
            (GrantKind::ClientCredentials, InvalidGrant, TERMINAL),
            (GrantKind::RefreshToken, InvalidGrant, TERMINAL),
            (GrantKind::Password, InvalidGrant, NO_PROBE),
            (GrantKind::Refresh, RefreshTokenRejected, TRANSIENT),
            (GrantKind::JwtBearer, AssertionRejected, Retry::Assertion { attempts: 3 }),
            (GrantKind::TokenExchange, InvalidGrant, TERMINAL),
            (GrantKind::Extension, InvalidGrant, TERMINAL),
        ] {
            assert_eq!(for_code(code, None, grant), Some((reason, retry)), "{code} {grant:?}");
        }
    }
}

#[test]
fn zoho_throttles_with_access_denied() {
    let description = Some("You have made too many requests continuously.");
    let grant = GrantKind::RefreshToken;
    assert_eq!(for_code("Access Denied", description, grant), Some((RateLimited, A_MINUTE)));
    assert_eq!(for_code("invalid_client", description, grant), Some((InvalidClient, TERMINAL)));
}

#[test]
fn unknown_codes_are_left_to_the_status() {
    let grant = GrantKind::ClientCredentials;
    for code in ["", "10401", "invalid", "AADSTS70011", "invalid_client_x"] {
        assert_eq!(for_code(code, None, grant), None, "{code}");
    }
    for (status, reason, retry) in [
        (400, ProviderRejected, TERMINAL),
        (401, ProviderRejected, TERMINAL),
        (403, ProviderRejected, TERMINAL),
        (422, ProviderRejected, TERMINAL),
        (200, ProviderError, TRANSIENT),
        (501, ProviderError, TRANSIENT),
        // Rows of the table that hold whatever the body says.
        (404, EndpointNotFound, TERMINAL),
        (408, ProviderUnavailable, TRANSIENT),
        (415, UnsupportedMediaType, TERMINAL),
        (503, ProviderUnavailable, TRANSIENT),
    ] {
        assert_eq!(for_status(status, Some("odd"), grant), (reason, retry), "{status}");
    }
}

#[test]
fn bare_statuses() {
    for (statuses, reason, retry) in [
        (&[400][..], InvalidRequest, TERMINAL),
        (&[401], InvalidClient, TERMINAL),
        (&[403], AccessDenied, TERMINAL),
        (&[404, 405, 410], EndpointNotFound, TERMINAL),
        (&[406, 415], UnsupportedMediaType, TERMINAL),
        (&[407], ProxyError, FIVE_MINUTES),
        (&[408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529], ProviderUnavailable, TRANSIENT),
        (&[413, 431], RequestTooLarge, TERMINAL),
        (&[429], RateLimited, A_MINUTE),
        (&[402, 409, 418, 422, 451, 499], ProviderRejected, TERMINAL),
        (&[501, 505, 530, 599], ProviderError, TRANSIENT),
    ] {
        for status in statuses {
            let found = for_status(*status, None, GrantKind::ClientCredentials);
            assert_eq!(found, (reason, retry), "{status}");
        }
    }
}

#[test]
fn a_401_to_a_password_is_never_probed() {
    assert_eq!(for_status(401, None, GrantKind::Password), (InvalidClient, NO_PROBE));
    assert_eq!(for_status(401, Some("odd"), GrantKind::Password), (ProviderRejected, NO_PROBE));
    assert_eq!(for_status(403, None, GrantKind::Password), (AccessDenied, TERMINAL));
}

#[test]
fn a_code_that_repeats_the_status_is_none() {
    assert!(is_reason_phrase("Unauthorized", 401));
    assert!(is_reason_phrase("not_found", 404));
    assert!(!is_reason_phrase("Unauthorized", 400));
    assert!(!is_reason_phrase("invalid_client", 401));
    assert!(!is_reason_phrase("anything", 7));
}
