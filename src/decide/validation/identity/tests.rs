//! Contradictions among the fields of certificates and ServiceAccounts, and whether the message says what to write instead.

use super::*;
use crate::api::{BearerToken, ExchangeToken, ObjectReference, Parameter, Reason, ValueSource};
use crate::decide::fixture::{HOST, Scene};
use crate::decide::validation::service_account;
use crate::decide::{Cause, Plan, ReferencedSecret};

type Change = fn(&mut Scene);

fn refusal(change: Change) -> (Reason, String) {
    match Scene::fresh().with(change).plan() {
        Plan::Refuse(failure) => (failure.reason, failure.message),
        plan => panic!("not refused: {plan:?}"),
    }
}

fn method(scene: &mut Scene, method: ClientAuthenticationMethod) {
    scene.provider().client_authentication.method = method;
}

fn certificate(scene: &mut Scene, hosts: Option<&str>) {
    scene.provider().tls.client_certificate_ref = Some(ObjectReference { name: "pair".to_owned() });
    scene.certificate = ReferencedSecret::Present {
        name: "pair".to_owned(),
        uid: "pair-uid".to_owned(),
        resource_version: "5".to_owned(),
        allowed_hosts: hosts.map(str::to_owned),
    };
}

#[allow(clippy::unnecessary_wraps)] // the fields are optional
fn account(audience: &str) -> Option<ServiceAccountTokenSettings> {
    Some(ServiceAccountTokenSettings { audience: audience.to_owned(), ..Default::default() })
}

#[allow(clippy::unnecessary_wraps)] // the field is optional
fn secret_from(audience: &str) -> Option<ValueSource> {
    Some(ValueSource { service_account_token: account(audience), ..ValueSource::default() })
}

fn key() -> BearerToken {
    BearerToken { credentials_key: Some("api_key".to_owned()), ..BearerToken::default() }
}

fn without_secrets(scene: &mut Scene) {
    (scene.spec.credentials_ref, scene.credentials) = (None, ReferencedSecret::Unnamed);
}

#[test]
#[allow(clippy::too_many_lines)] // a table
fn contradictions_are_refused_with_a_correction() {
    use ClientAuthenticationMethod::{FederatedJwt, TlsClientAuth};
    let cases: [(Change, &str); 17] = [
        (
            |s| {
                method(s, ClientAuthenticationMethod::PrivateKeyJwt);
                s.provider().client_authentication.client_secret_from = secret_from("quay.io");
            },
            "only with clientAuthentication.method: client_secret_basic",
        ),
        (
            |s| {
                let key = ValueSource { credentials_key: Some("k".to_owned()), ..ValueSource::default() };
                s.provider().client_authentication.client_secret_from = Some(key);
            },
            "credentialsRef.keys.clientSecret",
        ),
        (
            |s| {
                without_secrets(s);
                s.provider().client_authentication.client_secret_from = secret_from("quay.io");
            },
            "clientSecretFrom needs a client id",
        ),
        (
            |s| {
                let value_from =
                    Some(ValueSource { service_account_token: account("vault"), ..ValueSource::default() });
                let parameter = |index: usize| Parameter {
                    name: format!("p{index}"),
                    value_from: value_from.clone(),
                    ..Parameter::default()
                };
                s.provider().parameters = (0..5).map(parameter).collect();
            },
            "more than 4 serviceAccountToken",
        ),
        (|s| method(s, ClientAuthenticationMethod::BearerToken), "bearerToken belong together"),
        (|s| s.provider().client_authentication.bearer_token = Some(key()), "bearerToken belong together"),
        (
            |s| {
                method(s, ClientAuthenticationMethod::BearerToken);
                s.provider().client_authentication.bearer_token = Some(key());
                without_secrets(s);
            },
            "key api_key of the credentials",
        ),
        (
            |s| {
                s.provider().method = RequestMethod::Get;
                s.provider().body_format = BodyFormat::Json;
            },
            "leave it out",
        ),
        (
            |s| {
                method(s, ClientAuthenticationMethod::BearerToken);
                let assertion = Some(crate::api::AssertionSettings::default());
                s.provider().client_authentication.bearer_token =
                    Some(BearerToken { assertion, ..BearerToken::default() });
                without_secrets(s);
            },
            "needs a private key",
        ),
        (|s| method(s, TlsClientAuth), "provider.tls.clientCertificateRef"),
        (
            |s| {
                method(s, TlsClientAuth);
                without_secrets(s);
                certificate(s, Some(HOST));
            },
            "write it in clientId",
        ),
        (
            |s| {
                certificate(s, Some(HOST));
                s.spec.target.name = Some("pair".to_owned());
            },
            "give the target another name",
        ),
        (|s| method(s, FederatedJwt), "serviceAccountToken.audience"),
        (|s| s.provider().client_authentication.service_account_token = account("us"), "federated_jwt"),
        (
            |s| {
                method(s, FederatedJwt);
                s.provider().client_authentication.service_account_token =
                    account("https://kubernetes.default.svc");
            },
            "the Kubernetes API server's own",
        ),
        (
            |s| {
                method(s, FederatedJwt);
                s.provider().client_authentication.service_account_token =
                    account("https://kubernetes.default.svc.cluster.local/");
            },
            "the Kubernetes API server's own",
        ),
        (
            |s| {
                s.provider().grant_type = Some(crate::oauth::TOKEN_EXCHANGE.to_owned());
                s.provider().subject_token = Some(ExchangeToken {
                    service_account_token: account("kubernetes"),
                    ..Default::default()
                });
            },
            "the Kubernetes API server's own",
        ),
    ];
    for (change, part) in cases {
        let (reason, message) = refusal(change);
        assert_eq!(reason, Reason::InvalidSpec, "{message}");
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn without_any_secret_a_service_account_is_enough() {
    let scene = Scene::fresh().with(|scene| {
        without_secrets(scene);
        method(scene, ClientAuthenticationMethod::FederatedJwt);
        scene.provider().client_authentication.service_account_token = account("us");
    });
    assert_eq!(scene.plan(), Plan::Issue(Cause::TokenPending));
}

#[test]
fn a_client_certificate_must_exist_and_be_bound() {
    let (reason, message) = refusal(|s| {
        certificate(s, None);
        s.certificate = ReferencedSecret::Missing("pair".to_owned());
    });
    assert_eq!(reason, Reason::CredentialsNotFound);
    assert!(message.contains("kubernetes.io/tls"), "{message}");
    let (reason, message) = refusal(|s| certificate(s, Some("other.example.com")));
    assert_eq!(reason, Reason::CredentialsNotBound);
    assert!(message.contains("annotate secret pair"), "{message}");
    let bound = Scene::fresh().with(|scene| certificate(scene, Some(HOST)));
    assert_eq!(bound.plan(), Plan::Issue(Cause::TokenPending));
}

#[test]
fn another_certificate_asks_for_another_token() {
    let scene = Scene::fresh().with(|scene| certificate(scene, Some(HOST)));
    let before = scene.fingerprints().unwrap();
    let rotated = scene.with(|scene| {
        if let ReferencedSecret::Present { resource_version, .. } = &mut scene.certificate {
            *resource_version = "6".to_owned();
        }
    });
    assert_ne!(before.token, rotated.fingerprints().unwrap().token);
}

#[test]
fn a_service_account_is_bound_by_its_own_annotation() {
    let mut scene = Scene::fresh();
    let provider = scene.provider().clone();
    for hosts in [None, Some("evil.example"), Some("*.example.com.evil")] {
        let failure = service_account("payments", "worker", hosts, &scene.spec, &provider).unwrap();
        assert_eq!(failure.reason, Reason::CredentialsNotBound);
        assert!(failure.message.contains("annotate serviceaccount worker"), "{}", failure.message);
        assert!(!failure.message.contains("evil"), "the list is its owner's: {}", failure.message);
    }
    assert_eq!(service_account("payments", "worker", Some(HOST), &scene.spec, &provider), None);
}
