//! The main task with a real provider: Keycloak's own tokens, refusals and lifetimes.

use std::time::Duration;

use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::eventually;
use tokensource_kit::keycloak::{
    BRIEF, BRIEF_LIFESPAN, Keycloak, MACHINE, REALM, SECRET, SECRET_JWT, SIGNED_JWT,
};
use tokensource_kit::scripted_provider::Answer;

use crate::identity::{account, permit};
use crate::story::{Story, condition, is};

fn source(keycloak: &Keycloak, name: &str, method: &str) -> Value {
    json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
        "metadata": {"name": name},
        "spec": {
            "provider": {
                "tokenEndpoint": keycloak.token_endpoint(REALM),
                "clientAuthentication": {"method": method},
                "tls": {"caBundle": keycloak.ca_pem()},
            },
            "credentialsRef": {"name": name},
            "target": {"name": format!("{name}-token")},
        },
    })
}

fn credentials(keycloak: &Keycloak, name: &str, client: &str, secret: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "annotations": {"tokensource.dev/allowed-hosts": keycloak.host()}},
        "stringData": {"client_id": client, "client_secret": secret},
    })
}

pub(crate) async fn real_tokens_are_renewed(story: &mut Story) {
    let keycloak = story.world.clone();
    let keycloak = keycloak.keycloak();
    for (name, method) in [("basic", "client_secret_basic"), ("post", "client_secret_post")] {
        story.apply(&credentials(keycloak, name, BRIEF, SECRET)).await;
        story.apply(&source(keycloak, name, method)).await;
    }
    for name in ["basic", "post"] {
        let source = story.ready(name).await;
        let status = source.status.unwrap();
        let life = status.expires_at.unwrap().0.as_second() - status.issued_at.unwrap().0.as_second();
        // Keycloak counts from the start of its answer in whole seconds: nine of ten may be left.
        let life = u64::try_from(life).unwrap();
        assert!(
            (BRIEF_LIFESPAN - 1..=BRIEF_LIFESPAN).contains(&life),
            "the lifetime that Keycloak gave the token: {life}"
        );
        let first = story.value(&format!("{name}-token"), "access_token").await;
        assert_eq!(first.split('.').count(), 3, "a JWT");
        eventually("the next token", Duration::from_secs(BRIEF_LIFESPAN + 10), async || {
            let now = story.value(&format!("{name}-token"), "access_token").await;
            let ready = is(&story.source(name).await, ConditionType::Ready, "True");
            assert!(ready, "{name} is Ready all the while");
            if now == first { Err("still the first") } else { Ok(()) }
        })
        .await;
    }
}

pub(crate) async fn wrong_secret_is_refused_and_heals(story: &mut Story) {
    let world = story.world.clone();
    let keycloak = world.keycloak();
    story.apply(&credentials(keycloak, "wrong", MACHINE, "not-the-secret")).await;
    story.apply(&source(keycloak, "wrong", "client_secret_post")).await;
    // Keycloak answers 401 `unauthorized_client` instead of `invalid_client`.
    let source =
        story.until("wrong", "a refusal", |source| is(source, ConditionType::Renewed, "False")).await;
    let (_, reason, message) = condition(&source, ConditionType::Renewed).unwrap();
    assert!(["InvalidClient", "UnauthorizedClient"].contains(&reason.as_str()), "{reason}");
    assert!(!message.contains("not-the-secret"), "{message}");
    story.apply(&credentials(keycloak, "wrong", MACHINE, SECRET)).await;
    story.ready("wrong").await;
}

pub(crate) async fn assertions_are_accepted(story: &mut Story) {
    let world = story.world.clone();
    let keycloak = world.keycloak();
    let issuer = keycloak.issuer(REALM);
    let cases = [
        ("hs256", SECRET_JWT, "client_secret_jwt", json!(null)),
        ("hs512", SECRET_JWT, "client_secret_jwt", json!({"algorithm": "HS512", "audience": issuer})),
        ("rs256", SIGNED_JWT, "private_key_jwt", json!(null)),
        (
            "ps256",
            SIGNED_JWT,
            "private_key_jwt",
            json!({"algorithm": "PS256", "audience": issuer, "lifetime": "30s"}),
        ),
    ];
    for (name, client, method, assertion) in &cases {
        let mut secret = credentials(keycloak, name, client, SECRET);
        if *method == "private_key_jwt" {
            secret["stringData"] = json!({"client_id": client, "private_key": keycloak.signer().key_pem});
        }
        story.apply(&secret).await;
        let mut source = source(keycloak, name, method);
        if !assertion.is_null() {
            source["spec"]["provider"]["clientAuthentication"]["assertion"] = assertion.clone();
        }
        story.apply(&source).await;
    }
    for (name, ..) in &cases {
        story.ready(name).await;
    }
    // A second request immediately: Keycloak remembers each jti.
    story.patch_source("rs256", &json!({"spec": {"token": {"scopes": ["profile"]}}})).await;
    story.ready("rs256").await;

    // A key that Keycloak does not know, then the right key.
    let stranger = world.authority.issue_signer("stranger").key_pem;
    story.patch_secret("rs256", &json!({"stringData": {"private_key": stranger}})).await;
    let source =
        story.until("rs256", "a refusal", |source| is(source, ConditionType::Renewed, "False")).await;
    let (_, _, message) = condition(&source, ConditionType::Renewed).unwrap();
    let body = stranger.lines().nth(1).unwrap();
    assert!(!message.contains(body) && !story.controller.logs().contains(body), "{message}");
    story.patch_secret("rs256", &json!({"stringData": {"private_key": keycloak.signer().key_pem}})).await;
    story.until("rs256", "a token again", |source| is(source, ConditionType::Renewed, "True")).await;
}

pub(crate) async fn tokens_are_exchanged(story: &mut Story) {
    let world = story.world.clone();
    let keycloak = world.keycloak();
    story.apply(&credentials(keycloak, "subject", MACHINE, SECRET)).await;
    story.apply(&source(keycloak, "subject", "client_secret_post")).await;
    story.ready("subject").await;

    let access_token = "urn:ietf:params:oauth:token-type:access_token";
    let mut exchange = source(keycloak, "exchange", "client_secret_basic");
    exchange["spec"]["credentialsRef"]["name"] = json!("subject");
    let provider = &mut exchange["spec"]["provider"];
    provider["grantType"] = json!("urn:ietf:params:oauth:grant-type:token-exchange");
    provider["requestedTokenType"] = json!(access_token);
    provider["subjectToken"] =
        json!({"type": access_token, "secretKeyRef": {"name": "subject-token", "key": "access_token"}});
    story.apply(&exchange).await;
    // The owner of the credentials allows the host, but the token to exchange is a credential of its own.
    let source = story.failing("exchange", "CredentialsNotBound").await;
    let (_, _, message) = condition(&source, ConditionType::Renewed).unwrap();
    assert!(message.contains("annotate secret subject-token"), "{message}");

    let bound = json!({"tokensource.dev/allowed-hosts": keycloak.host()});
    story.patch_secret("subject-token", &json!({"metadata": {"annotations": bound}})).await;
    story.ready("exchange").await;
    let first = story.value("exchange-token", "access_token").await;
    assert_ne!(first, story.value("subject-token", "access_token").await);

    // A new token to exchange causes a new exchange.
    story.patch_source("subject", &json!({"spec": {"token": {"scopes": ["profile"]}}})).await;
    eventually("the next exchange", Duration::from_secs(30), async || {
        let now = story.value("exchange-token", "access_token").await;
        if now == first { Err("still the first") } else { Ok(()) }
    })
    .await;
}

/// Keycloak itself checks the token of a ServiceAccount, which takes the place of a client's secret.
pub(crate) async fn service_account_is_a_client(story: &mut Story) {
    let world = story.world.clone();
    let (keycloak, plane) = (world.keycloak(), world.plane());
    // Keycloak trusts the stories' authority, and not the API server's authority. So the story passes the keys on.
    let request = http::Request::get("/openid/v1/jwks").body(Vec::new()).unwrap();
    let keys = plane.admin().request::<Value>(request).await.expect("the keys of the API server");
    story.provider.always("/jwks", Answer::json(200, &keys));
    let subject = format!("system:serviceaccount:{}:worker", story.namespace);
    let client = story.namespace.clone();
    let cluster = (plane.server(), story.provider.url("/jwks"));
    keycloak.add_federated_client(REALM, &client, (&cluster.0, &cluster.1), &subject).await;

    permit(story, "worker").await;
    account(story, "worker", Some(&keycloak.host())).await;
    let mut federated = source(keycloak, "federated", "federated_jwt");
    federated["spec"].as_object_mut().unwrap().remove("credentialsRef");
    federated["spec"]["provider"]["clientAuthentication"]["serviceAccountToken"] =
        json!({"name": "worker", "audience": keycloak.issuer(REALM)});
    story.apply(&federated).await;
    story.ready("federated").await;
    let token = story.value("federated-token", "access_token").await;
    assert!(keycloak.is_active(REALM, &token).await);
    assert_eq!(keycloak.events(REALM, &client, "CLIENT_LOGIN").await.len(), 1);

    // Another ServiceAccount is not this client.
    permit(story, "stranger").await;
    account(story, "stranger", Some(&keycloak.host())).await;
    let change = json!({"spec": {"provider": {"clientAuthentication": {"serviceAccountToken": {"name": "stranger"}}}}});
    story.patch_source("federated", &change).await;
    story.failing("federated", "InvalidClient").await;
}
