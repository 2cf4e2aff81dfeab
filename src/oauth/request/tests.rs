//! The bytes of requests: encodings, order of parameters, and documented examples.

use super::{
    BasicEncoding, BodyFormat, Client, ClientAuthentication, Grant, HttpRequest, ParameterPlace,
    RequestHeader, RequestMethod, RequestParameter, SendClientId, TokenRequest, build, trim_one_newline,
};
use crate::api::ParameterType;
use crate::oauth::assertion::SigningContext;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::secret::Secret;

mod assertions;
mod forms;
mod golden;
mod refusals;

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn post(text: &str) -> ClientAuthentication {
    ClientAuthentication::Post { secret: secret(text) }
}

fn basic(text: &str, encoding: BasicEncoding) -> ClientAuthentication {
    ClientAuthentication::Basic { secret: secret(text), encoding }
}

/// A request with as few parts as possible.
fn plain() -> TokenRequest {
    TokenRequest {
        endpoint: Endpoint::parse("https://a.example/token").unwrap(),
        grant: Grant::ClientCredentials,
        client: Client {
            id: Some("me".to_owned()),
            authentication: post("s3"),
            send_client_id: SendClientId::Auto,
        },
        scopes: Vec::new(),
        audience: None,
        resources: Vec::new(),
        parameters: Vec::new(),
        headers: Vec::new(),
        method: RequestMethod::Post,
        body_format: BodyFormat::Form,
    }
}

/// The request of [`plain`], changed.
fn with(change: impl FnOnce(&mut TokenRequest)) -> TokenRequest {
    let mut request = plain();
    change(&mut request);
    request
}

fn parameter(name: &str, value: &str, type_: ParameterType, place: ParameterPlace) -> RequestParameter {
    RequestParameter { name: name.to_owned(), value: secret(value), is_confidential: false, type_, place }
}

fn string(name: &str, value: &str) -> RequestParameter {
    parameter(name, value, ParameterType::String, ParameterPlace::Body)
}

/// A signing context that is always the same.
fn signing() -> SigningContext {
    SigningContext {
        now: chrono::DateTime::from_timestamp(1_767_225_600, 0).unwrap(),
        nonce: "n0nce".to_owned(),
    }
}

fn wire(request: &TokenRequest) -> HttpRequest {
    match build(request, &signing()) {
        Ok(wire) => wire,
        Err(error) => panic!("{error}"),
    }
}

fn body(request: &TokenRequest) -> String {
    String::from_utf8(wire(request).body.to_vec()).unwrap()
}

fn authorization(request: &TokenRequest) -> String {
    wire(request).headers["authorization"].to_str().unwrap().to_owned()
}

/// RFC 6749 §2.3.1 form-encodes id and secret; RFC 7617 alone does not.
#[test]
fn basic_header_has_the_chosen_encoding() {
    let (id, secret) = ("1PpG/Q 1", "z/tZ9VwFZqApmIQ+ZH1I5pLk/uB4ud:X2/8bL+wfFTt1rFw=");
    let cases = [
        (
            id,
            secret,
            BasicEncoding::Form,
            "MVBwRyUyRlErMTp6JTJGdFo5VndGWnFBcG1JUSUyQlpIMUk1cExrJTJGdUI0dWQlM0FYMiUyRjhiTCUyQndmRlR0MXJGdyUzRA==",
        ),
        (
            id,
            secret,
            BasicEncoding::Raw,
            "MVBwRy9RIDE6ei90WjlWd0ZacUFwbUlRK1pIMUk1cExrL3VCNHVkOlgyLzhiTCt3ZkZUdDFyRnc9",
        ),
        (
            "eW91cmNsaWVudGlk",
            "eW91cmNsaWVudHNlY3JldA==",
            BasicEncoding::Raw,
            "ZVc5MWNtTnNhV1Z1ZEdsazplVzkxY21Oc2FXVnVkSE5sWTNKbGRBPT0=",
        ),
        ("a:b", "c", BasicEncoding::Form, "YSUzQWI6Yw=="),
    ];
    for (id, text, encoding, expected) in cases {
        let request = with(|request| {
            request.client.id = Some(id.to_owned());
            request.client.authentication = basic(text, encoding);
        });
        assert_eq!(authorization(&request), format!("Basic {expected}"));
        assert_eq!(body(&request), "grant_type=client_credentials", "neither id nor secret is repeated");
        let shown = format!("{:?}", wire(&request).headers);
        assert!(!shown.contains(expected), "{shown}");
    }
}

/// Every printable ASCII character that is not a letter or a digit, and others.
#[test]
fn form_is_encoded_by_the_rules_of_the_whatwg() {
    let cases = [
        ("a b+c&d=\u{e9}%", "a+b%2Bc%26d%3D%C3%A9%25"),
        ("~*-._", "%7E*-._"),
        ("!\"#$%&'()", "%21%22%23%24%25%26%27%28%29"),
        ("+,/:;<=>?@[\\]^`{|}", "%2B%2C%2F%3A%3B%3C%3D%3E%3F%40%5B%5C%5D%5E%60%7B%7C%7D"),
        ("\u{0}\n\u{1f511}", "%00%0A%F0%9F%94%91"),
        ("", ""),
    ];
    for (text, encoded) in cases {
        let request = with(|request| request.client.authentication = post(text));
        assert_eq!(
            body(&request),
            format!("grant_type=client_credentials&client_id=me&client_secret={encoded}")
        );
        let request = with(|request| {
            request.client.authentication = post(text);
            request.body_format = BodyFormat::Query;
        });
        assert_eq!(
            wire(&request).endpoint.url().query().unwrap(),
            format!("grant_type=client_credentials&client_id=me&client_secret={encoded}")
        );
    }
}

/// A request with every kind of parameter.
fn full_request(body_format: BodyFormat) -> TokenRequest {
    TokenRequest {
        endpoint: Endpoint::parse("https://a.example/token?v=1").unwrap(),
        grant: Grant::Password { username: secret("u\"\\\u{1}\u{e9}"), password: secret("p w") },
        scopes: vec!["openid,AdobeID".to_owned(), "x".to_owned()],
        audience: Some("api.example/".to_owned()),
        resources: vec!["https://r/1".to_owned(), "https://r/2".to_owned()],
        parameters: vec![
            parameter("account_id", "100200300400500600700800", ParameterType::Number, ParameterPlace::Body),
            parameter("tenant", "t 1", ParameterType::String, ParameterPlace::Query),
            parameter("offline", "true", ParameterType::Boolean, ParameterPlace::Body),
            string("empty", ""),
        ],
        body_format,
        ..plain()
    }
}

#[test]
fn every_kind_of_parameter_in_each_format() {
    let members = "grant_type=password&client_id=me&client_secret=s3&username=u%22%5C%01%C3%A9&password=p+w\
                   &scope=openid%2CAdobeID+x&audience=api.example%2F&resource=https%3A%2F%2Fr%2F1\
                   &resource=https%3A%2F%2Fr%2F2&account_id=100200300400500600700800";
    let form = full_request(BodyFormat::Form);
    assert_eq!(body(&form), format!("{members}&offline=true&empty="));
    assert_eq!(wire(&form).endpoint.url().as_str(), "https://a.example/token?v=1&tenant=t+1");

    let json = full_request(BodyFormat::Json);
    assert_eq!(
        body(&json),
        r#"{"grant_type":"password","client_id":"me","client_secret":"s3","username":"u\"\\\u0001é","password":"p w","scope":"openid,AdobeID x","audience":"api.example/","resource":["https://r/1","https://r/2"],"account_id":100200300400500600700800,"offline":true,"empty":""}"#
    );
    assert_eq!(wire(&json).endpoint.url().as_str(), "https://a.example/token?v=1&tenant=t+1");
    assert_eq!(wire(&json).headers["content-type"], "application/json");

    let query = full_request(BodyFormat::Query);
    assert_eq!(body(&query), "");
    assert_eq!(
        wire(&query).endpoint.url().as_str(),
        format!("https://a.example/token?v=1&{members}&tenant=t+1&offline=true&empty=")
    );
}

#[test]
fn json_body_is_read_back_unchanged() {
    let all_control: String = (0..0x80).map(char::from).collect();
    let request = with(|request| {
        request.body_format = BodyFormat::Json;
        request.client.authentication = post(&all_control);
        request.resources = vec!["urn:one".to_owned()];
        request.parameters = vec![string("na\"me", "\u{2028}")];
    });
    let read: serde_json::Value = serde_json::from_slice(&wire(&request).body).unwrap();
    assert_eq!(read["client_secret"], all_control);
    assert_eq!(read["resource"], "urn:one");
    assert_eq!(read["na\"me"], "\u{2028}");
}

#[test]
fn body_never_outgrows_its_buffer() {
    for body_format in [BodyFormat::Form, BodyFormat::Json] {
        let request = with(|request| {
            request.body_format = body_format;
            request.client.authentication = post(&"\u{0}".repeat(1000));
            request.resources = vec!["\u{1}".to_owned(); 50];
            request.parameters = vec![string("\u{2}", "")];
        });
        let signed = super::SignedAssertions::default();
        let members = super::members::list(&request, &signed).unwrap_or_else(|error| panic!("{error}"));
        let bound: usize =
            members.iter().map(|m| 6 * (m.name.len() + m.plain().len()) + 7).sum::<usize>() + 2;
        // Vec grows by doubling, so an exact capacity proves that it never grew.
        assert_eq!(wire(&request).body.capacity(), bound, "{body_format:?}");
    }
}

#[test]
fn empty_scope_and_audience_are_left_out() {
    let request = with(|request| {
        request.scopes = vec![String::new()];
        request.audience = Some(String::new());
    });
    assert_eq!(body(&request), body(&plain()));
}

#[test]
fn client_id_is_a_parameter_as_send_client_id_says() {
    use SendClientId::{Always, Auto, Never};
    let cases = [
        (post("s"), Auto, "&client_id=me&client_secret=s"),
        (post("s"), Always, "&client_id=me&client_secret=s"),
        (post("s"), Never, "&client_secret=s"),
        (basic("s", BasicEncoding::Raw), Auto, ""),
        (basic("s", BasicEncoding::Raw), Always, "&client_id=me"),
        (basic("s", BasicEncoding::Raw), Never, ""),
        (ClientAuthentication::None, Auto, "&client_id=me"),
        (ClientAuthentication::None, Always, "&client_id=me"),
        (ClientAuthentication::None, Never, ""),
    ];
    for (authentication, send_client_id, members) in cases {
        let request = with(|request| {
            request.client = Client { id: Some("me".to_owned()), authentication, send_client_id };
        });
        assert_eq!(body(&request), format!("grant_type=client_credentials{members}"));
    }
}

#[test]
fn additional_headers_are_sent_and_not_shown_by_debug() {
    let request = with(|request| {
        let header = |name: &str, value: &str| RequestHeader {
            name: name.to_owned(),
            value: secret(value),
            is_confidential: false,
        };
        request.headers = vec![header("X-Merchant-Id", "canary one"), header("x-key", "canary\ttwo")];
    });
    let headers = wire(&request).headers;
    assert_eq!(headers["x-merchant-id"], "canary one");
    assert_eq!(headers["x-key"], "canary\ttwo");
    assert!(!format!("{headers:?}").contains("canary"));
}

#[test]
fn exactly_one_line_end_is_trimmed() {
    let cases = [
        ("s", "s"),
        ("s\n", "s"),
        ("s\r\n", "s"),
        ("s\n\n", "s\n"),
        ("s\r\n\r\n", "s\r\n"),
        ("s\r", "s\r"),
        ("s \n", "s "),
        ("\ns", "\ns"),
        ("\n", ""),
        ("", ""),
    ];
    for (text, trimmed) in cases {
        assert_eq!(trim_one_newline(text), trimmed, "{text:?}");
    }
}
