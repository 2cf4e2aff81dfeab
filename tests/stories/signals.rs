//! Signs that a token is not usable: a probe's 401, revoked credentials, and answers that claim too much or too little.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::keycloak::{PASSWORD, PUBLIC, REALM, USERNAME};
use tokensource_kit::lookalikes::Lookalike;
use tokensource_kit::manifest;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::{eventually, throughout};

use crate::story::{SOON, Story, TOKEN, condition, is};

const ECHO: &str = "/echo";

/// A lifetime in seconds; the next token is due after half of it.
const BRIEF: u64 = 24;

/// A probe with the shortest interval that the schema permits.
fn probe(story: &Story) -> Value {
    json!({"renewal": {"probe": {"url": story.provider.url(ECHO), "interval": "10s"}}})
}

pub(crate) async fn rejected_token_is_renewed_once(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    // From the third probe on, the resource server rejects every token. A 403 or a 500 does not mean that a token was rejected.
    let refused = Arc::new(Mutex::new(Vec::<String>::new()));
    let (shown, statuses) = (Arc::clone(&refused), AtomicUsize::new(0));
    story.provider.respond(ECHO, move |request, _| {
        let token = request.bearer().unwrap_or_default().to_owned();
        match statuses.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::status(403),
            1 => Answer::status(500),
            _ => {
                shown.lock().unwrap().push(token);
                Answer::status(401)
            }
        }
    });
    story.ask("probed", &probe(story)).await;
    let before = story.ready("probed").await;
    let first = story.value("probed-token", "access_token").await;
    eventually("the third probe, and the renewal", Duration::from_secs(90), async || {
        let now = story.value("probed-token", "access_token").await;
        if now == first { Err(format!("{} probes", story.provider.count(ECHO))) } else { Ok(()) }
    })
    .await;
    assert_eq!(refused.lock().unwrap().as_slice(), [first]);
    assert_eq!(story.provider.count(ECHO), 3, "one probe in each interval of the token's lifetime");
    // The new token is rejected, too. The controller reports the rejection, and requests no third token now.
    let source = story
        .until("probed", "the second rejection", |source| {
            condition(source, ConditionType::Renewed)
                .is_some_and(|(.., message)| message.contains("ProbeRejected"))
        })
        .await;
    assert_eq!(
        condition(&source, ConditionType::Ready).map(|(_, reason, _)| reason).as_deref(),
        Some("ProbeRejected")
    );
    assert!(is(&source, ConditionType::Ready, "False"));
    assert_eq!(source.status.unwrap().probe_rejections, 1);
    assert_eq!(story.provider.count(TOKEN), 2);
    assert!(story.events("probed").await.contains(&"ProbeRejected".to_owned()));
    assert_eq!(before.status.unwrap().probe_rejections, 0);
}

pub(crate) async fn probe_goes_only_where_it_may(story: &mut Story) {
    let other = tokensource_kit::scripted_provider::ScriptedProvider::start(&story.world.authority);
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("elsewhere", &json!({"renewal": {"probe": {"url": other.url(ECHO), "interval": "10s"}}})).await;
    let source = story.failing("elsewhere", "CredentialsNotBound").await;
    let (_, _, message) = condition(&source, ConditionType::Renewed).unwrap();
    assert!(message.contains("localhost"), "{message}");
    story.asked_exactly(0).await;
    assert_eq!(other.connections(), 0);
}

pub(crate) async fn ended_session_is_noticed_at_keycloak(story: &mut Story) {
    let world = story.world.clone();
    let keycloak = world.keycloak();
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "client", "annotations": {"tokensource.dev/allowed-hosts": keycloak.host()}},
            "stringData": {"client_id": PUBLIC, "username": USERNAME, "password": PASSWORD},
        }))
        .await;
    let more = json!({
        "provider": {
            "tokenEndpoint": keycloak.token_endpoint(REALM), "grantType": "password",
            "clientAuthentication": {"method": "none"}, "tls": {"caBundle": keycloak.ca_pem()},
            "refresh": {"policy": "Never"},
        },
        "token": {"scopes": ["openid"]},
        "renewal": {"probe": {"url": keycloak.userinfo_endpoint(REALM), "interval": "10s"}},
    });
    story.apply(&story.source_for("session", &more)).await;
    story.ready("session").await;
    let first = story.value("session-token", "access_token").await;
    throughout("a good token is left alone", Duration::from_secs(12), async || {
        let now = story.value("session-token", "access_token").await;
        if now == first { Ok(()) } else { Err("renewed".to_owned()) }
    })
    .await;
    keycloak.log_out(REALM, USERNAME).await;
    // The renewal waits until a minute after the last request.
    eventually("the renewal", Duration::from_secs(90), async || {
        let now = story.value("session-token", "access_token").await;
        if now == first { Err("still the first".to_owned()) } else { Ok(()) }
    })
    .await;
}

pub(crate) async fn prisjakts_401_is_noticed(story: &mut Story) {
    let prisjakt = Lookalike::prisjakt(&story.world.authority);
    let mut objects = manifest::load("deploy/examples/prisjakt.yaml");
    prisjakt.stand_in(&mut objects);
    manifest::into_namespace(&mut objects, &story.namespace);
    story.world.plane().apply_objects(&objects).await;
    // The shipped manifest with a shorter interval than a quarter of an hour.
    story.patch_source("prisjakt", &json!({"spec": {"renewal": {"probe": {"interval": "10s"}}}})).await;
    story.ready("prisjakt").await;
    prisjakt.kill_tokens();
    eventually("a token that the API takes", Duration::from_secs(90), async || {
        let token = story.value("prisjakt-token", "access_token").await;
        if prisjakt.accepts(&token) { Ok(()) } else { Err(format!("{} requests", prisjakt.count())) }
    })
    .await;
    assert_eq!(prisjakt.count(), 2);
}

pub(crate) async fn revoked_credentials_withdraw_the_token(story: &mut Story) {
    story.provider.answer(TOKEN, Answer::token(BRIEF));
    story.provider.always(TOKEN, Answer::error(401, "invalid_client"));
    story.ask("withdrawn", &json!({"renewal": {"onRevoked": "Withdraw"}})).await;
    story.ready("withdrawn").await;
    let uid = story.secret("withdrawn-token").await.metadata.uid;
    let source = story
        .until("withdrawn", "the withdrawal", |source| {
            condition(source, ConditionType::Ready).is_some_and(|(.., reason, _)| reason == "TokenWithdrawn")
        })
        .await;
    assert!(is(&source, ConditionType::Stalled, "True"));
    let secret = story.secret("withdrawn-token").await;
    assert_eq!(secret.data.iter().flatten().count(), 0, "no key is left");
    assert_eq!(secret.metadata.uid, uid, "the Secret itself stays: mounts lose the token");
    assert!(story.events("withdrawn").await.contains(&"TokenWithdrawn".to_owned()));
    story.asked_exactly(2).await;
    // A restart restores nothing, and requests nothing.
    story.run_with(&["--allow-network", "127.0.0.0/8"]).await;
    story.asked_exactly(2).await;
    // Valid credentials request and restore a token, even if another client has changed the controller's record.
    let touched =
        json!({"metadata": {"annotations": {"tokensource.dev/withdrawn-at": "2020-01-01T00:00:00Z"}}});
    story.patch_secret("withdrawn-token", &touched).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "the-new-secret").await;
    story.ready("withdrawn").await;
    story.asked_exactly(3).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    story.asked_exactly(3).await;
    assert_eq!(story.value("withdrawn-token", "access_token").await, story.provider.issued()[1]);
}

pub(crate) async fn withdrawal_of_a_typed_secret_deletes_it(story: &mut Story) {
    story.provider.answer(TOKEN, Answer::token(BRIEF));
    story.provider.always(TOKEN, Answer::error(400, "invalid_grant"));
    let template = r#"{"auths": {"r.example": {"auth": {{ access_token | b64encode | tojson }}}}}"#;
    let docker = json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": template}});
    story.ask("typed", &json!({"target": docker, "renewal": {"onRevoked": "Withdraw"}})).await;
    story.ready("typed").await;
    eventually("the Secret's end", SOON, async || match story.secrets().get_opt("typed-token").await {
        Ok(None) => Ok(()),
        other => Err(format!("{:?}", other.map(|found| found.map(|secret| secret.type_)))),
    })
    .await;
    story.asked_exactly(2).await;
}

pub(crate) async fn revoked_credentials_withdraw_the_token_under_its_former_name(story: &mut Story) {
    story.provider.answer(TOKEN, Answer::token(3600));
    story.provider.always(TOKEN, Answer::error(401, "invalid_client"));
    story.ask("renamed", &json!({"renewal": {"onRevoked": "Withdraw"}})).await;
    story.ready("renamed").await;
    let uid = story.secret("renamed-token").await.metadata.uid;
    story.patch_source("renamed", &json!({"spec": {"target": {"name": "anew"}}})).await;
    eventually("the withdrawal", SOON, async || {
        let secret = story.secret("renamed-token").await;
        assert_eq!(secret.metadata.uid, uid, "the Secret itself stays: mounts lose the token");
        let keys = secret.data.iter().flatten().count();
        if keys == 0 { Ok(()) } else { Err(format!("{keys} keys")) }
    })
    .await;
    assert!(story.events("renamed").await.contains(&"TokenWithdrawn".to_owned()));
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "the-new-secret").await;
    story.ready("renamed").await;
    eventually("the former target's end", SOON, async || {
        match story.secrets().get_opt("renamed-token").await {
            Ok(None) => Ok(()),
            _ => Err("the former target still exists"),
        }
    })
    .await;
    story.asked_exactly(3).await;
}

pub(crate) async fn revoked_credentials_flag_the_token(story: &mut Story) {
    story.provider.answer(TOKEN, Answer::token(BRIEF));
    story.provider.always(TOKEN, Answer::error(401, "invalid_client"));
    story.ask("kept", &json!({})).await;
    story.ready("kept").await;
    let token = story.value("kept-token", "access_token").await;
    let source = story.failing("kept", "InvalidClient").await;
    let (_, _, message) = condition(&source, ConditionType::Renewed).unwrap();
    assert!(message.contains("Secret kept-token") && message.contains("onRevoked: Withdraw"), "{message}");
    assert!(is(&source, ConditionType::Ready, "True"));
    assert_eq!(story.value("kept-token", "access_token").await, token);
    assert!(story.events("kept").await.contains(&"InvalidClient".to_owned()));
}

pub(crate) async fn doubtful_answers_have_a_notice(story: &mut Story) {
    let token = |more: &Value| {
        let mut body = json!({"access_token": "an-opaque-token", "token_type": "Bearer"});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        Answer::json(200, &body)
    };
    let jwt = {
        use base64::Engine as _;
        let encode = |value: &Value| base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let expiry =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 1800;
        format!("{}.{}.c2ln", encode(&json!({"alg": "none"})), encode(&json!({"exp": expiry})))
    };
    let now = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(7200));
    let cases = [
        ("assumed", token(&json!({})), "ExpiryAssumed"),
        ("by-jwt", token(&json!({"access_token": jwt})), "ExpiryFromJWT"),
        ("both", token(&json!({"access_token": jwt, "expires_in": 86400})), "ExpiryMismatch"),
        ("unusable", token(&json!({"expires_in": "1h"})), "UnusableExpiry"),
        ("brief", token(&json!({"expires_in": 60})), "ShortLifetime"),
        ("skewed", token(&json!({"expires_in": 3600})).without_date().header("date", &now), "ClockSkew"),
        ("reduced", token(&json!({"expires_in": 3600, "scope": "read"})), "ScopeReduced"),
        ("untyped", token(&json!({"expires_in": 3600, "token_type": null})), "TokenTypeAssumed"),
    ];
    story.credentials("client", "s3cr3t-of-the-client").await;
    for (name, answer, _) in &cases {
        let path = format!("/{name}");
        story.provider.always(&path, answer.clone());
        let more = json!({
            "provider": {"tokenEndpoint": story.provider.url(&path)}, "token": {"scopes": ["read", "write"]},
        });
        story.apply(&story.source_for(name, &more)).await;
    }
    for (name, _, notice) in &cases {
        let source = story.ready(name).await;
        let (status, _, message) = condition(&source, ConditionType::Renewed).unwrap();
        assert_eq!(status, "True", "{name}");
        assert!(message.contains(&format!(" {notice}: ")), "{name}: {message}");
        assert!(message.len() < 1024, "bounded: {message}");
    }
}
