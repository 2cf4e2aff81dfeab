//! Statuses of one TokenSource. Times are seconds after the fixture's first instant.

use serde_json::{Value, json};

use super::*;
use crate::api::{ObjectReference, to_kubernetes};
use crate::decide::fixture::at;

#[test]
fn only_reasons_that_no_client_causes_are_held_against_the_endpoint() {
    use Reason as R;
    let of = |wanted| -> Vec<Reason> {
        Reason::ALL.iter().copied().filter(|reason| evidence_of(*reason) == wanted).collect()
    };
    let fails = [
        R::ProviderUnavailable,
        R::EndpointUnreachable,
        R::TLSVerificationFailed,
        R::EndpointNotAllowed,
        R::UnexpectedRedirect,
        R::EndpointNotFound,
        R::UnsupportedMediaType,
        R::ProxyError,
        R::DiscoveryFailed,
        R::IssuerMismatch,
    ];
    let answers = [
        R::InvalidRequest,
        R::InvalidClient,
        R::InvalidGrant,
        R::RefreshTokenRejected,
        R::AssertionRejected,
        R::UnauthorizedClient,
        R::UnsupportedGrantType,
        R::InvalidScope,
        R::InvalidTarget,
        R::AccessDenied,
        R::ConsentRequired,
        R::ProviderRejected,
        R::RateLimited,
        R::ProviderError,
        R::MalformedResponse,
        R::ResponseTooLarge,
        R::TokenAlreadyExpired,
        R::UnsupportedTokenType,
        R::RequestTooLarge,
    ];
    assert_eq!(of(EndpointEvidence::Fails), fails);
    assert_eq!(of(EndpointEvidence::Answers), answers);
}

fn condition(kind: &str, status: &str, reason: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": "of the tenant",
        "lastTransitionTime": "2026-01-01T00:00:30Z"})
}

fn status(ready: (&str, &str), renewed: (&str, &str), failures: i32, failed: &str) -> TokenSourceStatus {
    serde_json::from_value(json!({
        "observedGeneration": 3, "issuedAt": "2026-01-01T00:00:05Z", "failures": failures,
        "failedReason": failed, "lastFailureTime": "2026-01-01T00:00:40Z",
        "conditions": [condition("Ready", ready.0, ready.1), condition("Renewed", renewed.0, renewed.1)],
    }))
    .unwrap()
}

const ISSUED: (&str, &str) = ("True", "TokenIssued");
const NOTHING: ProviderUse<'static> =
    ProviderUse { namespace: "a", succeeded_at: None, answered_at: None, failed: None };

fn succeeded(seconds: i64) -> ProviderUse<'static> {
    ProviderUse { succeeded_at: Some(at(seconds)), ..NOTHING }
}

/// A TokenSource of the third generation.
fn source() -> TokenSource {
    serde_json::from_value(json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
        "metadata": {"namespace": "a", "name": "one", "generation": 3}, "spec": {},
    }))
    .unwrap()
}

#[test]
fn only_own_requests_of_this_spec_count() {
    let (source, tls) = (source(), Tls::default());
    let good = status(ISSUED, ISSUED, 0, "");
    let of = |status: &TokenSourceStatus| ProviderUse::of(&source, &tls, Some(status), at(60));
    assert_eq!(of(&good), succeeded(5));
    let earlier = TokenSourceStatus { observed_generation: Some(2), ..good.clone() };
    assert_eq!(of(&earlier), NOTHING, "of an earlier generation");
    assert_eq!(ProviderUse::of(&source, &tls, None, at(60)), NOTHING, "nobody has looked at it");
    let down = ("False", "EndpointUnreachable");
    let failed = Failed { since: at(30), reason: Reason::EndpointUnreachable, times: 4 };
    for (case, status, expected) in [
        (
            "it failed",
            status(ISSUED, down, 4, "EndpointUnreachable"),
            ProviderUse { failed: Some(failed), ..succeeded(5) },
        ),
        ("others have failed", status(ISSUED, down, 0, ""), succeeded(5)),
        (
            "the credentials are missing now",
            status(ISSUED, ("False", "CredentialsNotFound"), 4, "EndpointUnreachable"),
            succeeded(5),
        ),
        (
            "the client is refused",
            status(("False", "TokenExpired"), ("False", "InvalidClient"), 4, "InvalidClient"),
            ProviderUse { answered_at: Some(at(40)), ..succeeded(5) },
        ),
        ("the token is of another spec", status(("False", "InputsChanged"), ISSUED, 0, ""), NOTHING),
        ("the target is gone", status(("False", "TargetMissing"), ISSUED, 0, ""), NOTHING),
    ] {
        assert_eq!(of(&status), expected, "{case}");
    }
    let repeated = TokenSourceStatus { last_unchanged_time: Some(to_kubernetes(at(50))), ..good };
    assert_eq!(of(&repeated), succeeded(50));
}

/// The owner of a target may write any time into its record, and a controller may have had a wrong clock.
#[test]
fn times_in_the_future_say_nothing() {
    let (source, tls) = (source(), Tls::default());
    let future = Some(to_kubernetes(at(2_000_000_000)));
    let of = |status: &TokenSourceStatus| ProviderUse::of(&source, &tls, Some(status), at(60));
    let good = status(ISSUED, ISSUED, 0, "");
    let down = status(ISSUED, ("False", "EndpointUnreachable"), 4, "EndpointUnreachable");
    let refused = status(ISSUED, ("False", "InvalidClient"), 4, "InvalidClient");
    let misdated = |mut status: TokenSourceStatus| {
        for condition in &mut status.conditions {
            condition.last_transition_time = to_kubernetes(at(2_000_000_000));
        }
        status
    };
    let failed = Failed { since: at(40), reason: Reason::EndpointUnreachable, times: 4 };
    for (case, status, expected) in [
        ("the success", TokenSourceStatus { issued_at: future.clone(), ..good.clone() }, NOTHING),
        (
            "the repeated token",
            TokenSourceStatus { last_unchanged_time: future.clone(), ..good },
            succeeded(5),
        ),
        (
            "the last failure",
            TokenSourceStatus { last_failure_time: future.clone(), ..down.clone() },
            succeeded(5),
        ),
        ("the first failure", misdated(down), ProviderUse { failed: Some(failed), ..succeeded(5) }),
        ("the answer", TokenSourceStatus { last_failure_time: future, ..refused }, succeeded(5)),
    ] {
        assert_eq!(of(&status), expected, "{case}");
    }
}

#[test]
fn suspended_token_sources_say_nothing() {
    let mut source = source();
    source.spec.suspend = true;
    for status in [
        status(ISSUED, ("Unknown", "Suspended"), 0, ""),
        status(ISSUED, ("False", "EndpointUnreachable"), 4, "EndpointUnreachable"),
    ] {
        assert_eq!(ProviderUse::of(&source, &Tls::default(), Some(&status), at(60)), NOTHING);
    }
}

#[test]
fn failures_of_tls_say_nothing_if_the_server_may_have_refused_the_certificate_of_the_client() {
    let source = source();
    let of = |tls: &Tls, reason: &str| {
        let status = status(ISSUED, ("False", reason), 4, reason);
        ProviderUse::of(&source, tls, Some(&status), at(60)).failed.map(|failed| failed.reason)
    };
    let pair = Some(ObjectReference { name: "pair".to_owned() });
    let certificate = Tls { client_certificate_ref: pair, ..Tls::default() };
    assert_eq!(of(&certificate, "TLSVerificationFailed"), None);
    assert_eq!(of(&certificate, "EndpointUnreachable"), Some(Reason::EndpointUnreachable));
    assert_eq!(of(&Tls::default(), "TLSVerificationFailed"), Some(Reason::TLSVerificationFailed));
}
