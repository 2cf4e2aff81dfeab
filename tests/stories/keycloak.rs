//! The main job against a real provider: Keycloak's own tokens, refusals and lifetimes.

use std::time::Duration;

use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::eventually;
use tokensource_kit::keycloak::{BRIEF, BRIEF_LIFESPAN, Keycloak, MACHINE, REALM, SECRET};

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
        assert_eq!(u64::try_from(life).unwrap(), BRIEF_LIFESPAN, "the life Keycloak gave it");
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
    // Keycloak answers 401 with unauthorized_client where others say invalid_client.
    let source =
        story.until("wrong", "a refusal", |source| is(source, ConditionType::Renewed, "False")).await;
    let (_, reason, message) = condition(&source, ConditionType::Renewed).unwrap();
    assert!(["InvalidClient", "UnauthorizedClient"].contains(&reason.as_str()), "{reason}");
    assert!(!message.contains("not-the-secret"), "{message}");
    story.apply(&credentials(keycloak, "wrong", MACHINE, SECRET)).await;
    story.ready("wrong").await;
}
