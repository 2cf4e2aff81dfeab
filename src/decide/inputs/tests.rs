//! Changes that require a new token, changes that only permit another attempt, and changes that do neither. Literal
//! fingerprints show that an upgrade does not change them, which would renew every token of every cluster at the same time.

use super::*;
use crate::api::{
    BodyFormat, CredentialKeys, Duration, Header, KeyReference, LongText, Parameter, Renewal, RequestedToken,
    ResponseSettings, ShortText,
};
use crate::decide::fixture::Scene;

/// The fingerprint of [`Scene::fresh`], which must never change.
const OF_A_FIXED_SPEC: &str = "07be4a652f00c121cd721a2e1bc93868ca4d29422bd7940409cde8f6284145cb";
/// The fingerprint of [`rich`], which must never change.
const OF_A_RICH_SPEC: &str = "f1d5ea96251fc30fddfd28dfe8c03917d729c315939d7b151a9aca58d52f54b7";

/// The fingerprint of [`signing`], which must never change. It was computed before assertions had more settings than these.
const OF_A_SIGNING_SPEC: &str = "ae55f2267c7bbe3ff1a4988dfe57e4b9eddba476fd524aa32d8c30dfd56d1971";

type Change = (&'static str, fn(&mut Scene));

#[allow(clippy::unnecessary_wraps)] // the fields are optional
fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn secret(uid: &str, version: &str, hosts: Option<&str>) -> ReferencedSecret {
    ReferencedSecret::Present {
        name: "client".to_owned(),
        uid: uid.to_owned(),
        resource_version: version.to_owned(),
        allowed_hosts: hosts.map(str::to_owned),
    }
}

/// A spec with many fields. Written out, so that it stays the same when the tables below grow.
fn rich() -> Scene {
    let provider = r#"{"tokenEndpoint": "https://auth.example.com/oauth/token?tenant=1", "grantType": "vendor",
        "clientAuthentication": {"method": "client_secret_basic", "basicEncoding": "Raw", "sendClientId": "Always"},
        "bodyFormat": "JSON", "parameters": [{"name": "b", "value": "2", "type": "Number"},
        {"name": "a", "value": "1", "in": "Query"}], "headers": [{"name": "X-Tenant", "value": "ä"}],
        "refresh": {"policy": "Never"}, "response": {"fields": {"accessToken": "/data/token"}, "tokenType": "Bearer",
        "expiry": {"assumedLifetime": "1h30m", "unit": "Seconds", "ignoreResponse": true}}}"#;
    let token = r#"{"scopes": ["write", "read"], "audience": "api", "resources": ["urn:x"]}"#;
    Scene::fresh().with(|scene| {
        scene.provider = Ok(serde_json::from_str(provider).unwrap());
        scene.spec.token = serde_json::from_str(token).unwrap();
        scene.spec.target.data.insert("header".to_owned(), LongText("Bearer {{ access_token }}".to_owned()));
    })
}

/// A spec with a signed client assertion and a signed assertion of the grant.
fn signing() -> Scene {
    let provider = r#"{"tokenEndpoint": "https://auth.example.com/oauth/token",
        "grantType": "urn:ietf:params:oauth:grant-type:jwt-bearer", "clientAuthentication": {"method": "private_key_jwt",
        "assertion": {"algorithm": "PS256", "keyId": "k", "audience": "Issuer", "lifetime": "5m", "x5tS256": true,
        "claims": {"a": 1}}}, "assertionGrant": {"issuer": "i", "subject": "", "audience": "a", "scopeClaim": true,
        "lifetime": "5m", "algorithm": "ES256", "keyId": "k", "claims": {"a": 1}}}"#;
    Scene::fresh().with(|scene| scene.provider = Ok(serde_json::from_str(provider).unwrap()))
}

fn assertion(scene: &mut Scene, settings: &str) {
    scene.provider().client_authentication.assertion = Some(serde_json::from_str(settings).unwrap());
}

fn grant(scene: &mut Scene, settings: &str) {
    scene.provider().assertion_grant = Some(serde_json::from_str(settings).unwrap());
}

const SHAPING: &[Change] = &[
    ("the endpoint", |s| s.provider().token_endpoint = text("https://auth.example.com/v2/token")),
    ("the grant", |s| s.provider().grant_type = text("account_credentials")),
    ("the authentication method", |s| {
        s.provider().client_authentication.method = crate::api::ClientAuthenticationMethod::ClientSecretBasic;
    }),
    ("Basic's encoding", |s| {
        s.provider().client_authentication.basic_encoding = crate::api::BasicEncoding::Raw;
    }),
    ("the place of client_id", |s| {
        s.provider().client_authentication.send_client_id = crate::api::SendClientId::Always;
    }),
    ("the body's format", |s| s.provider().body_format = BodyFormat::Json),
    ("a parameter", |s| {
        s.provider().parameters.push(Parameter {
            name: "tenant".to_owned(),
            value: text("1"),
            ..Parameter::default()
        });
    }),
    ("a header", |s| {
        s.provider().headers.push(Header { name: "X-Tenant".to_owned(), value: text("1"), value_from: None });
    }),
    ("how the answer is read", |s| {
        s.provider().response =
            ResponseSettings { token_type: text("Bearer"), ..ResponseSettings::default() };
    }),
    ("the members for templates", |s| {
        s.provider().response.keep.insert("host".to_owned(), "/host".to_owned());
    }),
    ("the scopes", |s| s.spec.token.scopes.push("read".to_owned())),
    ("the audience", |s| s.spec.token = RequestedToken { audience: text("api"), ..s.spec.token.clone() }),
    ("a resource", |s| s.spec.token.resources.push("https://api.example.com".to_owned())),
    ("a template of the target", |s| {
        s.spec.target.data.insert("header".to_owned(), LongText("Bearer {{ access_token }}".to_owned()));
    }),
    ("the keys of the credentials", |s| {
        let keys = CredentialKeys { client_secret: text("password"), ..CredentialKeys::default() };
        s.spec.credentials_ref.as_mut().unwrap().keys = keys;
    }),
    ("the client's id", |s| s.spec.client_id = text("another")),
    ("a client certificate", |s| s.certificate = secret("certificate-uid", "1", None)),
    ("an ES512 assertion", |s| assertion(s, r#"{"algorithm": "ES512"}"#)),
    ("an assertion's subject", |s| assertion(s, r#"{"subject": ""}"#)),
    ("an assertion's audience", |s| assertion(s, r#"{"audience": "None"}"#)),
    ("an assertion's header", |s| assertion(s, r#"{"headers": {"typ": "x"}}"#)),
    ("an assertion's thumbprint", |s| assertion(s, r#"{"x5t": true}"#)),
    ("an assertion's chain", |s| assertion(s, r#"{"x5c": true}"#)),
    ("an assertion's nbf claim", |s| assertion(s, r#"{"notBefore": true}"#)),
    ("an assertion's backdate", |s| assertion(s, r#"{"backdate": "1m"}"#)),
    ("a grant's header", |s| grant(s, r#"{"headers": {"typ": "x"}}"#)),
    ("a grant's thumbprint", |s| grant(s, r#"{"x5t": true}"#)),
    ("a grant's SHA-256 thumbprint", |s| grant(s, r#"{"x5tS256": true}"#)),
    ("a grant's chain", |s| grant(s, r#"{"x5c": true}"#)),
    ("a grant's nbf claim", |s| grant(s, r#"{"notBefore": true}"#)),
    ("a grant's backdate", |s| grant(s, r#"{"backdate": "1m"}"#)),
    ("rotated credentials", |s| s.credentials = secret("secret-uid", "8", None)),
    ("re-created credentials", |s| s.credentials = secret("another-uid", "7", None)),
    ("no credentials", |s| {
        s.credentials = ReferencedSecret::Unnamed;
        s.spec.credentials_ref = None;
    }),
];

/// Each of these changes the generation, as it does in the API server.
const NOT_SHAPING: &[Change] = &[
    ("the percentage", |s| s.spec.renewal = Renewal { at_percentage: Some(50), ..Renewal::default() }),
    ("the time before", |s| {
        s.spec.renewal = Renewal { before: Some(Duration::from_secs(60)), ..Renewal::default() }
    }),
    ("suspension", |s| s.spec.suspend = true),
    ("the target's name", |s| s.spec.target.name = text("other")),
    ("the target's type", |s| s.spec.target.type_ = text("example.com/token")),
    ("a label of the target", |s| {
        s.spec.target.labels.insert("team".to_owned(), ShortText("a".to_owned()));
    }),
    ("an annotation of the target", |s| {
        s.spec.target.annotations.insert("team".to_owned(), LongText("a".to_owned()));
    }),
];

/// These change the conditions of an attempt. They do not change the generation if a provider object contains them.
const OF_THE_ATTEMPT: &[Change] = &[
    ("roots of trust", |s| s.provider().tls.ca_bundle = text("-----BEGIN CERTIFICATE-----")),
    ("roots of trust by reference", |s| {
        s.provider().tls.ca_bundle_ref =
            Some(KeyReference { name: "ca".to_owned(), key: "ca.crt".to_owned() });
    }),
    ("the deadline", |s| s.provider().timeout = Some(Duration::from_secs(30))),
];

fn of(scene: &Scene) -> Fingerprints {
    scene.fingerprints().unwrap()
}

#[test]
fn changes_of_the_request_or_its_rendering_require_a_new_token() {
    let before = of(&Scene::fresh());
    for (name, change) in SHAPING {
        let after = of(&Scene::fresh().with(change));
        assert_ne!(after.token, before.token, "{name}");
        assert_ne!(after.attempt, before.attempt, "{name}");
    }
}

#[test]
fn each_change_has_a_fingerprint_of_its_own() {
    let mut seen: Vec<String> =
        SHAPING.iter().map(|(_, change)| of(&Scene::fresh().with(change)).token).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), SHAPING.len());
}

#[test]
fn changes_of_other_inputs_only_permit_another_attempt() {
    let before = of(&Scene::fresh());
    for (name, change) in NOT_SHAPING {
        let after = of(&Scene::fresh().with(change).with(|scene| scene.generation += 1));
        assert_eq!(after.token, before.token, "{name}");
        assert_ne!(after.attempt, before.attempt, "{name}");
    }
    for (name, change) in OF_THE_ATTEMPT {
        let after = of(&Scene::fresh().with(change));
        assert_eq!(after.token, before.token, "{name}");
        assert_ne!(after.attempt, before.attempt, "{name}");
    }
}

#[test]
fn status_time_renewal_requests_and_allowed_hosts_change_no_fingerprint() {
    let before = of(&Scene::fresh());
    let cases: [Change; 4] = [
        ("a renewal request", |s| s.renew_request = text("now")),
        ("a status", |s| s.status = Scene::good().status),
        ("the time", |s| s.now = crate::decide::fixture::at(99)),
        ("another allowed host", |s| {
            s.credentials = secret("secret-uid", "7", Some("auth.example.com,other.example"));
        }),
    ];
    for (name, change) in cases {
        assert_eq!(of(&Scene::fresh().with(change)), before, "{name}");
    }
}

#[test]
fn a_provider_object_and_the_same_block_written_out_are_the_same() {
    let referenced = Scene::fresh().with(|scene| scene.spec.provider = None);
    assert_eq!(of(&referenced), of(&Scene::fresh()));
}

#[test]
fn a_default_written_out_is_the_same_as_one_left_out() {
    let spec = r#"{"tokenEndpoint": "https://auth.example.com/oauth/token",
        "clientAuthentication": {"method": "client_secret_post", "basicEncoding": "Form", "sendClientId": "Auto"},
        "bodyFormat": "Form", "parameters": [], "headers": [], "refresh": {"policy": "IfIssued"},
        "response": {"fields": {}, "expiry": {"unit": "Auto", "ignoreResponse": false}}, "tls": {}}"#;
    let verbose = Scene::fresh().with(|scene| scene.provider = Ok(serde_json::from_str(spec).unwrap()));
    assert_eq!(of(&verbose), of(&Scene::fresh()));
}

#[test]
fn an_upgrade_changes_no_fingerprint() {
    assert_eq!(of(&Scene::fresh()).token, OF_A_FIXED_SPEC);
    assert_eq!(of(&rich()).token, OF_A_RICH_SPEC);
    assert_eq!(of(&signing()).token, OF_A_SIGNING_SPEC);
}

#[test]
fn a_fingerprint_is_64_hexadecimal_digits() {
    let Fingerprints { token, attempt } = of(&rich());
    for fingerprint in [token, attempt] {
        assert_eq!(fingerprint.len(), 64);
        assert!(fingerprint.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{fingerprint}");
    }
}
