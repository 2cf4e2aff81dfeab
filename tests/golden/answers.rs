//! What the providers of the catalog answer, as far as their documentation tells, read by the rules of their manifests.
//! Knows answers; must not know how one is read. The tokens are made up; their odd characters are the providers'.

use reqwest::header::HeaderMap;
use tokensource::api::{Reason, ResponseSettings};
use tokensource::oauth::{Disclosure, Error, HttpResponse, Notice, ResponseContext, Token, read};

use crate::catalog::{CATALOG, load};
use crate::example::{Example, now};

struct Good {
    name: &'static str,
    body: &'static str,
    /// In seconds.
    life: i64,
    notices: &'static [Notice],
}

const fn good(name: &'static str, life: i64, body: &'static str) -> Good {
    Good { name, body, life, notices: &[] }
}

const GOOD: [Good; CATALOG.len()] = [
    good(
        "auth0",
        86_400,
        r#"{"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 86400, "scope": "read"}"#,
    ),
    good(
        "okta",
        3600,
        r#"{"token_type": "Bearer", "expires_in": 3600, "access_token": "a.b.c", "scope": "okta.users.read"}"#,
    ),
    good(
        "entra-certificate",
        3599,
        r#"{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "a.b.c"}"#,
    ),
    good(
        "entra-secretless",
        3599,
        r#"{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "a.b.c"}"#,
    ),
    // Every number a string; the two that count agree.
    good(
        "entra-v1",
        3599,
        r#"{"token_type": "Bearer", "expires_in": "3599", "ext_expires_in": "86400", "expires_on": "1767229199",
            "not_before": "1767225300", "resource": "https://graph.microsoft.com", "access_token": "a.b.c"}"#,
    ),
    // 0 means that there is no refresh token, not that it has ended.
    good(
        "keycloak-serviceaccount",
        300,
        r#"{"access_token": "a.b.c", "expires_in": 300, "refresh_expires_in": 0, "token_type": "Bearer",
            "not-before-policy": 0, "scope": "profile email"}"#,
    ),
    Good {
        notices: &[Notice::ExpiryAssumed],
        ..good(
            "salesforce",
            7200,
            r#"{"access_token": "00D5e!AQEA.c_x", "signature": "c2ln=", "instance_url": "https://d.my.salesforce.com",
                "id": "https://login.salesforce.com/id/1/2", "token_type": "Bearer", "issued_at": "1767225600000"}"#,
        )
    },
    good(
        "salesforce-marketing-cloud",
        1079,
        r#"{"access_token": "eyJ.e.f", "token_type": "Bearer", "expires_in": 1079, "scope": "email_read email_send",
            "rest_instance_url": "https://sub.rest.marketingcloudapis.com/"}"#,
    ),
    good(
        "zoom",
        3600,
        r#"{"access_token": "a.b.c", "token_type": "bearer", "expires_in": 3600, "scope": "user:read:admin"}"#,
    ),
    good(
        "paypal",
        32_400,
        r#"{"scope": "https://uri.paypal.com/services/invoicing", "access_token": "A21AAF-x_y", "token_type": "Bearer",
            "app_id": "APP-1", "expires_in": 32400, "nonce": "2026-01-01T00:00:00Zx"}"#,
    ),
    good(
        "docusign",
        3600,
        r#"{"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 3600,
            "scope": "signature impersonation"}"#,
    ),
    good(
        "google-service-account",
        3599,
        r#"{"access_token": "ya29.c.x-Y_z", "expires_in": 3599, "token_type": "Bearer"}"#,
    ),
    good(
        "google-sts",
        3599,
        r#"{"access_token": "ya29.d.x", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer", "expires_in": 3599}"#,
    ),
    good("cognito", 3600, r#"{"access_token": "a.b.c", "expires_in": 3600, "token_type": "Bearer"}"#),
    good("pingone", 3600, r#"{"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 3600}"#),
    good(
        "ebay",
        7200,
        r#"{"access_token": "v^1.1#i^1#p^1", "expires_in": 7200, "token_type": "Application Access Token"}"#,
    ),
    good(
        "ups",
        14_399,
        r#"{"token_type": "Bearer", "issued_at": "1767225600000", "client_id": "x", "access_token": "a.b.c",
            "expires_in": "14399", "status": "approved"}"#,
    ),
    good(
        "sabre",
        604_800,
        r#"{"access_token": "T1RLAQ/x+y**", "token_type": "bearer", "expires_in": 604800}"#,
    ),
    // What is left of the same token's hour.
    good(
        "marketo",
        12,
        r#"{"access_token": "0b5c-11:int", "token_type": "bearer", "expires_in": 12, "scope": "api@example.com"}"#,
    ),
    good("adobe", 86_399, r#"{"access_token": "a.b.c", "token_type": "bearer", "expires_in": 86399}"#),
    good(
        "amazon-lwa",
        3600,
        r#"{"access_token": "Atza|x", "refresh_token": "Atzr|y", "token_type": "bearer", "expires_in": 3600}"#,
    ),
    good(
        "zoho",
        3600,
        r#"{"access_token": "1000.8c.d", "api_domain": "https://www.zohoapis.com", "token_type": "Bearer",
            "expires_in": 3600}"#,
    ),
    good(
        "github-app",
        3600,
        r#"{"token": "ghs_16C7e42F292c6912E7710c838347Ae178B4a", "expires_at": "2026-01-01T01:00:00Z",
            "permissions": {"contents": "read"}, "repository_selection": "selected"}"#,
    ),
    good(
        "maskinporten",
        119,
        r#"{"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 119, "scope": "prefix:api.read"}"#,
    ),
    good(
        "adfs-certificate",
        3600,
        r#"{"access_token": "a.b.c", "token_type": "bearer", "expires_in": 3600}"#,
    ),
    good(
        "keycloak-signed-jwt",
        300,
        r#"{"access_token": "a.b.c", "expires_in": 300, "refresh_expires_in": 0, "token_type": "Bearer",
            "not-before-policy": 0, "scope": "profile email"}"#,
    ),
];

/// Reads a response as the controller would, or with other settings.
fn answered(
    example: &Example,
    settings: Option<&ResponseSettings>,
    status: u16,
    body: &str,
) -> Result<Token, Error> {
    let ask = example.ask(None);
    let response = HttpResponse { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() };
    let context = ResponseContext {
        sent_at: now(),
        host: ask.request.endpoint.host(),
        settings: settings.unwrap_or(&example.provider().response),
        disclosure: Disclosure::default(),
        requested_scopes: &example.source.spec.token.scopes,
        grant: ask.grant,
        confidential: &[],
        requested_token_type: example.provider().requested_token_type.as_deref(),
    };
    read(&response, &context)
}

fn life(token: &Token) -> i64 {
    (token.expires_at - token.issued_at).num_seconds()
}

#[test]
fn each_provider_has_an_answer() {
    assert_eq!(GOOD.map(|good| good.name), CATALOG);
}

#[test]
fn answers_are_read_by_the_rules_of_their_manifest() {
    for Good { name, body, life: expected, notices } in GOOD {
        let token = answered(&load(name), None, 200, body).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((life(&token), token.token_type.as_str()), (expected, "Bearer"), "{name}");
        assert!(token.notices.iter().eq(notices), "{name}: {:?}", token.notices);
        assert!(body.contains(&format!("\"{}\"", token.access_token.expose())), "{name}");
        assert_eq!(token.refresh_token.is_some(), body.contains("refresh_token"), "{name}");
    }
}

/// A `response` in a manifest that changes nothing would only be noise in it.
#[test]
fn response_settings_stand_where_they_are_needed_and_nowhere_else() {
    for Good { name, body, life: expected, .. } in GOOD {
        let plain = answered(&load(name), Some(&ResponseSettings::default()), 200, body);
        match name {
            "ebay" => assert_eq!(plain.unwrap_err().reason(), Reason::UnsupportedTokenType),
            "github-app" => assert_eq!(plain.unwrap_err().reason(), Reason::MalformedResponse),
            "salesforce" => assert_eq!(life(&plain.unwrap()), 3600, "an hour is assumed"),
            _ => assert_eq!(life(&plain.unwrap()), expected, "{name}"),
        }
    }
}

/// As the comment in the manifest says.
#[test]
fn zohos_milliseconds_need_the_other_member() {
    let body = r#"{"access_token": "1000.a", "expires_in_sec": 3600, "token_type": "Bearer", "expires_in": 3600000}"#;
    let mut example = load("zoho");
    assert_eq!(life(&answered(&example, None, 200, body).unwrap()), 3_600_000);
    let fields = &mut example.source.spec.provider.as_mut().unwrap().response.fields;
    fields.expires_in = Some("/expires_in_sec".to_owned());
    assert_eq!(life(&answered(&example, None, 200, body).unwrap()), 3600);
}

#[test]
fn refusals_are_told_apart() {
    let cases = [
        ("okta", 200, r#"{"access_token": "a.b.c", "token_type": "DPoP"}"#, Reason::UnsupportedTokenType),
        ("docusign", 400, r#"{"error": "consent_required"}"#, Reason::ConsentRequired),
        ("google-service-account", 400, r#"{"error": "invalid_grant"}"#, Reason::AssertionRejected),
        ("paypal", 429, r#"{"name": "RATE_LIMIT_REACHED", "message": "Slow."}"#, Reason::RateLimited),
        ("ups", 401, r#"{"response": {"errors": [{"code": "10401"}]}}"#, Reason::ProviderRejected),
        ("zoho", 200, r#"{"error": "invalid_code"}"#, Reason::InvalidGrant),
        (
            "zoho",
            400,
            r#"{"error": "Access Denied", "error_description": "You have made too many requests"}"#,
            Reason::RateLimited,
        ),
    ];
    for (name, status, body, expected) in cases {
        let error = answered(&load(name), None, status, body).unwrap_err();
        assert_eq!(error.reason(), expected, "{name}: {error}");
    }
}
