//! Somebody lays a hand on the target while a token for it is under way.

use std::time::Duration;

use kube::ResourceExt;
use serde_json::{Value, json};
use tokensource_kit::proxy::Proxy;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{SOON, Story, TOKEN};
use crate::witness::{at_rest, rotate, settled};

/// A renewal that the provider answers only after three seconds is under way.
async fn under_way(story: &Story) {
    settled(story, "shaken").await;
    story.provider.answer(TOKEN, Answer::token(3600).after(Duration::from_secs(3)));
    rotate(story, "another-secret").await;
    story.asked(2).await;
}

/// A Secret of somebody else under the target's name.
fn theirs() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shaken-token"},
        "stringData": {"password": "a-precious-password"},
    })
}

pub(crate) async fn altered_while_a_renewal_is_under_way(story: &mut Story, _: &Proxy) {
    under_way(story).await;
    let patch = json!({"stringData": {"access_token": "a-token-of-mine", "stray": "something-of-mine"}});
    story.patch_secret("shaken-token", &patch).await;
    at_rest(story, "shaken", 2).await;
    let keys: Vec<_> = story.secret("shaken-token").await.data.unwrap().into_keys().collect();
    assert_eq!(keys, ["access_token", "expires_at", "token_type"]);
}

pub(crate) async fn emptied_while_a_renewal_is_under_way(story: &mut Story, _: &Proxy) {
    under_way(story).await;
    story.patch_secret("shaken-token", &json!({"data": null, "metadata": {"annotations": null}})).await;
    at_rest(story, "shaken", 2).await;
}

pub(crate) async fn deleted_while_a_renewal_is_under_way(story: &mut Story, _: &Proxy) {
    under_way(story).await;
    story.delete_secret("shaken-token").await;
    at_rest(story, "shaken", 2).await;
}

pub(crate) async fn replaced_by_another_while_a_renewal_is_under_way(story: &mut Story, _: &Proxy) {
    under_way(story).await;
    story.delete_secret("shaken-token").await;
    story.apply(&theirs()).await;
    left_alone_until_it_goes(story, 2).await;
}

pub(crate) async fn created_by_another_while_the_first_token_is_under_way(story: &mut Story, _: &Proxy) {
    story.provider.answer(TOKEN, Answer::token(3600).after(Duration::from_secs(3)));
    story.ask("shaken", &json!({})).await;
    story.asked(1).await;
    story.apply(&theirs()).await;
    left_alone_until_it_goes(story, 1).await;
}

/// Theirs stays byte for byte as it was; the token that came too late waits, and is written when theirs is gone.
async fn left_alone_until_it_goes(story: &Story, requests: usize) {
    let before = story.secret("shaken-token").await;
    story.failing("shaken", "TargetConflict").await;
    story.asked_exactly(requests).await;
    let after = story.secret("shaken-token").await;
    assert_eq!((after.data, after.metadata), (before.data, before.metadata));
    story.delete_secret("shaken-token").await;
    at_rest(story, "shaken", requests).await;
}

pub(crate) async fn two_at_once_with_one_target(story: &mut Story, _: &Proxy) {
    // Neither has a Secret yet when both are seen.
    story.controller.kill9();
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "s3cr3t-of-the-client").await;
    for name in ["alike", "first"] {
        story.apply(&story.source_for(name, &json!({"target": {"name": "one-token"}}))).await;
    }
    let mark = story.world.plane().audit_mark();
    story.controller.restart().await;
    tokensource_kit::eventually("a winner", SOON, async || {
        let won = story.secrets().get_opt("one-token").await.map_err(|error| error.to_string())?;
        won.map(drop).ok_or_else(|| "no Secret yet".to_owned())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let secret = story.secret("one-token").await;
    let winner = secret.owner_references()[0].name.clone();
    let loser = if winner == "alike" { "first" } else { "alike" };
    story.ready(&winner).await;
    story.failing(loser, "TargetConflict").await;
    story.asked_exactly(1).await;
    let writes = |mark| {
        let calls = story.calls_since(mark);
        calls
            .into_iter()
            .filter(|call| call.resource == "secrets" && call.verb != "get" && call.verb != "list")
    };
    assert_eq!(writes(mark).count(), 1, "{:#?}", writes(mark).collect::<Vec<_>>());
    // Nor do they fight over it when it is gone.
    let mark = story.world.plane().audit_mark();
    tokio::time::sleep(Duration::from_secs(4)).await;
    story.delete_secret("one-token").await;
    story.asked(2).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    story.asked_exactly(2).await;
    assert_eq!(story.secret("one-token").await.owner_references()[0].name, winner);
    assert_eq!(writes(mark).count(), 1, "{:#?}", writes(mark).collect::<Vec<_>>());
}
