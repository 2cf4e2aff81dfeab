//! Requests that must not be built. No error shows a secret.

use super::{
    BasicEncoding, Client, ClientAuthentication, Grant, ParameterPlace, RequestHeader, SendClientId,
    TokenRequest, authorization, basic, body, build, parameter, post, secret, signing, string, with,
};
use crate::api::ParameterType;
use crate::api::reason::Reason;

fn refusal(request: &TokenRequest) -> (Reason, String) {
    match build(request, &signing()) {
        Ok(_) => panic!("the request was built"),
        Err(error) => (error.reason(), error.to_string()),
    }
}

#[test]
fn missing_client_id_is_refused_if_it_is_needed() {
    let cases = [
        (post("s"), SendClientId::Auto, true),
        (post("s"), SendClientId::Never, false),
        (basic("s", BasicEncoding::Form), SendClientId::Auto, true),
        (basic("s", BasicEncoding::Form), SendClientId::Never, true),
        (ClientAuthentication::None, SendClientId::Auto, false),
        (ClientAuthentication::None, SendClientId::Always, true),
    ];
    for (authentication, send_client_id, needed) in cases {
        let request = with(|request| request.client = Client { id: None, authentication, send_client_id });
        match build(&request, &signing()) {
            Ok(_) => assert!(!needed, "{send_client_id:?}"),
            Err(error) => {
                assert!(needed, "{error}");
                assert_eq!(error.reason(), Reason::CredentialsInvalid);
            }
        }
    }
}

#[test]
fn credentials_that_a_header_cannot_carry_are_refused() {
    let cases = [
        ("me", "canary\n", BasicEncoding::Raw),
        ("me", "canary\r\n", BasicEncoding::Form),
        ("me", "can\u{0}ary", BasicEncoding::Raw),
        ("m\ne", "canary", BasicEncoding::Raw),
        ("m\u{7f}e", "canary", BasicEncoding::Form),
        ("m:e", "canary", BasicEncoding::Raw),
    ];
    for (id, text, encoding) in cases {
        let request = with(|request| {
            request.client.id = Some(id.to_owned());
            request.client.authentication = basic(text, encoding);
        });
        let (reason, message) = refusal(&request);
        assert_eq!(reason, Reason::CredentialsInvalid, "{message}");
        assert!(!message.contains("canary") && !message.contains("can\u{0}"), "{message}");
    }
    let request = with(|request| request.client.authentication = basic("a\u{e9}:b", BasicEncoding::Raw));
    assert_eq!(authorization(&request), "Basic bWU6YcOpOmI=", "UTF-8 and a colon in the secret are legal");
}

#[test]
fn reserved_parameters_are_refused() {
    let reserved = [
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "scope",
        "refresh_token",
        "username",
        "password",
        "assertion",
        "subject_token",
        "subject_token_type",
        "actor_token",
        "actor_token_type",
        "resource",
        "audience",
    ];
    for name in reserved {
        for place in [ParameterPlace::Body, ParameterPlace::Query] {
            let parameters = vec![parameter(name, "canary", ParameterType::String, place)];
            let request = with(|request| request.parameters = parameters);
            let (reason, message) = refusal(&request);
            assert_eq!(reason, Reason::InvalidSpec, "{message}");
            assert!(message.contains(name) && !message.contains("canary"), "{message}");
        }
    }
    let lone = with(|request| request.parameters = vec![string("client_assertion_type", "x")]);
    assert!(body(&lone).ends_with("&client_assertion_type=x"));
}

#[test]
fn invalid_and_repeated_parameters_are_refused() {
    let number = |text: &str| vec![parameter("n", text, ParameterType::Number, ParameterPlace::Body)];
    let boolean = |text: &str| vec![parameter("b", text, ParameterType::Boolean, ParameterPlace::Body)];
    let cases = [
        vec![string("", "x")],
        vec![string("x", "1"), string("x", "2")],
        vec![string("x", "1"), parameter("x", "2", ParameterType::String, ParameterPlace::Query)],
        number(""),
        number("x"),
        number(" 1"),
        number("1\n"),
        number("01"),
        number("1,\"admin\":true"),
        number("NaN"),
        number("\"1\""),
        boolean("True"),
        boolean(""),
        boolean("1"),
    ];
    for parameters in cases {
        assert_eq!(refusal(&with(|request| request.parameters = parameters)).0, Reason::InvalidSpec);
    }
    for text in ["0", "-1", "1.50", "6e3", "18446744073709551616"] {
        assert!(body(&with(|request| request.parameters = number(text))).ends_with(&format!("&n={text}")));
    }
}

#[test]
fn reserved_headers_and_invalid_headers_are_refused() {
    let header = |name: &str, value: &str| {
        vec![RequestHeader { name: name.to_owned(), value: secret(value), is_confidential: false }]
    };
    let denied = [
        "Authorization",
        "Host",
        "Content-Type",
        "content-length",
        "Content-Encoding",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "Cookie",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "ACCEPT",
        "Accept-Encoding",
        "",
        "a b",
        "x:y",
        "x\r\ny",
        ":path",
    ];
    for name in denied {
        let request = with(|request| request.headers = header(name, "canary"));
        let (reason, message) = refusal(&request);
        assert_eq!(reason, Reason::InvalidSpec, "{message}");
        assert!(!message.contains("canary") && !message.contains('\n'), "{message}");
    }
    for value in ["canary\r\nHost: evil.example", "canary\n", "canary\u{0}", "canary\u{7f}", "canary\u{e9}"] {
        let request = with(|request| request.headers = header("x-key", value));
        let (reason, message) = refusal(&request);
        assert_eq!(reason, Reason::InvalidSpec, "{message}");
        assert!(!message.contains("canary"), "{message}");
    }
}

#[test]
fn empty_grant_type_is_refused() {
    let request = with(|request| request.grant = Grant::Extension { grant_type: String::new() });
    assert_eq!(refusal(&request).0, Reason::InvalidSpec);
}
