//! Where metadata is requested, and which members are used. `token_client::tests` has tests of the requests.

use reqwest::header::HeaderMap;

use super::*;

fn issuer(text: &str) -> Issuer {
    Issuer::parse(text).unwrap()
}

fn response(status: u16, body: &str) -> HttpResponse {
    HttpResponse { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
}

fn read(text: &str, status: u16, body: &str, mutual_tls: bool) -> Result<String, &'static str> {
    let read = issuer(text).read(&response(status, body), mutual_tls);
    read.map(|metadata| metadata.token_endpoint).map_err(|fault| match fault {
        Fault::Absent(MetadataFault::NoIssuer) => "no issuer",
        Fault::Absent(_) => "absent",
        Fault::Wrong(_) => "no endpoint",
        Fault::Mismatch => "mismatch",
    })
}

#[test]
fn metadata_has_the_urls_of_both_specifications() {
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
fn only_metadata_of_the_same_issuer_is_used() {
    const A: &str = "https://a.example";
    let good = r#"{"issuer": "https://a.example", "token_endpoint": "https://t.example/token", "more": 1}"#;
    let aliased = r#"{"issuer": "https://a.example", "token_endpoint": "https://t.example/token",
        "mtls_endpoint_aliases": {"token_endpoint": "https://mtls.example/token"}}"#;
    let cases = [
        ("the document", A, 200, good, false, Ok("https://t.example/token")),
        ("after a byte order mark", A, 200, &format!("\u{feff}{good}"), false, Ok("https://t.example/token")),
        ("no alias", A, 200, good, true, Ok("https://t.example/token")),
        ("an alias that is not requested", A, 200, aliased, false, Ok("https://t.example/token")),
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
fn revocation_endpoint_is_optional_and_has_an_alias_too() {
    let endpoint = |members: &str, mutual_tls| {
        let text =
            format!(r#"{{"issuer": "https://a.example", "token_endpoint": "https://a.example/t"{members}}}"#);
        let Ok(metadata) = issuer("https://a.example").read(&response(200, &text), mutual_tls) else {
            panic!("no document")
        };
        metadata.revocation_endpoint
    };
    let aliased = r#", "revocation_endpoint": "https://a.example/r",
        "mtls_endpoint_aliases": {"revocation_endpoint": "https://mtls.example/r"}"#;
    let long = format!(r#", "revocation_endpoint": "https://a.example/{}""#, "x".repeat(2048));
    let cases = [
        ("", false, None),
        (r#", "revocation_endpoint": 1"#, false, None),
        (&long, false, None),
        (aliased, false, Some("https://a.example/r")),
        (aliased, true, Some("https://mtls.example/r")),
    ];
    for (members, mutual_tls, expected) in cases {
        assert_eq!(endpoint(members, mutual_tls).as_deref(), expected, "{members}, {mutual_tls}");
    }
}

#[test]
fn sentence_names_what_the_metadata_does_not_list() {
    let unlisted_for = |members: &str, grant_type, method| {
        let text =
            format!(r#"{{"issuer": "https://a.example", "token_endpoint": "https://a.example/t"{members}}}"#);
        let Ok(metadata) = issuer("https://a.example").read(&response(200, &text), false) else {
            panic!("no document")
        };
        metadata.unlisted(grant_type, method).unwrap_or_default()
    };
    let unlisted = |members: &str| unlisted_for(members, Some("password"), Some("client_secret_post"));
    let grants = r#", "grant_types_supported": ["client_credentials"]"#;
    let methods = r#", "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"]"#;
    let long = format!(r#", "grant_types_supported": [{}"x"]"#, r#""canary","#.repeat(LONGEST_LIST));
    let cases = [
        ("", ""),
        (r#", "grant_types_supported": ["password"]"#, ""),
        (r#", "grant_types_supported": "canary""#, ""),
        (r#", "grant_types_supported": [1]"#, ""),
        (&long, ""),
        (grants, "The issuer's metadata does not list grant type `password`."),
        (methods, "The issuer's metadata does not list client authentication `client_secret_post`."),
    ];
    for (members, said) in cases {
        assert_eq!(unlisted(members), said, "{members}");
    }
    let both = unlisted(&format!("{grants}{methods}"));
    assert!(both.contains("`password` and client authentication `client_secret_post`"), "{both}");
    assert_eq!(unlisted_for(&format!("{grants}{methods}"), None, None), "");
}

#[test]
fn only_a_fault_of_the_token_endpoint_is_said_to_be_one() {
    let proxy = Error::spec("the proxy of `--https-proxy` cannot be used");
    assert_eq!(issuer("https://a.example").wrap(proxy.clone()), proxy);
}

#[test]
fn issuer_is_an_https_url_without_query_and_fragment() {
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
