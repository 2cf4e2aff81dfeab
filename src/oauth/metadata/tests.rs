//! Where metadata is looked for, and what is taken from it. The fetching itself is shown in `exchange::tests`.

use reqwest::header::HeaderMap;

use super::*;

fn issuer(text: &str) -> Issuer {
    Issuer::parse(text).unwrap()
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
}

fn read(text: &str, status: u16, body: &str, mutual_tls: bool) -> Result<String, &'static str> {
    issuer(text).read(&answer(status, body), mutual_tls).map_err(|fault| match fault {
        Fault::Absent(MetadataFault::NoIssuer) => "no issuer",
        Fault::Absent(_) => "absent",
        Fault::Wrong(_) => "no endpoint",
        Fault::Mismatch => "mismatch",
    })
}

#[test]
fn the_document_lies_where_the_two_specifications_say() {
    let cases = [
        (
            "https://as.example.com",
            "https://as.example.com/.well-known/oauth-authorization-server",
            "https://as.example.com/.well-known/openid-configuration",
        ),
        (
            "https://as.example.com/",
            "https://as.example.com/.well-known/oauth-authorization-server",
            "https://as.example.com/.well-known/openid-configuration",
        ),
        (
            "https://as.example.com:8443/realms/r",
            "https://as.example.com:8443/.well-known/oauth-authorization-server/realms/r",
            "https://as.example.com:8443/realms/r/.well-known/openid-configuration",
        ),
        (
            "https://as.example.com/realms/r/",
            "https://as.example.com/.well-known/oauth-authorization-server/realms/r",
            "https://as.example.com/realms/r/.well-known/openid-configuration",
        ),
    ];
    for (text, oauth, openid) in cases {
        let found = issuer(text).locations().map(|endpoint| endpoint.url().to_string());
        assert_eq!(found, [oauth, openid], "{text}");
    }
}

#[test]
fn only_a_document_of_this_very_issuer_counts() {
    const A: &str = "https://a.example";
    let good = r#"{"issuer": "https://a.example", "token_endpoint": "https://t.example/token", "more": 1}"#;
    let aliased = r#"{"issuer": "https://a.example", "token_endpoint": "https://t.example/token",
        "mtls_endpoint_aliases": {"token_endpoint": "https://mtls.example/token"}}"#;
    let cases = [
        ("the document", A, 200, good, false, Ok("https://t.example/token")),
        ("no alias", A, 200, good, true, Ok("https://t.example/token")),
        ("an alias that is not asked for", A, 200, aliased, false, Ok("https://t.example/token")),
        ("the alias", A, 200, aliased, true, Ok("https://mtls.example/token")),
        ("a slash at the end", "https://a.example/", 200, good, false, Err("mismatch")),
        ("upper case", "https://A.example", 200, good, false, Err("mismatch")),
        ("another issuer", "https://b.example", 200, good, false, Err("mismatch")),
        ("not found", A, 404, good, false, Err("absent")),
        ("a redirect", A, 302, good, false, Err("absent")),
        ("a page", A, 200, "<html>", false, Err("absent")),
        ("no object", A, 200, "[]", false, Err("absent")),
        ("an empty object", A, 200, "{}", false, Err("no issuer")),
        ("an issuer of another type", A, 200, r#"{"issuer": 1}"#, false, Err("no issuer")),
        ("no endpoint", A, 200, r#"{"issuer": "https://a.example"}"#, false, Err("no endpoint")),
    ];
    for (name, text, status, body, mutual_tls, expected) in cases {
        assert_eq!(read(text, status, body, mutual_tls), expected.map(str::to_owned), "{name}");
    }
}

#[test]
fn an_issuer_is_an_https_url_without_query_and_fragment() {
    for text in [
        "http://a.example",
        "a.example",
        "https://a.example/?x",
        "https://a.example/#x",
        "https://u@a.example",
    ] {
        assert!(Issuer::parse(text).is_err(), "{text}");
    }
}
