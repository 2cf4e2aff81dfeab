//! Responses as real servers send them, and the token or error that follows.

use super::*;
use crate::api::reason::Reason;
use crate::api::{Duration, ResponseFields};
use crate::oauth::error::{Retry, Scheme};
use crate::oauth::token::Notice;
use fixture::{FORM, Fixture, HOST, JSON, json, now, response};

mod fixture;
mod properties;
mod refusals;

fn noticed(token: &Token, notice: Notice) -> bool {
    token.notices.contains(&notice)
}

const GOOD: &str = r#"{"access_token":"a","expires_in":3600,"token_type":"bearer"}"#;

#[test]
fn token_is_read_from_a_form_or_json_with_any_2xx() {
    let form = "access_token=a&expires_in=3600&token_type=bearer";
    for (id, fixture) in [
        ("a form", response(200, FORM, form)),
        ("a form with charset", response(200, "Application/X-WWW-Form-Urlencoded; charset=utf-8", form)),
        ("a form as text", response(200, "text/plain", form)),
        ("JSON as text", response(200, "text/plain; charset=utf-8", GOOD)),
        ("JSON as HTML", response(200, "text/html", GOOD)),
        ("JSON with status 201", response(201, JSON, GOOD)),
        ("JSON after a byte order mark", json(&format!("\u{feff} {GOOD}\r\n"))),
    ] {
        let token = fixture.token();
        assert_eq!(token.access_token.expose(), "a", "{id}");
        assert_eq!(token.token_type, "Bearer", "{id}");
        assert_eq!(token.issued_at.to_rfc3339(), "2026-01-01T00:00:00+00:00", "{id}");
        assert_eq!(token.expires_at.to_rfc3339(), "2026-01-01T01:00:00+00:00", "{id}");
        assert!(token.notices.is_empty(), "{id}: {:?}", token.notices);
    }
}

#[test]
fn error_code_takes_precedence_over_the_status() {
    for (id, fixture, reason) in [
        ("an error in a 200", json(r#"{"error":"invalid_client"}"#), Reason::InvalidClient),
        (
            "an error beside a token",
            json(r#"{"error":"invalid_scope","access_token":"a"}"#),
            Reason::InvalidScope,
        ),
        ("an error of Slack", json(r#"{"ok":false,"error":"invalid_client_id"}"#), Reason::InvalidClient),
        (
            "a refused refresh token",
            response(400, JSON, r#"{"error":"invalid_grant"}"#).grant(GrantKind::Refresh),
            Reason::RefreshTokenRejected,
        ),
        (
            "a code with a 403",
            response(403, JSON, r#"{"error":"unauthorized_client"}"#),
            Reason::UnauthorizedClient,
        ),
        ("form", response(400, FORM, "error=invalid_target"), Reason::InvalidTarget),
        ("unknown in a 200", json(r#"{"error":"odd"}"#), Reason::ProviderError),
        ("unknown in a 400", response(400, JSON, r#"{"error":"odd"}"#), Reason::ProviderRejected),
        ("framework's page", response(401, JSON, r#"{"error":"Unauthorized"}"#), Reason::InvalidClient),
        ("empty code", response(401, JSON, r#"{"error":""}"#), Reason::InvalidClient),
    ] {
        assert_eq!(fixture.error().reason(), reason, "{id}");
    }
}

#[test]
fn body_without_a_token_is_malformed() {
    let html = "<html>canary</html>";
    for (id, fixture, defect) in [
        ("HTML", response(200, "text/html", html), Defect::NotAnAnswer),
        ("an empty object", json("{}"), Defect::NoToken),
        ("empty", json(""), Defect::Empty),
        ("only a byte order mark", json("\u{feff}\n"), Defect::Empty),
        ("a list", json("[]"), Defect::NotAnAnswer),
        ("a JSON string", json("\"tok\""), Defect::NotAnAnswer),
        ("a JSON string as text", response(200, "text/plain", "\"tok\""), Defect::NoToken),
        ("204", response(204, JSON, ""), Defect::Empty),
        ("form without type", response(200, "", "access_token=a"), Defect::NotAnAnswer),
        ("truncated", json(r#"{"access_token":"canary"#), Defect::BrokenJson),
        (
            "nested 200 deep",
            json(&format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200))),
            Defect::BrokenJson,
        ),
    ] {
        let error = fixture.error();
        assert!(
            matches!(&error, Error::Malformed { defect: found, .. } if *found == defect),
            "{id}: {error}"
        );
        assert_eq!(error.retry(), Retry::Wasteful, "{id}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{id}");
    }
    assert_eq!(response(401, JSON, "").error().reason(), Reason::InvalidClient);
    assert_eq!(response(401, "text/html", html).error().reason(), Reason::InvalidClient);
}

#[test]
fn token_with_characters_that_a_header_cannot_carry_is_refused() {
    for escaped in [r"a\nb", r"a\u0000b", "é", r"a\u007f", r"\u0085", " a", "a ", " ", r"a\r\nSet-Cookie: x"]
    {
        assert_eq!(
            json(&format!(r#"{{"access_token":"{escaped}"}}"#)).defect(),
            Defect::BadToken,
            "{escaped}"
        );
    }
    for value in ["1", "true", "{}", "[\"a\"]"] {
        assert_eq!(json(&format!(r#"{{"access_token":{value}}}"#)).defect(), Defect::BadToken, "{value}");
    }
    for value in ["null", "\"\""] {
        assert_eq!(json(&format!(r#"{{"access_token":{value}}}"#)).defect(), Defect::NoToken, "{value}");
    }
    let longest = "x".repeat(65_536);
    for good in ["Atza|x", "cdf0-01:int", "a/b+c**", "abc=", "a b", &longest] {
        let token = json(&format!(r#"{{"access_token":"{good}"}}"#)).token();
        assert!(token.access_token.expose() == good, "{good}");
    }
    assert_eq!(json(&format!(r#"{{"access_token":"{longest}x"}}"#)).defect(), Defect::BadToken);
}

#[test]
fn redirect_size_encoding_and_status_are_checked_before_the_body() {
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let error = response(status, JSON, GOOD).header("location", "https://canary.example").error();
        assert_eq!(error, Error::Redirect { host: HOST.into(), status });
    }
    assert_eq!(json(&" ".repeat(MAX_BODY + 1)).error().reason(), Reason::ResponseTooLarge);
    assert_eq!(json(GOOD).header("content-encoding", "gzip").defect(), Defect::Encoded);
    let hidden = response(401, JSON, r#"{"error":"invalid_scope"}"#).header("content-encoding", "br");
    assert_eq!(hidden.error().reason(), Reason::InvalidClient, "the status decides");
    json(GOOD).header("content-encoding", "identity").token();
    for status in [0, 100, 199, 600, 999] {
        assert_eq!(response(status, JSON, GOOD).defect(), Defect::BadStatus);
    }
}

#[test]
fn last_of_duplicate_members_wins() {
    let twice = r#"{"access_token":"a","access_token":"b"}"#;
    assert_eq!(json(twice).token().access_token.expose(), "b");
    assert_eq!(response(200, FORM, "access_token=a&access_token=b").token().access_token.expose(), "b");
}

#[test]
fn token_type_is_bearer_or_the_one_in_the_spec() {
    for missing in ["null", "\"\"", "\" \""] {
        let token = json(&format!(r#"{{"access_token":"a","expires_in":9,"token_type":{missing}}}"#)).token();
        assert_eq!(token.token_type, "Bearer");
        assert!(noticed(&token, Notice::TokenTypeAssumed));
    }
    let bare = json(r#"{"access_token":"a"}"#).token();
    assert!(bare.notices.into_iter().eq([Notice::ExpiryAssumed, Notice::TokenTypeAssumed]));

    for (answered, scheme) in [
        (r#""Application Access Token""#, Scheme::Unknown),
        (r#""DPoP""#, Scheme::DPoP),
        (r#""N_A""#, Scheme::NotApplicable),
        (r#""mac""#, Scheme::Mac),
        ("7", Scheme::Unknown),
    ] {
        let body = format!(r#"{{"access_token":"a","token_type":{answered}}}"#);
        match json(&body).error() {
            Error::UnsupportedTokenType { scheme: found, .. } => assert_eq!(found, scheme),
            other => panic!("{answered}: {other}"),
        }
        let token = json(&body).settings(|settings| settings.token_type = Some("bearer".into())).token();
        assert_eq!(token.token_type, "Bearer", "the spec overrides {answered}");
    }
    let own = |own: &str| json(GOOD).settings(|settings| settings.token_type = Some(own.into())).read();
    assert_eq!(own("token").unwrap().token_type, "token");
    assert_eq!(own("a b").unwrap_err().reason(), Reason::UnsupportedTokenType);
}

#[test]
fn scope_is_read_in_every_form() {
    for (answered, published, reduced) in [
        (r#"["a","b"]"#, Some("a b"), false),
        (r#""b a c""#, Some("b a c"), false),
        (r#""a,b""#, Some("a,b"), false),
        (r#""a""#, Some("a"), true),
        (r#"["a"]"#, Some("a"), true),
        ("null", None, false),
        (r#""""#, None, false),
        ("[]", None, false),
        ("[1]", None, false),
        (r#""a\nb""#, None, false),
    ] {
        let body = format!(r#"{{"access_token":"t","scope":{answered}}}"#);
        let token = json(&body).scopes(&["a", "b"]).token();
        assert_eq!(token.scope.as_deref(), published, "{answered}");
        assert_eq!(noticed(&token, Notice::ScopeReduced), reduced, "{answered}");
        assert!(!noticed(&json(&body).token(), Notice::ScopeReduced), "no scope was requested: {answered}");
    }
    let adobe = json(r#"{"access_token":"t","scope":"AdobeID,openid"}"#).scopes(&["openid,AdobeID"]).token();
    assert!(!noticed(&adobe, Notice::ScopeReduced));
}

#[test]
fn texts_that_are_no_refresh_token_are_ignored() {
    for (answered, kept) in [
        (r#""r""#, true),
        (r#""""#, false),
        ("null", false),
        ("1", false),
        (r#""a\nb""#, false),
        // Texts that mean "none", and the access token in the place of the refresh token.
        (r#""not_supported""#, false),
        (r#""None""#, false),
        (r#"" ""#, false),
        (r#""a""#, false),
        (r#""aa""#, true),
    ] {
        let token = json(&format!(r#"{{"access_token":"a","refresh_token":{answered}}}"#)).token();
        assert_eq!(token.refresh_token.is_some(), kept, "{answered}");
    }
}

#[test]
fn members_are_kept_as_text_if_they_are_short_lines() {
    let long = "x".repeat(4096);
    for (answered, kept) in [
        (r#""https://a.example""#, Some("https://a.example")),
        (r#""""#, Some("")),
        ("7", Some("7")),
        ("-1.5", Some("-1.5")),
        ("9007199254740993", Some("9007199254740993")),
        ("true", Some("true")),
        (format!("\"{long}\"").as_str(), Some(long.as_str())),
        (format!("\"{long}x\"").as_str(), None),
        (r#""a\nb""#, None),
        (r#""a\u0000""#, None),
        ("null", None),
        ("{}", None),
        ("[\"a\"]", None),
    ] {
        let body = format!(r#"{{"access_token":"a","data":[{{"host":{answered}}}]}}"#);
        let token = json(&body).settings(|settings| {
            settings.keep = [("host", "/data/0/host"), ("absent", "/host")]
                .map(|(name, pointer)| (name.to_owned(), pointer.to_owned()))
                .into();
        });
        let found = token.token().kept;
        assert_eq!(found["host"].as_ref().map(Secret::expose), kept, "{answered}");
        assert!(found["absent"].is_none() && found.len() == 2, "{answered}");
    }
    let form = response(200, FORM, "access_token=a&host=b+c")
        .settings(|settings| settings.keep = [("host".to_owned(), "/host".to_owned())].into());
    assert_eq!(form.token().kept["host"].as_ref().map(Secret::expose), Some("b c"));
}

/// The CRD and the validation refuse such pointers, too.
#[test]
fn tokens_are_never_kept() {
    let body = r#"{"data":{"token":"canary-access","again":"canary-refresh"}}"#;
    let token = json(body).settings(|settings| {
        settings.fields.access_token = Some("/data/token".into());
        settings.fields.refresh_token = Some("/data/again".into());
        settings.keep = [("a", "/data/token"), ("b", "/data/again"), ("c", "/data")]
            .map(|(name, pointer)| (name.to_owned(), pointer.to_owned()))
            .into();
    });
    let token = token.token();
    assert!(token.refresh_token.is_some() && token.kept.len() == 3);
    assert!(token.kept.values().all(Option::is_none));
}

#[test]
fn token_of_another_type_than_requested_is_refused() {
    let body = |issued: &str| format!(r#"{{"access_token":"a","issued_token_type":{issued}}}"#);
    let read = |issued: &str, requested| {
        Fixture { requested_type: requested, ..json(&body(issued)) }.read().map_err(|error| error.reason())
    };
    assert!(read(r#""urn:x""#, None).is_ok());
    assert!(read(r#""urn:x""#, Some("urn:x")).is_ok());
    assert!(read("null", Some("urn:x")).is_ok());
    assert_eq!(read(r#""urn:y""#, Some("urn:x")).unwrap_err(), Reason::MalformedResponse);
    assert_eq!(read("1", Some("urn:x")).unwrap_err(), Reason::MalformedResponse);
}

#[test]
fn key_bound_jwt_has_a_notice() {
    // {"cnf":{"jkt":"x"}}
    let token = json(r#"{"access_token":"e30.eyJjbmYiOnsiamt0IjoieCJ9fQ.c2ln","expires_in":60}"#).token();
    assert!(noticed(&token, Notice::BoundToken));
}

#[test]
fn times_follow_from_clocks_and_expiry_settings() {
    let skewed = json(r#"{"access_token":"a","expires_at":1767229800}"#)
        .header("date", "Thu, 01 Jan 2026 00:10:00 GMT")
        .token();
    assert_eq!(skewed.expires_at.to_rfc3339(), "2026-01-01T01:00:00+00:00");
    assert!(noticed(&skewed, Notice::ClockSkew));
    let past = json(r#"{"access_token":"a","expires_in":-1}"#);
    assert_eq!(past.error().reason(), Reason::TokenAlreadyExpired);
    let assumed = json(r#"{"access_token":"a","expires_in":-1}"#)
        .settings(|settings| settings.expiry.ignore_response = true)
        .settings(|settings| settings.expiry.assumed_lifetime = Some(Duration::from_secs(60)));
    assert_eq!(assumed.token().expires_at.to_rfc3339(), "2026-01-01T00:01:00+00:00");
}

#[test]
fn pointers_name_members_elsewhere() {
    let nested = |body: &str| {
        json(body).settings(|settings| {
            settings.fields = ResponseFields {
                access_token: Some("/data/token".into()),
                expires_in: Some("/data/ttl".into()),
                expires_at: Some("/data/end".into()),
                refresh_token: Some("/data/again".into()),
                token_type: Some("/data/kind".into()),
                error: Some("/code".into()),
                error_description: None,
            }
        })
    };
    let body = r#"{"code":"0","data":{"token":"a","ttl":"60","again":"r","kind":"BEARER"}}"#;
    let token = nested(body).token();
    assert_eq!(token.access_token.expose(), "a");
    assert!(token.refresh_token.is_some() && token.notices.is_empty());
    assert_eq!(token.expires_at.to_rfc3339(), "2026-01-01T00:01:00+00:00");
    assert_eq!(nested(r#"{"code":"invalid_scope"}"#).error().reason(), Reason::InvalidScope);
    let unknown = nested(r#"{"code":4711}"#);
    assert_eq!(unknown.refusal().code, None, "in a 2xx it might be a token");
    assert_eq!(nested(r#"{"access_token":"a"}"#).defect(), Defect::NoToken);
    let form =
        response(200, FORM, "tok=a").settings(|settings| settings.fields.access_token = Some("/tok".into()));
    assert_eq!(form.token().access_token.expose(), "a");
}
