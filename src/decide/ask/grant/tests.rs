//! The signed claims and headers for each field of the API, and the key that signs them.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;

use super::*;
use crate::api::{Duration, ExchangeToken, KeyReference, Reason};
use crate::decide::ask::{Ask, RequestInputs, ask};
use crate::decide::fixture::Scene;
use crate::decide::versions::Role;
use crate::oauth::{ClientAuthentication, Secret};

/// Every secret of the fixture, whether or not the request uses it. The key is without PEM's frame, because a harmless
/// message may contain "PRIVATE KEY".
const NAMED: [&str; 2] = ["canary-secret", "Y2FuYXJ5LW9mLXRoZS1rZXk="];

fn data(entries: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))).collect()
}

const PEM: &str = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5LW9mLXRoZS1rZXk=\n-----END PRIVATE KEY-----\n";

fn asked(change: impl FnOnce(&mut Scene)) -> Result<Ask, Failure> {
    let mut scene = Scene::fresh().with(change);
    let provider = scene.provider().clone();
    let credentials = data(&[("client_id", "me"), ("client_secret", "canary-secret"), ("private_key", PEM)]);
    let secrets = BTreeMap::from([(Role::Subject, data(&[("token", "canary.token\n")]))]);
    ask(&scene.spec, &provider, &RequestInputs { credentials, secrets, ..RequestInputs::default() }, None)
}

fn good(change: impl FnOnce(&mut Scene)) -> Ask {
    match asked(change) {
        Ok(ask) => ask,
        Err(failure) => panic!("{}", failure.message),
    }
}

fn client_assertion(ask: &Ask) -> &Assertion {
    match &ask.request.client.authentication {
        ClientAuthentication::Assertion(assertion) => assertion,
        _ => panic!("no assertion"),
    }
}

fn hidden(ask: &Ask) -> Vec<&str> {
    ask.confidential.iter().map(Secret::expose).collect()
}

#[test]
fn client_assertions_name_the_client_and_are_signed_with_the_key_of_their_algorithm() {
    let cases = [
        (
            ClientAuthenticationMethod::ClientSecretJwt,
            JsonWebAlgorithm::HS256,
            "canary-secret",
            "canary-secret",
        ),
        (
            ClientAuthenticationMethod::PrivateKeyJwt,
            JsonWebAlgorithm::RS256,
            PEM.trim_end(),
            // The searched text has no PEM frame, because a harmless message may contain "PRIVATE KEY".
            "Y2FuYXJ5LW9mLXRoZS1rZXk=",
        ),
    ];
    for (method, algorithm, key, material) in cases {
        let ask = good(|scene| scene.provider().client_authentication.method = method);
        let assertion = client_assertion(&ask);
        assert_eq!((assertion.issuer.as_str(), assertion.subject.as_deref()), ("me", Some("me")));
        assert_eq!(assertion.audience.as_deref(), Some("https://auth.example.com/oauth/token"));
        assert_eq!((assertion.algorithm, assertion.key.expose()), (algorithm, key));
        assert_eq!(assertion.lifetime, Assertion::DEFAULT_LIFETIME);
        assert_eq!(hidden(&ask), NAMED);
        assert!(NAMED.contains(&material));
        assert_eq!(ask.grant, GrantKind::JwtBearer, "a refusal is a refusal of the assertion");
    }
}

#[test]
fn settings_of_a_client_assertion() {
    let ask = good(|scene| {
        let authentication = &mut scene.provider().client_authentication;
        authentication.method = ClientAuthenticationMethod::PrivateKeyJwt;
        authentication.assertion = Some(AssertionSettings {
            algorithm: Some(JsonWebAlgorithm::ES256),
            key_id: Some("k".to_owned()),
            audience: Some("https://auth.example.com".to_owned()),
            lifetime: Some(Duration::from_secs(300)),
            ..AssertionSettings::default()
        });
    });
    let assertion = client_assertion(&ask);
    assert_eq!((assertion.algorithm, assertion.key_id.as_deref()), (JsonWebAlgorithm::ES256, Some("k")));
    assert_eq!(
        (assertion.audience.as_deref(), assertion.lifetime.as_secs()),
        (Some("https://auth.example.com"), 300)
    );
}

#[test]
fn every_assertion_has_the_settings_of_its_own_place() {
    let settings = r#"{"subject": "", "audience": "None", "headers": {"typ": "x+jwt"}, "notBefore": true, "backdate": "1m",
        "lifetime": "9m", "algorithm": "ES512"}"#;
    let own = good(|scene| {
        let authentication = &mut scene.provider().client_authentication;
        authentication.method = ClientAuthenticationMethod::PrivateKeyJwt;
        authentication.assertion = serde_json::from_str(settings).unwrap();
    });
    let shown = good(|scene| {
        let authentication = &mut scene.provider().client_authentication;
        authentication.method = ClientAuthenticationMethod::BearerToken;
        authentication.bearer_token =
            Some(serde_json::from_str(&format!(r#"{{"assertion": {settings}}}"#)).unwrap());
    });
    let ClientAuthentication::BearerAssertion(shown) = &shown.request.client.authentication else {
        panic!("another authentication")
    };
    let (_, grant) = bearer_of(serde_json::from_str(settings).unwrap());
    for assertion in [client_assertion(&own), shown, &grant] {
        assert_eq!((assertion.subject.as_deref(), assertion.audience.as_deref()), (None, None));
        assert_eq!(assertion.headers["typ"], "x+jwt");
        assert_eq!((assertion.not_before, assertion.backdate.as_secs()), (true, 60));
        assert_eq!((assertion.lifetime.as_secs(), assertion.algorithm), (540, JsonWebAlgorithm::ES512));
    }
}

#[test]
fn headers_for_a_certificate_need_the_certificate() {
    for header in ["x5t", "x5tS256", "x5c"] {
        let missing = asked(|scene| {
            scene.provider().client_authentication.method = ClientAuthenticationMethod::None;
            scene.provider().grant_type = Some(JWT_BEARER.to_owned());
            scene.provider().assertion_grant =
                Some(serde_json::from_str(&format!(r#"{{"{header}": true}}"#)).unwrap());
        });
        let Err(failure) = missing else { panic!("{header} without a certificate") };
        assert!(failure.message.contains("no key certificate"), "{}", failure.message);
    }
}

fn bearer_of(settings: AssertionGrant) -> (Ask, Assertion) {
    let ask = good(|scene| {
        scene.spec.token.scopes = vec!["a".to_owned(), "b".to_owned()];
        scene.provider().client_authentication.method = ClientAuthenticationMethod::None;
        scene.provider().grant_type = Some(JWT_BEARER.to_owned());
        scene.provider().assertion_grant = Some(settings);
    });
    let Grant::JwtBearer { assertion } = ask.request.grant.clone() else { panic!("another grant") };
    (ask, assertion)
}

#[test]
fn bearer_grants_default_to_the_client() {
    let (ask, assertion) = bearer_of(AssertionGrant::default());
    assert_eq!((assertion.issuer.as_str(), assertion.subject.as_deref()), ("me", Some("me")));
    assert_eq!((assertion.scope, assertion.algorithm), (None, JsonWebAlgorithm::RS256));
    assert_eq!(ask.grant, GrantKind::JwtBearer);

    let text = |text: &str| Some(text.to_owned());
    let (ask, assertion) = bearer_of(AssertionGrant {
        issuer: text("account@project"),
        audience: text("account.docusign.com"),
        scope_claim: true,
        algorithm: Some(JsonWebAlgorithm::HS384),
        ..AssertionGrant::default()
    });
    assert_eq!(
        (assertion.issuer.as_str(), assertion.subject.as_deref()),
        ("account@project", Some("account@project"))
    );
    assert_eq!(
        (assertion.audience.as_deref(), assertion.scope.as_deref()),
        (Some("account.docusign.com"), Some("a b"))
    );
    assert_eq!((assertion.key.expose(), hidden(&ask)), ("canary-secret", NAMED.to_vec()));
}

#[test]
fn an_empty_subject_omits_the_claim_and_an_empty_issuer_means_the_default() {
    let empty = || Some(String::new());
    let (_, assertion) =
        bearer_of(AssertionGrant { subject: empty(), issuer: empty(), ..AssertionGrant::default() });
    assert_eq!((assertion.issuer.as_str(), assertion.subject), ("me", None));
}

#[test]
fn token_exchange_takes_the_other_secret() {
    let exchanging = |key: &str| {
        let reference = KeyReference { name: "subject".to_owned(), key: key.to_owned() };
        move |scene: &mut Scene| {
            let provider = scene.provider();
            provider.grant_type = Some(TOKEN_EXCHANGE.to_owned());
            provider.subject_token =
                Some(ExchangeToken { secret_key_ref: Some(reference), ..ExchangeToken::default() });
        }
    };
    let ask = good(exchanging("token"));
    let Grant::TokenExchange { subject, actor, requested_token_type } = &ask.request.grant else {
        panic!("another grant")
    };
    assert_eq!((subject.token.expose(), subject.type_.as_str()), ("canary.token", JWT));
    assert!(actor.is_none());
    assert!(hidden(&ask).contains(&"canary.token"));
    assert_eq!((requested_token_type, ask.grant), (&None, GrantKind::TokenExchange));

    let Err(failure) = asked(exchanging("other")) else { panic!("there is no such key") };
    assert_eq!(failure.reason, Reason::CredentialsNotFound);
    assert!(failure.message.contains("Secret subject has no key other"), "{}", failure.message);
    assert!(failure.message.contains("subjectToken.secretKeyRef.key"), "{}", failure.message);
}
