//! Responses that refuse a request, and the texts of them that an operator sees.

use std::time::Duration;

use super::*;
use crate::api::reason::Reason;
use crate::api::{ErrorCode, ShortText};
use crate::oauth::error::Retry;

#[test]
fn errors_of_vendors_have_their_code_and_reason() {
    for (name, status, body, code, reason) in [
        (
            "Fitbit",
            401,
            r#"{"errors":[{"errorType":"invalid_client","message":"canary"}],"success":false}"#,
            Some("invalid_client"),
            Reason::InvalidClient,
        ),
        (
            "UPS",
            401,
            r#"{"response":{"errors":[{"code":"10401","message":"canary"}]}}"#,
            Some("10401"),
            Reason::ProviderRejected,
        ),
        (
            "PayPal",
            400,
            r#"{"name":"RATE_LIMIT_REACHED","message":"canary"}"#,
            Some("RATE_LIMIT_REACHED"),
            Reason::RateLimited,
        ),
        ("Slack", 200, r#"{"ok":false}"#, None, Reason::ProviderError),
        ("Zoho", 200, r#"{"status":"failure"}"#, None, Reason::ProviderError),
        (
            "Zoho throttling",
            400,
            r#"{"error":"Access Denied","error_description":"too many requests","status":"failure"}"#,
            Some("Access Denied"),
            Reason::RateLimited,
        ),
    ] {
        let refusal = response(status, JSON, body).refusal();
        assert_eq!((refusal.code.as_deref(), refusal.reason), (code, reason), "{name}");
        assert!(!format!("{refusal} {refusal:?}").contains("canary"), "{name}");
    }
    assert_eq!(json(r#"{"name":"Bob"}"#).defect(), Defect::NoToken);
    json(r#"{"access_token":"a","name":"Bob","ok":false}"#).token();
}

#[test]
fn status_decides_for_a_429_or_5xx_and_the_code_is_shown() {
    let aws = response(429, JSON, r#"{"error":"INVALID_REQUEST"}"#).refusal();
    assert_eq!((aws.reason, aws.code.as_deref()), (Reason::RateLimited, Some("INVALID_REQUEST")));
    assert_eq!(aws.retry, Retry::Transient { floor: Duration::from_secs(60) });
    let failing = response(503, JSON, r#"{"error":"invalid_client"}"#).refusal();
    assert_eq!((failing.reason, failing.retry), (Reason::ProviderUnavailable, Retry::TRANSIENT));
    assert_eq!(failing.code.as_deref(), Some("invalid_client"));
}

#[test]
fn retry_after_and_reset_headers_give_the_wait() {
    let at_once = Some(1);
    for (headers, on_429, on_503) in [
        (&[("retry-after", "120")][..], Some(120), Some(120)),
        (&[("retry-after", "0")], at_once, at_once),
        (&[("retry-after", "86400")], Some(3600), Some(3600)),
        (&[("retry-after", "99999999999999999999")], Some(3600), Some(3600)),
        (&[("retry-after", "Thu, 01 Jan 2026 00:02:00 GMT")], Some(120), Some(120)),
        (
            &[("retry-after", "Thu, 01 Jan 2026 00:12:00 GMT"), ("date", "Thu, 01 Jan 2026 00:10:00 GMT")],
            Some(120),
            Some(120),
        ),
        (&[("retry-after", "Thu, 01 Jan 2015 00:00:00 GMT")], at_once, at_once),
        (&[("retry-after", "soon")], None, None),
        (&[("retry-after", "-5")], None, None),
        (&[("x-ratelimit-reset", "1767225690")], Some(90), None),
        (&[("X-Rate-Limit-Reset", "1767225690")], Some(90), None),
        (&[("x-ratelimit-reset", "45")], Some(45), None),
        (&[("x-ratelimit-reset", "1000000000")], at_once, None),
        (&[("retry-after", "5"), ("x-ratelimit-reset", "1767225690")], Some(5), Some(5)),
        (&[], None, None),
    ] {
        for (status, expected) in [(429, on_429), (503, on_503)] {
            let start = response(status, JSON, "");
            let refusal = headers.iter().fold(start, |it, (name, value)| it.header(name, value)).refusal();
            assert_eq!(refusal.retry_after, expected.map(Duration::from_secs), "{status} {headers:?}");
            if status == 429 {
                let floor = Duration::from_secs(expected.unwrap_or(60));
                assert_eq!(refusal.retry, Retry::Transient { floor }, "{headers:?}");
            }
        }
    }
}

#[test]
fn error_shows_status_code_description_and_id() {
    let body = r#"{"error":"invalid_client","error_description":"Unknown client.\r\nTrace: 1"}"#;
    let error = response(401, JSON, body).header("x-ms-request-id", "abc-1").error();
    let text =
        "auth.example.com answered 401 invalid_client: \"Unknown client. Trace: 1\" (request id abc-1)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn description_with_a_credential_or_token_is_withheld() {
    for echo in ["hunter2-hunter2", "aHVudGVyMi1odW50ZXIy", "issued-token", "again-token"] {
        let body = format!(
            r#"{{"error":"invalid_scope","error_description":"got {echo}",
                "access_token":"issued-token","refresh_token":"again-token"}}"#
        );
        let refusal = response(400, JSON, body).refusal();
        assert_eq!((refusal.reason, refusal.description), (Reason::InvalidScope, None), "{echo}");
    }
    let id = json("{}").header("x-request-id", "hunter2-hunter2").error();
    assert!(!id.to_string().contains("request id"), "{id}");
}

/// `fields.error` may name any member, so what is shown depends on who has chosen the member.
#[test]
fn only_listed_codes_are_shown_of_a_member_that_an_author_chose() {
    let body = r#"{"owner":"alice","reason":"invalid_scope","error_description":"said by a service"}"#;
    let shown = |pointer: Option<&str>, disclosure| {
        let refusal = response(400, JSON, body)
            .header("x-request-id", "r1")
            .settings(|settings| settings.fields.error = pointer.map(str::to_owned))
            .disclosure(disclosure)
            .refusal();
        (refusal.to_string(), refusal.reason)
    };
    let full = "auth.example.com answered 400 alice: \"said by a service\" (request id r1)";
    assert_eq!(shown(Some("/owner"), Disclosure::Full), (full.to_owned(), Reason::ProviderRejected));
    let unlisted =
        "auth.example.com answered 400 with an unlisted code: \"said by a service\" (request id r1)";
    assert_eq!(
        shown(Some("/owner"), Disclosure::ListedCodes),
        (unlisted.to_owned(), Reason::ProviderRejected)
    );
    let listed = "auth.example.com answered 400 invalid_scope: \"said by a service\" (request id r1)";
    assert_eq!(shown(Some("/reason"), Disclosure::ListedCodes), (listed.to_owned(), Reason::InvalidScope));
    let withheld = "auth.example.com answered 400 invalid_scope";
    assert_eq!(shown(Some("/reason"), Disclosure::Withheld), (withheld.to_owned(), Reason::InvalidScope));

    // If the member is the RFC's `error`, other codes are shown too.
    let standard = response(400, JSON, r#"{"error":"E4711"}"#).disclosure(Disclosure::ListedCodes);
    assert_eq!(standard.refusal().code.as_deref(), Some("E4711"));
    let unbound = response(400, JSON, r#"{"error":"E4711"}"#).disclosure(Disclosure::Withheld);
    assert_eq!(unbound.refusal().code, None);
}

/// Codes that the spec explains, as `Feishu`, `WeChat` and `Withings` send them: a response with status 200 may have an error
/// next to a token.
#[test]
fn codes_of_the_spec_decide_before_the_token_is_looked_for() {
    let explained = |body: &str| {
        json(body).settings(|settings| {
            settings.fields.error = Some("/code".to_owned());
            settings.success_codes = ["0", "true"].map(|code| ShortText(code.to_owned())).to_vec();
            let errors = [("10014", ErrorCode::InvalidClient), ("99991663", ErrorCode::InvalidGrant)];
            settings.errors = errors.map(|(code, meaning)| (code.to_owned(), meaning)).into();
        })
    };
    for success in ["0", r#""0""#, "true"] {
        let token =
            explained(&format!(r#"{{"code":{success},"msg":"ok","access_token":"a","expires_in":60}}"#))
                .token();
        assert_eq!(token.access_token.expose(), "a", "{success}");
    }
    for (body, reason) in [
        (r#"{"code":10014,"msg":"app secret invalid"}"#, Reason::InvalidClient),
        (r#"{"code":"10014"}"#, Reason::InvalidClient),
        (r#"{"code":99991663,"access_token":"a"}"#, Reason::InvalidGrant),
        (r#"{"code":1,"access_token":"a"}"#, Reason::ProviderError),
        (r#"{"code":false,"access_token":"a"}"#, Reason::ProviderError),
    ] {
        assert_eq!(explained(body).refusal().reason, reason, "{body}");
    }
    // Without a code, the answer is read as any other answer.
    assert_eq!(explained(GOOD).token().access_token.expose(), "a");
    // A code in `successCodes` means success only in a 200 response, and gives no reason for a 400.
    let refused = response(400, JSON, r#"{"code":0}"#);
    let refused = refused.settings(|settings| {
        settings.fields.error = Some("/code".to_owned());
        settings.success_codes = vec![ShortText("0".to_owned())];
    });
    assert_eq!(refused.refusal().response.status, 400);
}

/// `fields.errorDescription` may name any member, so its text is shown only if an administrator chose the member.
#[test]
fn descriptions_of_a_chosen_member_are_shown_to_those_who_may_see_everything() {
    for (disclosure, shown) in [
        (Disclosure::Full, Some("app secret invalid")),
        (Disclosure::ListedCodes, None),
        (Disclosure::Withheld, None),
    ] {
        let refusal = response(400, JSON, r#"{"error":"invalid_client","msg":"app secret invalid"}"#)
            .settings(|settings| settings.fields.error_description = Some("/msg".to_owned()))
            .disclosure(disclosure)
            .refusal();
        assert_eq!(refusal.description.as_deref(), shown, "{disclosure:?}");
    }
}
