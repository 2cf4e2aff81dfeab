//! Credentials that tools rewrite: only other values cost a token, and a lost annotation does not affect a valid token.
//! Knows the actions of owners and tools; must not know how the controller recognizes equal values.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::eventually;
use tokensource_kit::scripted_provider::Answer;

use crate::leaks;
use crate::story::{SOON, Story, TOKEN, condition, is};

async fn settled(story: &Story, name: &str) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask(name, &json!({})).await;
    story.ready(name).await;
}

/// A new version of the credentials, with a label of this value.
async fn touch(story: &Story, label: &str) {
    story.patch_secret("client", &json!({"metadata": {"labels": {"touched": label}}})).await;
}

/// Creates another object with the same name and values, and these annotations.
async fn make_anew(story: &Story, annotations: Value) {
    let mut secret = story.secret("client").await;
    secret.metadata = serde_json::from_value(json!({"name": "client", "annotations": annotations})).unwrap();
    story.delete_secret("client").await;
    story.secrets().create(&PostParams::default(), &secret).await.expect("created");
}

fn bound(story: &Story) -> Value {
    json!({"tokensource.dev/allowed-hosts": story.provider.host()})
}

pub(crate) async fn unchanged_values_cost_nothing(story: &mut Story) {
    settled(story, "rewritten").await;
    touch(story, "once").await;
    story.patch_secret("client", &json!({"stringData": {"note": "value-of-a-key-that-nobody-uses"}})).await;
    make_anew(story, bound(story)).await;
    story.asked_exactly(1).await;

    // The next process recognizes the values, whether they were rewritten while another process ran or while no process ran.
    story.controller.kill9();
    story.controller.restart().await;
    story.asked_exactly(1).await;
    story.controller.kill9();
    make_anew(story, bound(story)).await;
    story.controller.restart().await;
    story.asked_exactly(1).await;
    let source = story.ready("rewritten").await;
    assert_eq!(source.status.unwrap().failures, 0);

    // The controller does not read a version again that it has compared.
    let mark = story.world.plane().audit_mark();
    story.patch_source("rewritten", &json!({"metadata": {"labels": {"looked": "at"}}})).await;
    story.asked_exactly(1).await;
    let read = story.calls_since(mark).into_iter().filter(|call| call.resource == "secrets").count();
    assert_eq!(read, 0, "Secrets read for an unchanged version");

    story.credentials("client", "another-secret").await;
    story.asked_exactly(2).await;
    // At this point, the earlier values count as a change.
    story.credentials("client", "s3cr3t-of-the-client").await;
    story.asked_exactly(3).await;
    story.ready("rewritten").await;
}

/// A tool copies the data of a Secret but not the annotation.
pub(crate) async fn lost_annotation_leaves_the_good_token_ready(story: &mut Story) {
    settled(story, "unannotated").await;
    make_anew(story, json!({})).await;
    let source = story.failing("unannotated", "CredentialsNotBound").await;
    assert!(is(&source, ConditionType::Ready, "True"), "{:#?}", source.status);
    assert!(condition(&source, ConditionType::Stalled).is_none(), "{:#?}", source.status);
    let (_, _, advice) = condition(&source, ConditionType::Renewed).unwrap();
    assert!(advice.contains("annotate secret client tokensource.dev/allowed-hosts="), "{advice}");
    // Other values whose owner allows no host do not affect `Ready` either.
    story.patch_secret("client", &json!({"stringData": {"client_secret": "a-later-secret"}})).await;
    story.asked_exactly(1).await;
    assert!(is(&story.source("unannotated").await, ConditionType::Ready, "True"));

    story.patch_secret("client", &json!({"metadata": {"annotations": bound(story)}})).await;
    story.asked_exactly(2).await;
    let source = story.ready("unannotated").await;
    assert!(is(&source, ConditionType::Renewed, "True"), "{:#?}", source.status);
    assert_eq!(
        story.provider.requests(TOKEN)[1].form_value("client_secret").as_deref(),
        Some("a-later-secret")
    );
}

pub(crate) async fn refused_values_are_not_tried_again(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    user(story, "the-password-of-the-user").await;
    story.apply(&story.source_for("refused", &password_grant())).await;
    story.ready("refused").await;
    story.provider.always(TOKEN, Answer::error(400, "invalid_grant"));
    user(story, "a-mistyped-password").await;
    let source = story.failing("refused", "InvalidGrant").await;
    assert!(
        is(&source, ConditionType::Ready, "True"),
        "the token is as good as before: {:#?}",
        source.status
    );
    assert_eq!(source.status.unwrap().retry_at, None, "accounts lock");
    touch(story, "again").await;
    make_anew(story, bound(story)).await;
    // The minimum interval of two requests is 5 s.
    tokio::time::sleep(Duration::from_secs(7)).await;
    story.asked_exactly(2).await;
    // The values with which the present token was requested cause no attempt.
    user(story, "the-password-of-the-user").await;
    eventually("no failure", SOON, async || {
        let status = story.source("refused").await.status.unwrap();
        if status.failures == 0 { Ok(()) } else { Err(format!("{status:#?}")) }
    })
    .await;
    story.asked_exactly(2).await;
}

fn password_grant() -> Value {
    json!({"provider": {"grantType": "password", "clientAuthentication": {"method": "none"}}})
}

async fn user(story: &Story, password: &str) {
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "client", "annotations": bound(story)},
            "stringData": {"client_id": "the-client", "username": "u", "password": password},
        }))
        .await;
}

/// The refresh token belongs to the client, not to a version of a Secret.
pub(crate) async fn refresh_token_outlives_a_rewrite(story: &mut Story) {
    story.provider.respond(TOKEN, |_, number| {
        let mut answer = json!({
            "access_token": format!("access-{number}"), "token_type": "bearer", "expires_in": 14,
        });
        // Only the first answer has a refresh token: the binding of the refresh token stays unchanged.
        if number == 1 {
            answer["refresh_token"] = json!("the-only-refresh-token");
        }
        Answer::json(200, &answer)
    });
    user(story, "the-password-of-the-user").await;
    story.apply(&story.source_for("lasting", &password_grant())).await;
    story.ready("lasting").await;
    touch(story, "once").await;
    make_anew(story, bound(story)).await;
    story.asked(2).await;
    // The first renewal uses the rewritten Secret. The second renewal is made by a process that has not seen the rewrite.
    story.controller.kill9();
    story.controller.restart().await;
    story.asked(3).await;
    let requests = story.provider.requests(TOKEN);
    let grants: Vec<_> = requests.iter().filter_map(|request| request.form_value("grant_type")).collect();
    assert_eq!(grants[..3], ["password", "refresh_token", "refresh_token"]);
}

/// The key is 256 random bits, is never replaced, and is in no other object.
pub(crate) async fn key_is_made_once(story: &mut Story) {
    settled(story, "keyed").await;
    let keys: Api<Secret> = Api::namespaced(story.world.plane().admin(), "default");
    let key = async || keys.get("tokensource-key").await.expect("the key");
    let made = key().await;
    let bytes = made.data.as_ref().unwrap()["key"].0.clone();
    assert!(bytes.len() >= 32 && made.immutable == Some(true));
    let text = String::from_utf8(bytes).unwrap();
    let target = story.secret("keyed-token").await;
    let annotation = &target.metadata.annotations.as_ref().unwrap()["tokensource.dev/credentials"];
    assert!(annotation.contains("\"hmac\"") && annotation.len() < 400, "{annotation}");
    // From here on, the key is searched for like a credential.
    leaks::register(&json!({"stringData": {"key": text}}));
    story.controller.kill9();
    story.controller.restart().await;
    story.credentials("client", "another-secret").await;
    story.asked_exactly(2).await;
    assert_eq!(key().await.data, made.data);
}
