//! Another client changes the target while a token for it is being requested.

use std::time::Duration;

use kube::ResourceExt;
use serde_json::{Value, json};
use tokensource_kit::proxy::{Call, Fault, Injection, Proxy};
use tokensource_kit::scripted_provider::Answer;

use crate::story::{SOON, Story, TOKEN};
use crate::witness::{at_rest, rotate, settled};

/// Starts a renewal that the provider answers only after three seconds.
async fn under_way(story: &Story) {
    settled(story, "shaken").await;
    story.provider.answer(TOKEN, Answer::token(3600).after(Duration::from_secs(3)));
    rotate(story, "another-secret").await;
    story.asked(2).await;
}

/// A Secret of another owner with the target's name.
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

/// The other Secret is unchanged. The late token waits, and is written when the other Secret is deleted.
async fn left_alone_until_it_goes(story: &Story, requests: usize) {
    let before = story.secret("shaken-token").await;
    story.failing("shaken", "TargetConflict").await;
    story.asked_exactly(requests).await;
    let after = story.secret("shaken-token").await;
    assert_eq!((after.data, after.metadata), (before.data, before.metadata));
    story.delete_secret("shaken-token").await;
    at_rest(story, "shaken", requests).await;
}

fn deletes_secret(call: &Call) -> bool {
    call.method == "DELETE" && call.path().contains("/secrets/")
}

async fn meets(fault: &Injection, times: usize) {
    tokio::time::timeout(SOON, fault.met(times)).await.expect("a deletion");
}

/// Renames the target of `shaken`.
async fn rename(story: &Story) {
    story.patch_source("shaken", &json!({"spec": {"target": {"name": "anew"}}})).await;
}

/// When the deletion arrives, the former name belongs to another Secret, or to a Secret without an owner.
pub(crate) async fn former_target_that_changes_under_its_deletion_is_left_alone(
    story: &mut Story,
    proxy: &Proxy,
) {
    settled(story, "shaken").await;
    let deletion = proxy.inject(1, Fault::Hold, deletes_secret);
    rename(story).await;
    meets(&deletion, 1).await;
    story.patch_secret("shaken-token", &json!({"metadata": {"ownerReferences": null}})).await;
    proxy.clear();
    story.ready("shaken").await;
    story.asked_exactly(2).await;
    let left = story.secret("shaken-token").await;

    // Another rename, and the former name has another owner before the deletion arrives.
    let deletion = proxy.inject(1, Fault::Hold, deletes_secret);
    story.patch_source("shaken", &json!({"spec": {"target": {"name": "anew-again"}}})).await;
    meets(&deletion, 1).await;
    story.delete_secret("anew").await;
    let mut theirs = theirs();
    theirs["metadata"]["name"] = json!("anew");
    story.apply(&theirs).await;
    let theirs = story.secret("anew").await;
    proxy.clear();
    story.ready("shaken").await;
    story.asked_exactly(3).await;
    for before in [left, theirs] {
        let after = story.secret(&before.name_any()).await;
        assert_eq!((after.data, after.metadata), (before.data, before.metadata));
    }
    assert!(!story.events("shaken").await.contains(&"FormerTargetDeleted".to_owned()));
}

pub(crate) async fn former_target_that_cannot_be_deleted_keeps_nothing_else_from_being_done(
    story: &mut Story,
    proxy: &Proxy,
) {
    settled(story, "shaken").await;
    let workload = json!({"kind": "Deployment", "name": "web"});
    story.patch_source("shaken", &json!({"spec": {"target": {"rolloutRestart": [workload]}}})).await;
    story.ready("shaken").await;
    let refusals = proxy.inject(4, Fault::Answer(403, None), deletes_secret);
    rename(story).await;
    meets(&refusals, 2).await;
    let source = story.ready("shaken").await;
    let notices = source.status.unwrap().notices;
    assert!(
        notices.iter().any(|notice| notice.reason == "RestartFailed"),
        "a restart was tried: {notices:?}"
    );
    rotate(story, "another-secret").await;
    story.asked(3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(story.value("anew", "access_token").await, *story.provider.issued().last().unwrap());
    tokensource_kit::eventually("the former target's end", Duration::from_secs(75), async || {
        match story.secrets().get_opt("shaken-token").await {
            Ok(None) => Ok(()),
            _ => Err(format!("{} refusals", refusals.count())),
        }
    })
    .await;
    story.asked_exactly(3).await;
    assert!(story.controller.get("/metrics").await.unwrap().contains("reason=\"DeleteFormerTarget\"} 4"));
}

pub(crate) async fn two_at_once_with_one_target(story: &mut Story, _: &Proxy) {
    // Neither of the two TokenSources has a Secret yet when the controller sees both.
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
    // The two TokenSources do not overwrite each other's Secret after the deletion of the Secret either.
    let mark = story.world.plane().audit_mark();
    tokio::time::sleep(Duration::from_secs(4)).await;
    story.delete_secret("one-token").await;
    story.asked(2).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    story.asked_exactly(2).await;
    assert_eq!(story.secret("one-token").await.owner_references()[0].name, winner);
    assert_eq!(writes(mark).count(), 1, "{:#?}", writes(mark).collect::<Vec<_>>());
}
