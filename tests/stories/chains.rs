//! Tokens of other TokenSources (`tokenSourceRef`), and values from keys of Secrets (`valueFrom`).

use std::time::Duration;

use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::keycloak::{MACHINE, REALM, SECRET};
use tokensource_kit::manifest::Redirection;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::shipped::repository;
use tokensource_kit::{canaries, eventually, manifest, unique};

use crate::identity::identity;
use crate::story::{Story, TOKEN, condition};
use crate::world::CONTROLLER;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

async fn message(story: &Story, name: &str, reason: &str) -> String {
    let source = story.failing(name, reason).await;
    condition(&source, ConditionType::Renewed).unwrap().2
}

fn keycloak_source(story: &Story, name: &str) -> Value {
    let keycloak = story.world.keycloak();
    json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
        "metadata": {"name": name},
        "spec": {
            "provider": {
                "tokenEndpoint": keycloak.token_endpoint(REALM),
                "clientAuthentication": {"method": "client_secret_post"},
                "tls": {"caBundle": keycloak.ca_pem()},
            },
            "credentialsRef": {"name": "machine"},
            "target": {"name": format!("{name}-token")},
        },
    })
}

/// Keycloak's token is exchanged at Keycloak. The message names each missing step.
pub(crate) async fn token_of_another_source_is_exchanged(story: &mut Story) {
    let world = story.world.clone();
    let keycloak = world.keycloak();
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "machine", "annotations": {"tokensource.dev/allowed-hosts": keycloak.host()}},
            "stringData": {"client_id": MACHINE, "client_secret": SECRET},
        }))
        .await;
    let mut second = keycloak_source(story, "second");
    let provider = &mut second["spec"]["provider"];
    provider["grantType"] = json!(EXCHANGE);
    provider["requestedTokenType"] = json!(ACCESS_TOKEN);
    provider["subjectToken"] = json!({"type": ACCESS_TOKEN, "tokenSourceRef": {"name": "first"}});
    story.apply(&second).await;
    let absent = message(story, "second", "SubjectTokenNotReady").await;
    assert!(absent.contains("There is no TokenSource first"), "{absent}");

    let mut first = keycloak_source(story, "first");
    first["spec"]["suspend"] = json!(true);
    story.apply(&first).await;
    eventually("the first is known and has no token", Duration::from_secs(20), async || {
        let message = message(story, "second", "SubjectTokenNotReady").await;
        if message.contains("no valid token now") { Ok(()) } else { Err(message) }
    })
    .await;

    story.patch_source("first", &json!({"spec": {"suspend": false}})).await;
    let unbound = message(story, "second", "CredentialsNotBound").await;
    assert!(unbound.contains("spec.target.allowedHosts of TokenSource first"), "{unbound}");
    let token = story.value("first-token", "access_token").await;

    // The author of the first allows the host: the second is triggered, and the first requests no token.
    story.patch_source("first", &json!({"spec": {"target": {"allowedHosts": [keycloak.host()]}}})).await;
    story.ready("second").await;
    assert_eq!(story.value("first-token", "access_token").await, token, "hosts cost no token");
    let exchanged = story.value("second-token", "access_token").await;
    assert_ne!(exchanged, token);

    // A new token of the first causes no second exchange.
    story.patch_source("first", &json!({"spec": {"token": {"scopes": ["profile"]}}})).await;
    eventually("the first has another token", Duration::from_secs(20), async || {
        if story.value("first-token", "access_token").await == token { Err("the same") } else { Ok(()) }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(story.value("second-token", "access_token").await, exchanged);
    let logs = story.controller.logs();
    assert!(!logs.contains(&token) && !logs.contains(&exchanged));
}

/// The token of one TokenSource is the bearer token of another one's request. The answer is JSON with other names for its
/// members, as on cloud platforms.
pub(crate) async fn bearer_token_of_another_source_is_presented(story: &mut Story) {
    let path = "/v1/serviceAccounts/sa:generateAccessToken";
    story.provider.always(TOKEN, Answer::token(3600));
    story.provider.always(
        path,
        Answer::json(
            200,
            &json!({"accessToken": "impersonated-canary", "expireTime": "2999-01-01T00:00:00Z"}),
        ),
    );
    let host = story.provider.host();
    story.ask("sts", &json!({"target": {"allowedHosts": [host]}})).await;
    let provider = json!({
        "tokenEndpoint": story.provider.url(path),
        "grantType": "None",
        "bodyFormat": "JSON",
        "clientAuthentication": {"method": "bearer_token", "bearerToken": {"tokenSourceRef": {"name": "sts"}}},
        "parameters": [{"name": "scope_list", "type": "JSON", "value": "[\"a\",\"b\"]"}],
        "response": {"fields": {"accessToken": "/accessToken", "expiresAt": "/expireTime"}},
    });
    let mut source = story.source_for("impersonated", &json!({"provider": provider}));
    source["spec"].as_object_mut().unwrap().remove("credentialsRef");
    story.apply(&source).await;
    story.ready("impersonated").await;
    assert_eq!(story.value("impersonated-token", "access_token").await, "impersonated-canary");
    let token = story.value("sts-token", "access_token").await;
    let request = &story.provider.requests(path)[0];
    assert_eq!(request.header("authorization"), Some(format!("Bearer {token}")).as_deref());
    assert_eq!(request.text(), r#"{"scope_list":["a","b"]}"#);
    assert!(!story.controller.logs().contains("impersonated-canary"));
}

/// The catalog's manifest for Google, with the scripted provider in place of both hosts: the token of a ServiceAccount is
/// exchanged for a federated token, and the federated token for the token of a Google service account. The provider refuses
/// a request that is not as documented.
pub(crate) async fn service_account_becomes_an_account_of_another_platform(story: &mut Story) {
    const ACCOUNT: &str =
        "/v1/projects/-/serviceAccounts/ACCOUNT@PROJECT.iam.gserviceaccount.com:generateAccessToken";
    const POOL: &str = "//iam.googleapis.com/projects/PROJECT_NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER";
    let [federated, impersonated] = ["federated", "impersonated"].map(|what| {
        let token = format!("{what}-{}", unique::word(24));
        canaries::register(what, &token);
        token
    });
    let answer = json!({
        "access_token": federated, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 3599,
    });
    story.provider.respond("/v1/token", move |request, _| {
        let sent = |name: &str| request.form_value(name).unwrap_or_default();
        let documented = sent("audience") == POOL
            && sent("grant_type") == EXCHANGE
            && sent("requested_token_type") == ACCESS_TOKEN
            && sent("subject_token_type") == "urn:ietf:params:oauth:token-type:jwt"
            && sent("scope") == CLOUD_PLATFORM
            && request.header("authorization").is_none();
        if documented { Answer::json(200, &answer) } else { Answer::error(400, "invalid_request") }
    });
    let (bearer, answer) =
        (federated.clone(), json!({"accessToken": impersonated, "expireTime": "2999-01-01T00:00:00Z"}));
    story.provider.respond(ACCOUNT, move |request, _| {
        let documented =
            request.bearer() == Some(&bearer) && request.json() == json!({"scope": [CLOUD_PLATFORM]});
        if documented { Answer::json(200, &answer) } else { Answer::status(403) }
    });

    let mut objects =
        manifest::load(repository().join("deploy/examples/catalog/google-workload-identity.yaml"));
    let host = story.provider.host();
    for from_host in ["sts.googleapis.com", "iamcredentials.googleapis.com"] {
        let ca_pem = story.provider.ca_pem();
        manifest::redirect(&mut objects, &Redirection { from_host, to_host: &host, ca_pem });
    }
    for object in &mut objects {
        if let Some(hosts) = object.data.pointer_mut("/spec/target/allowedHosts") {
            *hosts = json!([host]);
        }
        if let Some(subjects) = object.data.get_mut("subjects") {
            *subjects =
                json!([{"kind": "User", "name": CONTROLLER, "apiGroup": "rbac.authorization.k8s.io"}]);
        }
    }
    manifest::into_namespace(&mut objects, &story.namespace);
    story.world.plane().apply_objects(&objects).await;
    story.ready("google-workload-identity").await;
    assert_eq!(story.value("google-workload-identity-token", "access_token").await, impersonated);
    assert_eq!(story.value("google-workload-identity-sts-token", "access_token").await, federated);

    // The API server itself says which ServiceAccount's token the first step has presented.
    let presented = story.provider.requests("/v1/token")[0].form_value("subject_token").unwrap();
    let expected = format!("system:serviceaccount:{}:google-workload-identity", story.namespace);
    assert_eq!(identity(story, &presented, &[&format!("https:{POOL}")]).await, Some(expected));
    let logs = story.controller.logs();
    assert!(!logs.contains(&presented) && !logs.contains(&federated));
}

/// `target.allowedHosts` may contain only hosts that the credentials allow. Otherwise two TokenSources could send a token
/// for another user's credentials to any host.
pub(crate) async fn token_goes_no_further_than_its_credentials(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("kept", &json!({})).await;
    story.ready("kept").await;
    story.ask("fresh", &json!({"target": {"allowedHosts": ["elsewhere.example"]}})).await;
    story.patch_source("kept", &json!({"spec": {"target": {"allowedHosts": ["elsewhere.example"]}}})).await;
    for name in ["fresh", "kept"] {
        let refused = message(story, name, "CredentialsNotBound").await;
        assert!(refused.contains("elsewhere.example"), "{refused}");
    }
    let annotations = story.secret("kept-token").await.metadata.annotations.unwrap_or_default();
    assert!(!annotations.contains_key("tokensource.dev/allowed-hosts"), "{annotations:?}");
    story.asked_exactly(1).await;
}

pub(crate) async fn circle_of_references_is_named(story: &mut Story) {
    let needs = |name: &str| {
        json!({"provider": {"clientAuthentication": {
            "method": "bearer_token", "bearerToken": {"tokenSourceRef": {"name": name}}}}})
    };
    story.ask("one", &needs("two")).await;
    story.apply(&story.source_for("two", &needs("one"))).await;
    let message = message(story, "two", "InvalidSpec").await;
    assert!(message.contains("two -> one -> two"), "{message}");
    self::message(story, "one", "InvalidSpec").await;
    assert_eq!(story.provider.connections(), 0);
}

/// A GET request with a key in the query, another key in a header, and a User-Agent. The keys are sent and never shown.
pub(crate) async fn values_come_from_keys(story: &mut Story) {
    story.provider.always("/cgi-bin/token", Answer::token(3600));
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "app", "annotations": {"tokensource.dev/allowed-hosts": story.provider.host()}},
            "stringData": {"app_secret": "canary-of-the-app", "subscription": "canary-of-the-subscription"},
        }))
        .await;
    let provider = json!({
        "tokenEndpoint": story.provider.url("/cgi-bin/token"),
        "method": "GET",
        "grantType": "client_credential",
        "clientAuthentication": {"method": "none"},
        "parameters": [
            {"name": "appid", "value": "wx1"},
            {"name": "secret", "valueFrom": {"credentialsKey": "app_secret"}},
        ],
        "headers": [
            {"name": "Ocp-Apim-Subscription-Key", "valueFrom": {"credentialsKey": "subscription"}},
            {"name": "User-Agent", "value": "my-app/1.0"},
        ],
    });
    story
        .apply(&story.source_for("get", &json!({"provider": provider, "credentialsRef": {"name": "app"}})))
        .await;
    story.ready("get").await;
    let request = &story.provider.requests("/cgi-bin/token")[0];
    assert_eq!(request.method, "GET");
    let query = "/cgi-bin/token?grant_type=client_credential&appid=wx1&secret=canary-of-the-app";
    assert_eq!(request.target, query);
    assert_eq!(request.header("ocp-apim-subscription-key"), Some("canary-of-the-subscription"));
    assert_eq!(request.header("user-agent"), Some("my-app/1.0"));
    assert!(request.text().is_empty());

    // A new value of a key causes a request. The message about the failed request contains no value.
    story.provider.always("/cgi-bin/token", Answer::status(503));
    story.patch_secret("app", &json!({"stringData": {"app_secret": "second-canary-of-the-app"}})).await;
    let said = message(story, "get", "ProviderUnavailable").await;
    let logs = story.controller.logs();
    for text in ["canary-of-the-app", "canary-of-the-subscription", "appid="] {
        assert!(!said.contains(text) && !logs.contains(text), "{text}: {said}");
    }
}
