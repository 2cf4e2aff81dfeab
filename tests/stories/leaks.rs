//! No secret is shown: the outputs are searched after every story, and the audit log after the last story. Knows the controller's
//! outputs. Must not know the forms of a secret, which the kit knows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokensource::api::{ConditionType, TokenProvider, TokenSource};
use tokensource_kit::control_plane::{AuditEntry, ControlPlane};
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::{canaries, unique};

use crate::story::{Story, is};
use crate::world::CONTROLLER;

/// Keys of Secrets that are no secrets.
const HARMLESS: [&str; 6] = ["client_id", "username", "token_type", "expires_at", "ca.crt", "tls.crt"];

/// Registers the values of a Secret, or of a patch of a Secret.
pub(crate) fn register(secret: &Value) {
    let data = secret["stringData"].as_object().into_iter().flatten();
    for (key, value) in data.filter(|(key, _)| !HARMLESS.contains(&key.as_str())) {
        canaries::register(key, value.as_str().unwrap_or_default());
    }
}

/// Fails if a secret of any story occurs in the outputs of this story's controller, except in the data of Secrets.
pub(crate) async fn assert_none(story: &Story, said_before: &str) {
    register_the_stored(story).await;
    let logs = story.controller.logs();
    assert!(logs.contains(" TRACE "), "a search of a log without details shows nothing");
    let metrics = story.controller.get("/metrics").await.unwrap_or_default();
    for (place, text) in [
        ("the log", logs),
        ("an earlier log", said_before.to_owned()),
        ("the metrics", metrics),
        ("the Events", serde_json::to_string(&list::<Event>(story).await).expect("JSON")),
        ("the statuses", statuses(story).await),
        ("the metadata of the Secrets", metadata(story).await),
    ] {
        let found = canaries::search(&text);
        assert!(found.is_empty(), "secrets are in {place}: {found:#?}");
    }
}

/// Tokens of unscripted providers are first known when they are stored.
async fn register_the_stored(story: &Story) {
    for secret in list::<Secret>(story).await {
        for (key, value) in
            secret.data.into_iter().flatten().filter(|(key, _)| !HARMLESS.contains(&key.as_str()))
        {
            match String::from_utf8(value.0) {
                Ok(text) if text.len() >= 8 => canaries::register(&format!("{key} of a Secret"), &text),
                _ => {}
            }
        }
    }
}

/// Metadata and statuses of the TokenSources, and the statuses of the `TokenProvider`s. Their specs were written by users.
async fn statuses(story: &Story) -> String {
    let sources = list::<TokenSource>(story).await;
    let seen = sources.iter().map(|source| json!([source.metadata, source.status]).to_string());
    let providers = list::<TokenProvider>(story).await;
    seen.chain(providers.iter().map(|provider| json!(provider.status).to_string())).collect()
}

async fn metadata(story: &Story) -> String {
    let secrets = list::<Secret>(story).await;
    let seen = secrets.into_iter().map(|mut secret| {
        // The copy of the Secret that kubectl keeps in this annotation is not the controller's output.
        secret.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
        serde_json::to_string(&secret.metadata).expect("JSON")
    });
    seen.collect()
}

async fn list<K>(story: &Story) -> Vec<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(story.world.plane().admin(), &story.namespace);
    api.list(&ListParams::default()).await.expect("a list").items
}

/// The secrets in all statuses and Events that controllers have written, including overwritten statuses and Events.
pub(crate) fn in_audited_bodies(plane: &ControlPlane) -> Vec<String> {
    let bodies = plane.audited_bodies();
    let is_status = |entry: &AuditEntry| entry.user == CONTROLLER && entry.subresource == "status";
    let statuses = plane.audit().iter().filter(|entry| is_status(entry)).count();
    if bodies.len() < statuses {
        return vec![format!(
            "{statuses} statuses were written, {} bodies are in the audit log",
            bodies.len()
        )];
    }
    canaries::search(&bodies.join("\n"))
        .iter()
        .map(|found| format!("in a status or Event: {found:?}"))
        .collect()
}

/// A client for each way of sending a credential, each with a provider that first answers well and then refuses.
pub(crate) async fn credentials_in_every_field_stay_unseen(story: &mut Story) {
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    let header = unseen("a header's value");
    let cases = [
        ("basic", json!({"clientAuthentication": {"method": "client_secret_basic"}})),
        ("raw", json!({"clientAuthentication": {"method": "client_secret_basic", "basicEncoding": "Raw"}})),
        ("post", json!({})),
        ("json", json!({"bodyFormat": "JSON"})),
        ("query", json!({"bodyFormat": "Query"})),
        ("secret-jwt", json!({"clientAuthentication": {"method": "client_secret_jwt"}})),
        ("private-jwt", json!({"clientAuthentication": {"method": "private_key_jwt"}})),
        (
            "bearer",
            json!({"grantType": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertionGrant": {"subject": "me"}}),
        ),
        ("password", json!({"grantType": "password"})),
        ("refresh", json!({"grantType": "refresh_token"})),
        (
            "exchange",
            json!({"grantType": exchange, "subjectToken": {"secretKeyRef": {"name": "client", "key": "subject"}}}),
        ),
        ("headers", json!({"headers": [{"name": "X-Api-Key", "value": header}]})),
        ("kept", json!({"response": {"keep": {"host": "/host"}}})),
        ("parameters", json!({"parameters": [{"name": "key", "value": header, "in": "Query"}]})),
    ];
    let secret = |what: &str| unseen(&format!("the client's {what}"));
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "client", "annotations": {"tokensource.dev/allowed-hosts": story.provider.host()}},
            "stringData": {
                "client_id": "the-client", "client_secret": secret("secret, long enough for any HMAC "),
                "username": "somebody", "password": secret("password"), "refresh_token": secret("refresh token"),
                "subject": secret("token to exchange"),
                "private_key": story.world.authority.issue_signer("the client").key_pem,
            },
        }))
        .await;
    for (name, provider) in &cases {
        let path = format!("/{name}");
        story.provider.answer(&path, with_refresh_token());
        story.provider.always(&path, Answer::error(401, "invalid_client"));
        let mut provider = provider.clone();
        provider["tokenEndpoint"] = json!(story.provider.url(&path));
        let template = if *name == "kept" { json!({"host": "{{ fields.host }}"}) } else { Value::Null };
        story
            .apply(&story.source_for(name, &json!({"provider": provider, "target": {"data": template}})))
            .await;
    }
    for (name, _) in &cases {
        story.ready(name).await;
        story.patch_source(name, &json!({"spec": {"token": {"scopes": ["more"]}}})).await;
    }
    for (name, _) in &cases {
        story.until(name, "a refusal", |source| is(source, ConditionType::Renewed, "False")).await;
    }
}

/// A provider that repeats the client's secret or a token, in each part of an answer that the controller might show.
pub(crate) async fn provider_that_repeats_credentials_is_not_quoted(story: &mut Story) {
    let secret = unseen("the client's secret");
    story.credentials("client", &secret).await;
    let token = unseen("a token");
    let quoting = |dressed: &str| format!("the client_secret {dressed} is not that of this client");
    let cases = [
        (
            "plain",
            Answer::json(401, &json!({"error": "invalid_client", "error_description": quoting(&secret)})),
        ),
        (
            "encoded",
            Answer::json(
                401,
                &json!({"error": "invalid_client",
            "error_description": quoting(&STANDARD.encode(format!("the-client:{secret}")))}),
            ),
        ),
        ("code", Answer::json(400, &json!({"error": secret}))),
        (
            "token",
            Answer::json(
                400,
                &json!({"error": "invalid_scope", "access_token": token,
            "error_description": format!("{token} would not do")}),
            ),
        ),
        ("id", Answer::error(503, "busy").header("X-Request-Id", &secret)),
        ("html", Answer::text(500, "text/html", &format!("<html><pre>{secret}</pre></html>"))),
        (
            "form",
            Answer::text(
                400,
                "application/x-www-form-urlencoded",
                &format!("error=invalid_grant&error_description={secret}"),
            ),
        ),
        ("redirect", Answer::redirect(302, &story.provider.url(&format!("/login?secret={secret}")))),
    ];
    for (name, answer) in cases {
        let path = format!("/{name}");
        story.provider.always(&path, answer);
        let endpoint = json!({"provider": {"tokenEndpoint": story.provider.url(&path)}});
        story.apply(&story.source_for(name, &endpoint)).await;
        story.until(name, "a refusal", |source| is(source, ConditionType::Renewed, "False")).await;
    }
}

/// A new secret, registered as a canary.
fn unseen(what: &str) -> String {
    let secret = format!("{}-{}", what.replace([' ', '\'', ','], "-"), unique::word(24));
    canaries::register(what, &secret);
    secret
}

fn with_refresh_token() -> Answer {
    let [access, refresh, host] = ["an access token", "a refresh token", "a kept member"].map(unseen);
    let body = json!({"access_token": access, "token_type": "bearer", "expires_in": 3600, "refresh_token": refresh,
        "host": host});
    Answer::json(200, &body)
}
