//! Contradictions among fields, and whether the message says what to write instead.

use super::*;
use crate::api::{AssertionGrant, AssertionSettings, ExchangeToken, JsonWebAlgorithm, KeyReference, Reason};
use crate::decide::fixture::Scene;
use crate::decide::{Plan, ReferencedSecret};

type Change = fn(&mut Scene);

fn refusal(change: Change) -> (Reason, String) {
    refusal_of(change)
}

fn refusal_of(change: impl FnOnce(&mut Scene)) -> (Reason, String) {
    match Scene::fresh().with(change).plan() {
        Plan::Refuse(failure) => (failure.reason, failure.message),
        plan => panic!("not refused: {plan:?}"),
    }
}

fn method(scene: &mut Scene, method: ClientAuthenticationMethod, algorithm: Option<JsonWebAlgorithm>) {
    let authentication = &mut scene.provider().client_authentication;
    authentication.method = method;
    authentication.assertion =
        algorithm.map(|_| AssertionSettings { algorithm, ..AssertionSettings::default() });
}

fn exchange(scene: &mut Scene, secret: &str) {
    scene.provider().grant_type = Some(TOKEN_EXCHANGE.to_owned());
    scene.provider().subject_token = Some(ExchangeToken {
        secret_key_ref: Some(KeyReference { name: secret.to_owned(), key: "token".to_owned() }),
        ..ExchangeToken::default()
    });
    scene.subject = subject(Some(crate::decide::fixture::HOST));
}

fn subject(hosts: Option<&str>) -> ReferencedSecret {
    ReferencedSecret::Present {
        name: "subject".to_owned(),
        uid: "subject-uid".to_owned(),
        resource_version: "3".to_owned(),
        allowed_hosts: hosts.map(str::to_owned),
    }
}

fn audience(audience: &str) -> AssertionSettings {
    AssertionSettings { audience: Some(audience.to_owned()), ..AssertionSettings::default() }
}

#[test]
fn contradictions_are_refused_with_a_correction() {
    use ClientAuthenticationMethod::{ClientSecretJwt, PrivateKeyJwt};
    let cases: [(Change, &str); 13] = [
        (|s| method(s, ClientSecretJwt, Some(JsonWebAlgorithm::RS256)), "HS256"),
        (|s| method(s, PrivateKeyJwt, Some(JsonWebAlgorithm::HS256)), "RS256"),
        (
            |s| {
                method(s, PrivateKeyJwt, None);
                s.spec.credentials_ref = None;
            },
            "needs a private key",
        ),
        (
            |s| {
                s.provider().grant_type = Some(JWT_BEARER.to_owned());
                method(s, ClientAuthenticationMethod::None, None);
                s.spec.credentials_ref = None;
            },
            "needs a key to sign with",
        ),
        (|s| s.provider().client_authentication.assertion = Some(audience("x")), "private_key_jwt"),
        (|s| s.provider().assertion_grant = Some(AssertionGrant::default()), "grant-type:jwt-bearer"),
        (
            |s| {
                exchange(s, "subject");
                s.provider().grant_type = None;
            },
            "grant-type:token-exchange",
        ),
        (|s| s.provider().requested_token_type = Some("urn:x".to_owned()), "grant-type:token-exchange"),
        (|s| s.provider().grant_type = Some(TOKEN_EXCHANGE.to_owned()), "subjectToken.secretKeyRef"),
        (|s| exchange(s, "source"), "give the target another name"),
        (
            |s| {
                method(s, PrivateKeyJwt, None);
                s.provider().client_authentication.assertion = Some(audience("Issuer"));
            },
            "assertion.audience: Issuer",
        ),
        (
            |s| {
                let lifetime = Some(Duration::from_secs(29));
                method(s, PrivateKeyJwt, None);
                s.provider().client_authentication.assertion =
                    Some(AssertionSettings { lifetime, ..AssertionSettings::default() });
            },
            "30s",
        ),
        (
            |s| {
                s.provider().grant_type = Some(JWT_BEARER.to_owned());
                s.provider().assertion_grant =
                    Some(AssertionGrant { audience: Some("Issuer".to_owned()), ..AssertionGrant::default() });
            },
            "assertionGrant.audience",
        ),
    ];
    for (change, named) in cases {
        let (reason, message) = refusal(change);
        assert_eq!(reason, Reason::InvalidSpec, "{message}");
        assert!(message.contains(named), "{named}: {message}");
    }
}

#[test]
fn settings_that_cannot_be_signed_are_refused_wherever_they_stand() {
    let many: Vec<String> = (0..17).map(|number| format!(r#""h{number}": "x""#)).collect();
    let cases = [
        (r#"{"headers": {"alg": "none"}}"#.to_owned(), "headers must not have alg: use the field algorithm"),
        (r#"{"headers": {"kid": "k"}}"#.to_owned(), "use the field keyId"),
        (r#"{"headers": {"x5t": "t"}}"#.to_owned(), "use x5t: true"),
        (r#"{"headers": {"x5t#S256": "t"}}"#.to_owned(), "use x5tS256: true"),
        (r#"{"headers": {"x5c": "t"}}"#.to_owned(), "use x5c: true"),
        (r#"{"headers": {"crit": "t"}}"#.to_owned(), "remove it"),
        (r#"{"headers": {"b64": "false"}}"#.to_owned(), "remove it"),
        (r#"{"headers": {"a\u0007": "x"}}"#.to_owned(), "1 to 64 visible"),
        (r#"{"headers": {"a": "x\n"}}"#.to_owned(), "headers.a cannot be sent"),
        (format!(r#"{{"headers": {{"a": "{}"}}}}"#, "x".repeat(1025)), "at most 1024"),
        (format!(r#"{{"headers": {{{}}}}}"#, many.join(",")), "more than 16"),
        (r#"{"backdate": "11m", "lifetime": "1h"}"#.to_owned(), "10m or less"),
        (r#"{"backdate": "1m"}"#.to_owned(), "write 80s or more"),
        (r#"{"backdate": "0s", "lifetime": "29s"}"#.to_owned(), "write 30s or more"),
        (r#"{"audience": "Issuer"}"#.to_owned(), "audience: Issuer"),
    ];
    for (settings, words) in &cases {
        let refusals = [
            refusal_of(|scene| {
                method(scene, ClientAuthenticationMethod::PrivateKeyJwt, None);
                scene.provider().client_authentication.assertion =
                    Some(serde_json::from_str(settings).unwrap());
            }),
            refusal_of(|scene| {
                method(scene, ClientAuthenticationMethod::BearerToken, None);
                scene.provider().client_authentication.bearer_token =
                    Some(serde_json::from_str(&format!(r#"{{"assertion": {settings}}}"#)).unwrap());
            }),
            refusal_of(|scene| {
                scene.provider().grant_type = Some(JWT_BEARER.to_owned());
                scene.provider().assertion_grant = Some(serde_json::from_str(settings).unwrap());
            }),
        ];
        let places = [
            "clientAuthentication.assertion",
            "clientAuthentication.bearerToken.assertion",
            "assertionGrant",
        ];
        for ((reason, message), place) in refusals.into_iter().zip(places) {
            assert_eq!(reason, Reason::InvalidSpec, "{message}");
            assert!(message.contains(words) && message.contains(place), "{place}: {words}: {message}");
        }
    }
}

#[test]
fn consistent_fields_are_accepted() {
    let cases: [Change; 5] = [
        |s| method(s, ClientAuthenticationMethod::ClientSecretJwt, None),
        |s| method(s, ClientAuthenticationMethod::ClientSecretJwt, Some(JsonWebAlgorithm::HS512)),
        |s| method(s, ClientAuthenticationMethod::PrivateKeyJwt, Some(JsonWebAlgorithm::EdDSA)),
        |s| s.provider().grant_type = Some(JWT_BEARER.to_owned()),
        |s| exchange(s, "subject"),
    ];
    for (number, change) in cases.into_iter().enumerate() {
        let plan = Scene::fresh().with(change).plan();
        assert!(matches!(plan, Plan::Issue(_)), "case {number}: {plan:?}");
    }
}

#[test]
fn the_token_to_exchange_is_bound_to_hosts_of_its_own() {
    let cases = [
        (subject(None), Reason::CredentialsNotBound, "annotate secret subject"),
        (subject(Some("other.example")), Reason::CredentialsNotBound, "annotate secret subject"),
        (
            ReferencedSecret::Missing("subject".to_owned()),
            Reason::CredentialsNotFound,
            "subjectToken.secretKeyRef",
        ),
    ];
    for (secret, reason, named) in cases {
        let scene = Scene::fresh().with(|scene| {
            exchange(scene, "subject");
            scene.subject = secret;
        });
        let Plan::Refuse(failure) = scene.plan() else { panic!("not refused") };
        assert_eq!(failure.reason, reason);
        assert!(failure.message.contains(named), "{}", failure.message);
    }
}

#[test]
fn another_token_to_exchange_asks_for_a_new_exchange() {
    let scene = |version: &str| {
        let version = version.to_owned();
        Scene::fresh().with(|scene| exchange(scene, "subject")).with(|scene| {
            let ReferencedSecret::Present { resource_version, .. } = &mut scene.subject else {
                panic!("there is one")
            };
            *resource_version = version;
        })
    };
    assert_ne!(scene("3").fingerprints(), scene("4").fingerprints());
    assert_eq!(scene("3").fingerprints(), scene("3").fingerprints());
}
