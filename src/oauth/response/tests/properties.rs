//! Properties of any bytes: no panic, and nothing of a body in an error except its code and description.

use std::error::Error as StdError;

use proptest::prelude::*;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::*;

/// A text in the parts of a body that must not be shown.
const CANARY: &str = "QxJ7zK";

fn any_status() -> impl Strategy<Value = u16> {
    prop_oneof![Just(200), Just(201), Just(400), Just(401), Just(429), Just(503), any::<u16>()]
}

fn any_grant() -> impl Strategy<Value = GrantKind> {
    prop_oneof![Just(GrantKind::Password), Just(GrantKind::Refresh), Just(GrantKind::JwtBearer)]
}

/// The headers that are used, with unexpected values.
fn any_headers() -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> {
    let name = prop::sample::select(vec![
        "content-type",
        "content-encoding",
        "date",
        "retry-after",
        "x-ratelimit-reset",
        "x-request-id",
        "cf-ray",
    ])
    .prop_map(HeaderName::from_static);
    let value = prop_oneof![
        any::<Vec<u8>>(),
        "[0-9]{1,25}".prop_map(String::into_bytes),
        prop::sample::select(vec![JSON, FORM, "text/plain", "gzip", "Fri, 31 Dec 9999 23:59:59 GMT"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ]
    .prop_filter_map("no header value", |bytes| HeaderValue::from_bytes(&bytes).ok());
    prop::collection::vec((name, value), 0..5)
}

fn marked() -> impl Strategy<Value = String> {
    "[ -~]{0,12}".prop_map(|text| format!("{text}{CANARY}{text}"))
}

/// A value of any type, with the canary if the type can contain text.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        marked().prop_map(Value::from),
        marked().prop_map(|text| json!([text])),
        marked().prop_map(|text| json!({ (text.clone()): text })),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

/// Known members with unexpected values, without `error` and `error_description`, which may be shown.
fn any_members() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "access_token",
            "token_type",
            "expires_in",
            "expires_at",
            "refresh_token",
            "scope",
            "message",
            "ok",
            "issued_token_type",
            "error_uri",
            "id_token",
        ])
        .prop_map(str::to_owned),
        marked(),
    ];
    prop::collection::btree_map(name, any_value(), 0..8).prop_map(|members| json!(members))
}

/// Documents, broken documents, pages and noise, most of them with the canary.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let document = || any_members().prop_map(|members| members.to_string());
    prop_oneof![
        document(),
        document().prop_map(|text| format!("{{\"x\":\"{CANARY}\"{text}")),
        marked().prop_map(|text| format!("<html>{text}</html>")),
        marked().prop_map(|text| format!("access_token={text}%0A&scope={text}&{text}")),
        marked().prop_map(|text| format!("{{\"access_token\":\"{text}")),
        marked(),
    ]
    .prop_map(String::into_bytes)
}

fn everything_shown(error: &Error) -> String {
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(source) = cause {
        shown = format!("{shown} {source} {source:?}");
        cause = source.source();
    }
    shown
}

proptest! {
    #[test]
    fn no_response_panics(
        status in any_status(),
        headers in any_headers(),
        body in prop_oneof![any::<Vec<u8>>(), any_body()],
        grant in any_grant(),
    ) {
        let mut fixture = response(status, JSON, body).grant(grant);
        fixture.headers = headers.into_iter().collect();
        if let Ok(token) = fixture.read() {
            prop_assert!((200..300).contains(&status));
            let text = token.access_token.expose();
            prop_assert!(!text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            prop_assert!(token.issued_at < token.expires_at && token.issued_at <= now());
            prop_assert_eq!(token.issued_at.timestamp_subsec_nanos() + token.expires_at.timestamp_subsec_nanos(), 0);
        }
    }

    #[test]
    fn no_error_shows_a_byte_of_the_body(
        status in any_status(),
        content_type in prop::sample::select(vec![JSON, FORM, "text/plain", "text/html"]),
        body in any_body(),
    ) {
        match response(status, content_type, body).read() {
            Ok(token) => {
                let shown = format!("{token:?}").replace(&format!("{:?}", token.scope), "");
                prop_assert!(!shown.contains(CANARY), "{shown}");
            }
            Err(error) => {
                let shown = everything_shown(&error);
                prop_assert!(!shown.contains(CANARY), "{shown}");
            }
        }
    }

    #[test]
    fn only_code_and_description_of_an_error_are_shown(
        status in prop::sample::select(vec![200_u16, 400, 401, 403, 429, 500]),
        code in "[a-z_]{1,20}",
        description in "[a-z ]{1,40}",
        mut members in any_members(),
    ) {
        members["error"] = json!(code);
        members["error_description"] = json!(description);
        let error = response(status, JSON, members.to_string()).read().unwrap_err();
        let shown = everything_shown(&error);
        prop_assert!(!shown.contains(CANARY), "{shown}");
        if let Error::Refused(refusal) = error {
            prop_assert!(refusal.code.is_none_or(|shown| shown == code));
        }
    }

    #[test]
    fn error_members_of_another_form_are_not_shown(
        status in prop::sample::select(vec![200_u16, 400, 503]),
        page in "[ -~]{0,20}<[ -~]{0,20}",
    ) {
        let body = json!({"error": format!("{CANARY}{page}"), "error_description": {"text": CANARY}});
        let shown = everything_shown(&response(status, JSON, body.to_string()).read().unwrap_err());
        prop_assert!(!shown.contains(CANARY), "{shown}");
    }
}
