//! The documented answers of the providers of the catalog, read with the settings of their manifests. Knows answers; must
//! not know how an answer is read. The tokens are invented, with the special characters of the providers.

use std::collections::BTreeSet;

use reqwest::header::HeaderMap;
use tokensource::api::{Reason, ResponseSettings};
use tokensource::decide::render::render;
use tokensource::oauth::{Disclosure, Error, HttpResponse, Notice, ResponseContext, Token, read};

use crate::catalog::{CATALOG, load};
use crate::example::{Example, now};

struct Good {
    name: &'static str,
    body: &'static str,
    /// The lifetime in seconds.
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
    // Every number is a string; `expires_in` and `expires_on` mean the same instant.
    good(
        "entra-v1",
        3599,
        r#"{"token_type": "Bearer", "expires_in": "3599", "ext_expires_in": "86400", "expires_on": "1767229199",
            "not_before": "1767225300", "resource": "https://graph.microsoft.com", "access_token": "a.b.c"}"#,
    ),
    // 0 means that there is no refresh token, not that it has expired.
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
    // `expires_in` is the remaining lifetime of the same token.
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
    good(
        "ibm-cloud",
        3600,
        r#"{"access_token": "a.b.c", "refresh_token": "not_supported", "ims_user_id": 118, "token_type": "Bearer",
            "expires_in": 3600, "expiration": 1767229200, "scope": "ibm openid"}"#,
    ),
    good(
        "vipps",
        3600,
        r#"{"token_type": "Bearer", "expires_in": "3600", "ext_expires_in": "3600", "expires_on": "1767229200",
            "not_before": "1767225300", "resource": "00000002-0000-0000-c000-000000000000", "access_token": "a.b.c"}"#,
    ),
    Good {
        notices: &[Notice::ExpiryFromJWT],
        ..good(
            "cloudsmith",
            7200,
            r#"{"token": "eyJhbGciOiJSUzI1NiJ9.eyJpYXQiOjE3NjcyMjU2MDAsImV4cCI6MTc2NzIzMjgwMH0.c2ln"}"#,
        )
    },
    good(
        "tailscale",
        3600,
        r#"{"access_token": "tskey-api-k1-x", "token_type": "Bearer", "expires_in": 3600, "scope": "devices:core"}"#,
    ),
    good(
        "tailscale-federated",
        3600,
        r#"{"access_token": "tskey-api-k2-x", "token_type": "Bearer", "expires_in": 3600, "scope": "devices:core"}"#,
    ),
    good(
        "docker-registry",
        300,
        r#"{"token": "a.b.c", "access_token": "a.b.c", "expires_in": 300, "issued_at": "2026-01-01T00:00:00.1Z"}"#,
    ),
    good(
        "artifactory",
        3600,
        r#"{"scope": "applied-permissions/groups:readers", "access_token": "a.b.c", "expires_in": 3600,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer"}"#,
    ),
    good(
        "databricks",
        3600,
        r#"{"access_token": "a.b.c", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "scope": "all-apis", "token_type": "Bearer", "expires_in": 3600}"#,
    ),
    good(
        "sap-xsuaa",
        43_199,
        r#"{"access_token": "a.b.c", "token_type": "bearer", "expires_in": 43199, "scope": "uaa.resource",
            "jti": "0f1e"}"#,
    ),
    good(
        "entra-on-behalf-of",
        5269,
        r#"{"token_type": "Bearer", "scope": "https://graph.microsoft.com/User.Read", "expires_in": 5269,
            "ext_expires_in": 5269, "access_token": "a.b.c"}"#,
    ),
    good("netsuite", 3600, r#"{"access_token": "a.b.c", "expires_in": "3600", "token_type": "bearer"}"#),
    good(
        "servicenow",
        1799,
        r#"{"access_token": "qx-Y_z", "scope": "useraccount", "token_type": "Bearer", "expires_in": 1799}"#,
    ),
    good(
        "box",
        4169,
        r#"{"access_token": "T9cE5asGnuyYCCqIZFoWjFHvNbvVqHjl", "expires_in": 4169, "restricted_to": [],
            "token_type": "bearer"}"#,
    ),
    good(
        "shopify",
        86_399,
        r#"{"access_token": "shpat_x", "scope": "read_products,write_orders", "expires_in": 86399}"#,
    ),
    good(
        "amadeus",
        1799,
        r#"{"type": "amadeusOAuth2Token", "username": "a@example.com", "application_name": "a", "client_id": "x",
            "token_type": "Bearer", "access_token": "CpjU0sEenniHCgPDrndzOSWFk5mN", "expires_in": 1799,
            "state": "approved", "scope": ""}"#,
    ),
    good("crowdstrike", 1799, r#"{"access_token": "a.b.c", "expires_in": 1799, "token_type": "bearer"}"#),
    good(
        "withings",
        10_800,
        r#"{"status": 0, "body": {"userid": "363", "access_token": "a075f8c1", "refresh_token": "f098495",
            "scope": "user.metrics", "expires_in": 10800, "token_type": "Bearer"}}"#,
    ),
    good(
        "xero",
        1800,
        r#"{"access_token": "a.b.c", "expires_in": 1800, "token_type": "Bearer",
            "scope": "accounting.transactions"}"#,
    ),
    good(
        "quickbooks",
        3600,
        r#"{"x_refresh_token_expires_in": 8640000, "refresh_token": "AB1167x", "access_token": "eyJ.1.2.3.4",
            "token_type": "bearer", "expires_in": 3600}"#,
    ),
    good(
        "slack",
        43_200,
        r#"{"ok": true, "access_token": "xoxe.xoxb-1-x", "expires_in": 43200, "refresh_token": "xoxe-1-y",
            "token_type": "bot", "scope": "chat:write", "team": {"id": "T1"}}"#,
    ),
    good(
        "azure-devops",
        3599,
        r#"{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "a.b.c"}"#,
    ),
    Good {
        notices: &[Notice::ExpiryFromJWT],
        ..good(
            "azure-container-registry",
            10_800,
            r#"{"refresh_token": "eyJhbGciOiJSUzI1NiJ9.eyJpYXQiOjE3NjcyMjU2MDAsImV4cCI6MTc2NzIzNjQwMH0.c2ln"}"#,
        )
    },
    good(
        "feishu",
        7200,
        r#"{"code": 0, "expire": 7200, "msg": "ok", "tenant_access_token": "t-g1044ghJRUIJJ5Z"}"#,
    ),
    good("dingtalk", 7200, r#"{"accessToken": "fw8ef8we8f76e6f7s8d", "expireIn": 7200}"#),
    good("wechat", 7200, r#"{"access_token": "57_x-Y_z", "expires_in": 7200}"#),
    // The lease of the answer itself is 0, and the lease of the token counts.
    good(
        "vault-kubernetes",
        3600,
        r#"{"request_id": "0f1e", "lease_id": "", "renewable": false, "lease_duration": 0, "data": null, "warnings": null,
            "auth": {"client_token": "hvs.CAESIx-Y_z", "accessor": "A1", "policies": ["default"], "lease_duration": 3600,
            "renewable": true, "token_type": "service"}}"#,
    ),
    good(
        "google-workload-identity",
        3600,
        r#"{"accessToken": "ya29.c.impersonated", "expireTime": "2026-01-01T01:00:00Z"}"#,
    ),
    good(
        "google-impersonation",
        3600,
        r#"{"accessToken": "ya29.c.impersonated", "expireTime": "2026-01-01T01:00:00Z"}"#,
    ),
    Good {
        notices: &[Notice::ExpiryAssumed],
        ..good("quay-robot-federation", 3600, r#"{"token": "a-robots-token"}"#)
    },
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
        // Two of the members with this name contain no refresh token: one contains a phrase, the other the access token.
        let refreshable =
            body.contains("refresh_token") && !["ibm-cloud", "azure-container-registry"].contains(&name);
        assert_eq!(token.refresh_token.is_some(), refreshable, "{name}");
        assert!(token.kept.values().all(Option::is_some), "{name}: the answer has every member that is kept");
        render(&load(name).source.spec.target, &token).unwrap_or_else(|problem| panic!("{name}: {problem}"));
    }
}

/// A `response` without effect would only distract readers of the manifest.
#[test]
fn response_settings_stand_where_they_are_needed_and_nowhere_else() {
    for Good { name, body, life: expected, .. } in GOOD {
        let plain = answered(&load(name), Some(&ResponseSettings::default()), 200, body);
        match name {
            "ebay" | "slack" => assert_eq!(plain.unwrap_err().reason(), Reason::UnsupportedTokenType),
            "github-app"
            | "cloudsmith"
            | "withings"
            | "azure-container-registry"
            | "feishu"
            | "dingtalk"
            | "vault-kubernetes"
            | "google-workload-identity"
            | "google-impersonation"
            | "quay-robot-federation" => {
                assert_eq!(plain.unwrap_err().reason(), Reason::MalformedResponse, "{name}");
            }
            "salesforce" => assert_eq!(life(&plain.unwrap()), 3600, "an hour is assumed"),
            _ => assert_eq!(life(&plain.unwrap()), expected, "{name}"),
        }
    }
}

/// The comments in the manifests name these keys.
#[test]
fn addresses_of_apis_reach_the_secret() {
    let expected = [
        ("salesforce", "instance_url", "https://d.my.salesforce.com"),
        ("zoho", "api_domain", "https://www.zohoapis.com"),
    ];
    for (name, key, address) in expected {
        let body = GOOD.iter().find(|good| good.name == name).unwrap().body;
        let example = load(name);
        let token = answered(&example, None, 200, body).unwrap_or_else(|error| panic!("{name}: {error}"));
        let data = render(&example.source.spec.target, &token).unwrap();
        assert_eq!(data[key].0, address.as_bytes(), "{name}");
        assert_eq!(data["access_token"].0, token.access_token.expose().as_bytes(), "{name}");
    }
}

/// The comment in zoho.yaml describes such answers.
#[test]
fn zohos_milliseconds_need_the_other_member() {
    let body = r#"{"access_token": "1000.a", "expires_in_sec": 3600, "token_type": "Bearer", "expires_in": 3600000}"#;
    let mut example = load("zoho");
    assert_eq!(life(&answered(&example, None, 200, body).unwrap()), 3_600_000);
    let fields = &mut example.source.spec.provider.as_mut().unwrap().response.fields;
    fields.expires_in = Some("/expires_in_sec".to_owned());
    assert_eq!(life(&answered(&example, None, 200, body).unwrap()), 3600);
}

/// The commonest refusals: a provider, the status and the body of its answer, and the reason that is reported.
const REFUSALS: &[(&str, u16, &str, Reason)] = &[
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
    (
        "ibm-cloud",
        400,
        r#"{"errorCode": "BXNIM0415E", "errorMessage": "Provided API key could not be found."}"#,
        Reason::InvalidRequest,
    ),
    (
        "vipps",
        401,
        r#"{"statusCode": 401, "message": "Access denied due to invalid subscription key."}"#,
        Reason::InvalidClient,
    ),
    ("cloudsmith", 401, r#"{"detail": "Invalid OIDC token"}"#, Reason::InvalidClient),
    ("tailscale", 401, r#"{"message": "API token invalid"}"#, Reason::InvalidClient),
    ("tailscale-federated", 401, r#"{"message": "no match"}"#, Reason::InvalidClient),
    ("docker-registry", 401, r#"{"details": "incorrect username or password"}"#, Reason::InvalidClient),
    (
        "artifactory",
        403,
        r#"{"errors": [{"code": "FORBIDDEN", "message": "No identity mapping"}]}"#,
        Reason::AccessDenied,
    ),
    ("databricks", 400, r#"{"error": "invalid_grant"}"#, Reason::InvalidGrant),
    (
        "sap-xsuaa",
        401,
        r#"{"error": "unauthorized", "error_description": "Bad credentials"}"#,
        Reason::InvalidClient,
    ),
    (
        "entra-on-behalf-of",
        400,
        r#"{"error": "invalid_grant", "error_description": "AADSTS65001: no consent"}"#,
        Reason::AssertionRejected,
    ),
    ("entra-on-behalf-of", 400, r#"{"error": "interaction_required"}"#, Reason::ConsentRequired),
    ("netsuite", 400, r#"{"error": "invalid_request"}"#, Reason::InvalidRequest),
    (
        "servicenow",
        401,
        r#"{"error_description": "access_denied", "error": "server_error"}"#,
        Reason::InvalidClient,
    ),
    (
        "box",
        400,
        r#"{"error": "unauthorized_client", "error_description": "This app is not authorized."}"#,
        Reason::UnauthorizedClient,
    ),
    ("shopify", 400, r#"{"error": "shop_not_permitted"}"#, Reason::ProviderRejected),
    ("amadeus", 401, r#"{"error": "invalid_client", "code": 38187}"#, Reason::InvalidClient),
    (
        "crowdstrike",
        403,
        r#"{"meta": {}, "errors": [{"code": 403, "message": "access denied, authorization failed"}]}"#,
        Reason::AccessDenied,
    ),
    ("withings", 200, r#"{"status": 503, "body": {}, "error": "Invalid Params"}"#, Reason::InvalidGrant),
    ("withings", 200, r#"{"status": 401, "body": {}, "error": "XRequestID: 1"}"#, Reason::InvalidClient),
    ("withings", 200, r#"{"status": 601, "body": {}, "error": "Too Many Requests"}"#, Reason::RateLimited),
    ("feishu", 200, r#"{"code": 10014, "msg": "app secret invalid"}"#, Reason::InvalidClient),
    ("feishu", 200, r#"{"code": 10003, "msg": "invalid param"}"#, Reason::InvalidClient),
    ("feishu", 400, r#"{"code": 99991400, "msg": "request trigger frequency limit"}"#, Reason::RateLimited),
    (
        "dingtalk",
        400,
        r#"{"code": "invalidClientIdOrSecret", "requestid": "1", "message": "clientId"}"#,
        Reason::InvalidClient,
    ),
    ("wechat", 200, r#"{"errcode": 40013, "errmsg": "invalid appid"}"#, Reason::InvalidClient),
    ("wechat", 200, r#"{"errcode": 40164, "errmsg": "invalid ip 1.2.3.4"}"#, Reason::AccessDenied),
    ("wechat", 200, r#"{"errcode": -1, "errmsg": "system error"}"#, Reason::ProviderUnavailable),
    ("vault-kubernetes", 403, r#"{"errors": ["permission denied"]}"#, Reason::AccessDenied),
    ("vault-kubernetes", 400, r#"{"errors": ["invalid role name \"ROLE\""]}"#, Reason::InvalidRequest),
    (
        "google-workload-identity",
        403,
        r#"{"error": {"code": 403, "message": "Permission denied", "status": "PERMISSION_DENIED"}}"#,
        Reason::AccessDenied,
    ),
    (
        "google-impersonation",
        401,
        r#"{"error": {"code": 401, "message": "no credentials", "status": "UNAUTHENTICATED"}}"#,
        Reason::InvalidClient,
    ),
    ("xero", 400, r#"{"error": "invalid_client"}"#, Reason::InvalidClient),
    ("quickbooks", 400, r#"{"error": "invalid_grant"}"#, Reason::InvalidGrant),
    ("slack", 200, r#"{"ok": false, "error": "invalid_refresh_token"}"#, Reason::InvalidGrant),
    (
        "azure-devops",
        401,
        r#"{"error": "invalid_client", "error_description": "AADSTS700213: no matching identity"}"#,
        Reason::InvalidClient,
    ),
    (
        "azure-container-registry",
        401,
        r#"{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}"#,
        Reason::InvalidClient,
    ),
    (
        "auth0",
        401,
        r#"{"error": "access_denied", "error_description": "Unauthorized"}"#,
        Reason::AccessDenied,
    ),
    (
        "entra-certificate",
        401,
        r#"{"error": "invalid_client", "error_codes": [700027]}"#,
        Reason::InvalidClient,
    ),
    (
        "entra-secretless",
        401,
        r#"{"error": "invalid_client", "error_codes": [700213]}"#,
        Reason::InvalidClient,
    ),
    ("entra-v1", 401, r#"{"error": "invalid_client", "error_codes": [7000215]}"#, Reason::InvalidClient),
    ("keycloak-serviceaccount", 401, r#"{"error": "invalid_client"}"#, Reason::InvalidClient),
    ("keycloak-signed-jwt", 400, r#"{"error": "invalid_client"}"#, Reason::InvalidClient),
    ("salesforce", 400, r#"{"error": "invalid_client_id"}"#, Reason::InvalidClient),
    (
        "salesforce-marketing-cloud",
        401,
        r#"{"error": "invalid_client", "error_uri": "x"}"#,
        Reason::InvalidClient,
    ),
    (
        "zoom",
        400,
        r#"{"reason": "Invalid client_id or client_secret", "error": "invalid_client"}"#,
        Reason::InvalidClient,
    ),
    (
        "google-sts",
        400,
        r#"{"error": "invalid_grant", "error_description": "audience"}"#,
        Reason::InvalidGrant,
    ),
    ("quay-robot-federation", 401, "", Reason::InvalidClient),
    ("cognito", 400, r#"{"error": "invalid_client"}"#, Reason::InvalidClient),
    ("pingone", 401, r#"{"error": "invalid_client"}"#, Reason::InvalidClient),
    ("ebay", 401, r#"{"error": "invalid_client"}"#, Reason::InvalidClient),
    ("sabre", 401, r#"{"error": "invalid_client"}"#, Reason::InvalidClient),
    ("marketo", 401, r#"{"error": "unauthorized", "error_description": "No client"}"#, Reason::InvalidClient),
    ("adobe", 400, r#"{"error": "invalid_client"}"#, Reason::InvalidClient),
    ("amazon-lwa", 400, r#"{"error": "invalid_grant"}"#, Reason::InvalidGrant),
    ("github-app", 401, r#"{"message": "A JSON web token could not be decoded"}"#, Reason::InvalidClient),
    (
        "maskinporten",
        400,
        r#"{"error": "invalid_grant", "error_description": "Invalid JWT"}"#,
        Reason::AssertionRejected,
    ),
    (
        "adfs-certificate",
        400,
        r#"{"error": "invalid_client", "error_description": "MSIS9622"}"#,
        Reason::InvalidClient,
    ),
];

#[test]
fn refusals_are_told_apart() {
    for (name, status, body, expected) in REFUSALS {
        let error = answered(&load(name), None, *status, body).unwrap_err();
        assert_eq!(error.reason(), *expected, "{name}: {error}");
    }
}

/// `tokensource check --send` and the status show the reason, what it means and what to do.
#[test]
fn each_provider_has_a_refusal_that_is_explained() {
    let refused: BTreeSet<&str> = REFUSALS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(refused, BTreeSet::from(CATALOG));
    let unexplained = [Reason::ProviderError, Reason::MalformedResponse, Reason::ProviderRejected];
    for name in CATALOG {
        let is_explained =
            |(of, _, _, reason): &&(&str, u16, &str, Reason)| *of == name && !unexplained.contains(reason);
        // The codes of these providers, which the message shows, say what is wrong.
        let shows_code = ["ups", "shopify"].contains(&name);
        assert_eq!(REFUSALS.iter().any(|refusal| is_explained(&refusal)), !shows_code, "{name}");
    }
}
