//! One request from spec and Secret: where each credential is sent, and the message about an unusable one. The complete
//! bytes of real providers' requests are in `tests/golden`.

use k8s_openapi::ByteString;

use super::*;
use crate::api::{
    BasicEncoding, BodyFormat, ClientAuthenticationMethod, CredentialKeys, CredentialsReference, Parameter,
    ParameterPlace, ParameterType, SendClientId,
};
use crate::decide::fixture::{HOST, Scene};

type Pairs<'a> = &'a [(&'a str, &'a [u8])];

const BOTH: Pairs<'_> = &[("client_id", b"id"), ("client_secret", b"s3cret")];

fn data(pairs: Pairs<'_>) -> Data {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec()))).collect()
}

fn asked(scene: &Scene, pairs: Pairs<'_>) -> Result<Ask, Failure> {
    let inputs = RequestInputs { credentials: data(pairs), ..RequestInputs::default() };
    ask(&scene.spec, scene.provider.as_ref().unwrap(), &inputs, None)
}

fn using(method: ClientAuthenticationMethod) -> Scene {
    Scene::fresh().with(|scene| scene.provider().client_authentication.method = method)
}

fn secret(ask: &Ask) -> Option<&str> {
    match &ask.request.client.authentication {
        ClientAuthentication::Basic { secret, .. } | ClientAuthentication::Post { secret } => {
            Some(secret.expose())
        }
        _ => None,
    }
}

#[test]
fn each_method_takes_the_credentials_it_needs() {
    use ClientAuthenticationMethod::{ClientSecretBasic, ClientSecretPost, None as Public};
    let cases = [
        ("Basic takes both", ClientSecretBasic, BOTH, Some("id"), Some("s3cret")),
        ("post takes both", ClientSecretPost, BOTH, Some("id"), Some("s3cret")),
        ("a public client sends no secret", Public, BOTH, Some("id"), None),
        ("a public client may have no id", Public, &[][..], None, None),
    ];
    for (name, method, pairs, id, expected) in cases {
        let ask = asked(&using(method), pairs).unwrap();
        assert_eq!(ask.request.client.id.as_deref(), id, "{name}");
        assert_eq!(secret(&ask), expected, "{name}");
        let confidential: Vec<&str> = ask.confidential.iter().map(Secret::expose).collect();
        let values: Vec<_> = pairs
            .iter()
            .filter(|pair| pair.0 != "client_id")
            .map(|pair| std::str::from_utf8(pair.1).unwrap())
            .collect();
        assert_eq!(confidential, values, "{name}: the values that must not be shown");
    }
}

#[test]
fn keys_may_have_other_names() {
    let scene = Scene::fresh().with(|scene| {
        let keys = CredentialKeys {
            client_id: Some("user".to_owned()),
            client_secret: Some("API_TOKEN".to_owned()),
            ..CredentialKeys::default()
        };
        scene.spec.credentials_ref = Some(CredentialsReference { name: "client".to_owned(), keys });
    });
    let pairs: Pairs<'_> = &[("user", b"id"), ("API_TOKEN", b"s3cret"), ("client_secret", b"another")];
    let ask = asked(&scene, pairs).unwrap();
    assert_eq!((ask.request.client.id.as_deref(), secret(&ask)), (Some("id"), Some("s3cret")));
}

#[test]
fn one_line_end_is_removed_and_other_white_space_is_kept() {
    let cases: [(&[u8], &str); 5] = [
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b"s3cret\n\n", "s3cret\n"),
        (b" s3cret ", " s3cret "),
        ("pässwörd".as_bytes(), "pässwörd"),
    ];
    for (written, expected) in cases {
        let ask = asked(&Scene::fresh(), &[("client_id", b"id\n"), ("client_secret", written)]).unwrap();
        assert_eq!(secret(&ask), Some(expected));
        assert_eq!(ask.request.client.id.as_deref(), Some("id"));
    }
}

#[test]
fn a_credential_that_cannot_be_used_is_named_but_not_shown() {
    use Reason::{CredentialsInvalid, CredentialsNotFound};
    let cases: [(&str, Pairs<'_>, Reason, &str); 6] = [
        ("no keys at all", &[], CredentialsNotFound, "client_id"),
        ("no id", &[("client_secret", b"canary")], CredentialsNotFound, "client_id"),
        ("no secret", &[("client_id", b"canary")], CredentialsNotFound, "client_secret"),
        (
            "an empty secret",
            &[("client_id", b"id"), ("client_secret", b"")],
            CredentialsInvalid,
            "client_secret",
        ),
        (
            "nothing but a line end",
            &[("client_id", b"\n"), ("client_secret", b"canary")],
            CredentialsInvalid,
            "client_id",
        ),
        (
            "bytes that are no text",
            &[("client_id", b"id"), ("client_secret", b"canary\xff")],
            CredentialsInvalid,
            "client_secret",
        ),
    ];
    for (name, pairs, reason, key) in cases {
        let Err(failure) = asked(&Scene::fresh(), pairs) else { panic!("{name}: not refused") };
        assert_eq!(failure.reason, reason, "{name}");
        assert!(
            failure.message.contains(&format!("key {key}"))
                || failure.message.contains(&format!("Key {key}")),
            "{name}: {}",
            failure.message
        );
        assert!(failure.message.contains("Secret client"), "{name}: {}", failure.message);
        assert!(!failure.message.contains("canary"), "{name}: {}", failure.message);
    }
}

#[test]
fn every_field_of_the_spec_reaches_the_request() {
    let provider = r#"{"tokenEndpoint": "https://auth.example.com/t", "grantType": "account_credentials",
        "clientAuthentication": {"method": "client_secret_basic", "basicEncoding": "Raw", "sendClientId": "Always"},
        "bodyFormat": "Query", "headers": [{"name": "X-A", "value": "1"}],
        "parameters": [{"name": "n", "value": "1", "type": "Number", "in": "Query"},
                       {"name": "b", "value": "true", "type": "Boolean"}, {"name": "s", "value": ""}]}"#;
    let scene = Scene::fresh().with(|scene| {
        scene.provider = Ok(serde_json::from_str(provider).unwrap());
        scene.spec.token.scopes = vec!["b".to_owned(), "a".to_owned()];
        scene.spec.token.audience = Some("API/x".to_owned());
        scene.spec.token.resources = vec!["urn:r".to_owned()];
    });
    let Ask { request, grant, .. } = asked(&scene, BOTH).unwrap();
    assert_eq!(request.endpoint.host(), HOST);
    assert!(matches!(&request.grant, Grant::Extension { grant_type } if grant_type == "account_credentials"));
    assert_eq!(grant, GrantKind::Extension);
    assert!(matches!(
        request.client.authentication,
        ClientAuthentication::Basic { encoding: BasicEncoding::Raw, .. }
    ));
    assert_eq!(request.client.send_client_id, SendClientId::Always);
    assert_eq!(request.body_format, BodyFormat::Query);
    assert_eq!(request.scopes, ["b", "a"], "in the user's order");
    assert_eq!(request.audience.as_deref(), Some("API/x"));
    assert_eq!(request.resources, ["urn:r"]);
    let headers: Vec<_> =
        request.headers.iter().map(|header| (&*header.name, header.value.expose())).collect();
    assert_eq!(headers, [("X-A", "1")]);
    let parameter =
        |each: &RequestParameter| (each.name.clone(), each.value.expose().to_owned(), each.type_, each.place);
    let expected = [
        ("n", "1", ParameterType::Number, ParameterPlace::Query),
        ("b", "true", ParameterType::Boolean, ParameterPlace::Body),
        ("s", "", ParameterType::String, ParameterPlace::Body),
    ];
    let expected =
        expected.map(|(name, value, type_, place)| (name.to_owned(), value.to_owned(), type_, place));
    assert_eq!(request.parameters.iter().map(parameter).collect::<Vec<_>>(), expected);
    assert!(request.parameters.iter().all(|parameter| !parameter.is_confidential));
}

#[test]
fn omitted_fields_have_the_documented_default() {
    let Ask { request, grant, .. } = asked(&Scene::fresh(), BOTH).unwrap();
    assert!(matches!(request.grant, Grant::ClientCredentials));
    assert_eq!(grant, GrantKind::ClientCredentials);
    assert_eq!(request.body_format, BodyFormat::Form);
    assert!(request.scopes.is_empty() && request.audience.is_none() && request.resources.is_empty());
}

#[test]
fn with_the_refresh_token_grant_every_request_names_the_same() {
    let pairs: Pairs<'_> = &[
        ("client_id", b"id"),
        ("client_secret", b"s"),
        ("refresh_token", b"first"),
        ("username", b"u"),
        ("password", b"p"),
    ];
    let inputs = RequestInputs { credentials: data(pairs), ..RequestInputs::default() };
    let parameter = |name: &str| Parameter { name: name.to_owned(), ..Parameter::default() };
    let rotated = Secret::new("rotated".to_owned());
    // A refresh request of another grant asks for no scope (RFC 6749 §6).
    for (grant, asks_always) in [("refresh_token", true), ("password", false)] {
        let scene = Scene::fresh().with(|scene| {
            scene.provider().grant_type = Some(grant.to_owned());
            scene.provider().parameters = vec![parameter("a")];
            scene.provider().refresh.parameters = vec![parameter("b")];
            scene.spec.token.scopes = vec!["read".to_owned()];
            scene.spec.token.audience = Some("api".to_owned());
            scene.spec.token.resources = vec!["urn:r".to_owned()];
        });
        let request = |refresh_token| {
            ask(&scene.spec, scene.provider.as_ref().unwrap(), &inputs, refresh_token).unwrap().request
        };
        let (first, later) = (request(None), request(Some(&rotated)));
        let asked = |request: &TokenRequest| {
            let names: Vec<_> = request.parameters.iter().map(|parameter| parameter.name.clone()).collect();
            (request.scopes.clone(), request.audience.clone(), request.resources.clone(), names)
        };
        let names = |name: &str| vec![name.to_owned()];
        let all = |name| (names("read"), Some("api".to_owned()), names("urn:r"), names(name));
        assert_eq!(asked(&first), all(if asks_always { "b" } else { "a" }), "{grant}");
        let nothing = (vec![], None, vec![], names("b"));
        assert_eq!(asked(&later), if asks_always { all("b") } else { nothing }, "{grant}");
    }
}

#[test]
fn the_grant_written_out_is_the_default() {
    let scene =
        Scene::fresh().with(|scene| scene.provider().grant_type = Some("client_credentials".to_owned()));
    assert!(matches!(asked(&scene, BOTH).unwrap().request.grant, Grant::ClientCredentials));
}

#[test]
fn of_thousands_of_keys_only_those_that_the_spec_names_are_looked_for_in_answers() {
    let many: Vec<(String, ByteString)> =
        (0..30_000).map(|n| (format!("key{n}"), ByteString(format!("value-{n}").into_bytes()))).collect();
    let mut credentials: Data = many.into_iter().collect();
    credentials.insert("client_id".to_owned(), ByteString(b"id".to_vec()));
    credentials.insert("client_secret".to_owned(), ByteString(b"s3cret".to_vec()));
    credentials.insert("password".to_owned(), ByteString(vec![b'x'; 1024 * 1024]));
    let scene = Scene::fresh();
    let inputs = RequestInputs { credentials, ..RequestInputs::default() };
    let ask = ask(&scene.spec, scene.provider.as_ref().unwrap(), &inputs, None).unwrap();
    assert_eq!(ask.confidential.iter().map(Secret::expose).collect::<Vec<_>>(), ["s3cret"]);
}

#[test]
fn a_credential_of_more_than_64_kib_is_refused_and_not_sent() {
    let long = vec![b'x'; MAX_CREDENTIAL + 1];
    let failure = asked(&Scene::fresh(), &[("client_id", b"id"), ("client_secret", &long)]).err().unwrap();
    assert_eq!(failure.reason, Reason::CredentialsInvalid);
    assert!(failure.message.contains("64 KiB"), "{}", failure.message);
}

/// A spec in which each part of the request takes its value from a different source.
fn from_everywhere() -> Scene {
    let provider = r#"{"tokenEndpoint": "https://auth.example.com/t", "grantType": "None", "method": "GET",
        "clientAuthentication": {"method": "bearer_token", "bearerToken": {"credentialsKey": "api_key"}},
        "parameters": [{"name": "app_secret", "valueFrom": {"credentialsKey": "app_secret"}},
                       {"name": "plain", "value": "1"},
                       {"name": "jwt", "valueFrom": {"serviceAccountToken": {"audience": "vault"}}}],
        "headers": [{"name": "X-Key", "valueFrom": {"credentialsKey": "subscription"}},
                    {"name": "X-Up", "valueFrom": {"tokenSourceRef": {"name": "sts"}}}]}"#;
    Scene::fresh().with(|scene| scene.provider = Ok(serde_json::from_str(provider).unwrap()))
}

#[test]
fn values_come_from_where_the_spec_says_and_none_of_them_is_shown() {
    let scene = from_everywhere();
    let credentials = data(&[("api_key", b"k3y\n"), ("app_secret", b"app"), ("subscription", b"sub")]);
    let token = |text: &str| Secret::new(text.to_owned());
    let tokens =
        [(RequestPart::Parameter(2), token("sa-token")), (RequestPart::Header(1), token("sts-token"))].into();
    let inputs = RequestInputs { credentials, tokens, ..RequestInputs::default() };
    let ask = ask(&scene.spec, scene.provider.as_ref().unwrap(), &inputs, None).unwrap();
    assert!(matches!(&ask.request.client.authentication,
        ClientAuthentication::Bearer { token } if token.expose() == "k3y"));
    assert_eq!(ask.request.client.id, None, "a bearer token needs no client id");
    assert!(matches!(ask.request.grant, Grant::None));
    let parameters: Vec<_> = ask
        .request
        .parameters
        .iter()
        .map(|parameter| (&*parameter.name, parameter.value.expose(), parameter.is_confidential))
        .collect();
    assert_eq!(parameters, [("app_secret", "app", true), ("plain", "1", false), ("jwt", "sa-token", true)]);
    let headers: Vec<_> = ask.request.headers.iter().map(|header| header.value.expose()).collect();
    assert_eq!(headers, ["sub", "sts-token"]);
    let hidden: Vec<_> = ask.confidential.iter().map(Secret::expose).collect();
    for value in ["k3y", "app", "sub", "sa-token", "sts-token"] {
        assert!(hidden.contains(&value), "{value} may be shown: {hidden:?}");
    }
}

#[test]
fn a_token_takes_the_place_of_the_clients_secret() {
    let provider = r#"{"tokenEndpoint": "https://auth.example.com/token", "clientAuthentication":
        {"basicEncoding": "Raw", "clientSecretFrom": {"serviceAccountToken": {"audience": "quay.io"}}}}"#;
    let scene = Scene::fresh().with(|scene| {
        scene.provider = Ok(serde_json::from_str(provider).unwrap());
        (scene.spec.credentials_ref, scene.spec.client_id) = (None, Some("org+robot".to_owned()));
    });
    let tokens = [(RequestPart::ClientSecret, Secret::new("sa-token".to_owned()))].into();
    let inputs = RequestInputs { tokens, ..RequestInputs::default() };
    let ask = ask(&scene.spec, scene.provider.as_ref().unwrap(), &inputs, None).unwrap();
    assert!(matches!(&ask.request.client.authentication,
        ClientAuthentication::Basic { secret, .. } if secret.expose() == "sa-token"));
    assert_eq!(ask.request.client.id.as_deref(), Some("org+robot"));
    assert!(ask.confidential.iter().any(|hidden| hidden.expose() == "sa-token"));
}

#[test]
fn missing_keys_are_named_with_their_field() {
    let scene = from_everywhere();
    let complete: Pairs<'_> = &[("api_key", b"k"), ("app_secret", b"a"), ("subscription", b"s")];
    for (missing, field) in [
        ("api_key", "clientAuthentication.bearerToken.credentialsKey"),
        ("app_secret", "valueFrom.credentialsKey"),
        ("subscription", "valueFrom.credentialsKey"),
    ] {
        let pairs: Vec<_> = complete.iter().copied().filter(|(key, _)| *key != missing).collect();
        let Err(failure) = asked(&scene, &pairs) else { panic!("{missing} is missing") };
        assert_eq!(failure.reason, Reason::CredentialsNotFound);
        assert!(failure.message.contains(&format!("has no key {missing}")), "{}", failure.message);
        assert!(failure.message.contains(field), "{}", failure.message);
    }
}

#[test]
fn a_refresh_request_goes_to_its_own_endpoint_and_names_scopes_if_the_spec_says_so() {
    let refresh = "https://auth.example.com/refresh";
    let scene = Scene::fresh().with(|scene| {
        scene.spec.token.scopes = vec!["read".to_owned()];
        scene.spec.token.audience = Some("api".to_owned());
        let provider = scene.provider();
        provider.grant_type = Some("password".to_owned());
        provider.client_authentication.method = ClientAuthenticationMethod::ClientSecretJwt;
        provider.refresh.token_endpoint = Some(refresh.to_owned());
        provider.refresh.send_scope = true;
    });
    let pairs: Pairs<'_> =
        &[("client_id", b"id"), ("client_secret", b"s"), ("username", b"u"), ("password", b"p")];
    let inputs = RequestInputs { credentials: data(pairs), ..RequestInputs::default() };
    let request = |refresh_token| {
        ask(&scene.spec, scene.provider.as_ref().unwrap(), &inputs, refresh_token).unwrap().request
    };
    let audience = |request: &TokenRequest| match &request.client.authentication {
        ClientAuthentication::Assertion(assertion) => assertion.audience.clone(),
        _ => None,
    };
    let first = request(None);
    assert_eq!(first.endpoint.url().path(), "/oauth/token");
    assert_eq!((first.scopes, first.audience.as_deref()), (vec!["read".to_owned()], Some("api")));
    let later = request(Some(&Secret::new("kept".to_owned())));
    assert_eq!(later.endpoint.url().as_str(), refresh);
    assert_eq!(audience(&later).as_deref(), Some(refresh), "the server that reads the assertion");
    assert_eq!((later.scopes, later.audience), (vec!["read".to_owned()], None));
}
