//! Secrets of other owners, and two TokenSources with the same target.

use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;
use tokensource::api::ConditionType;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{Story, TOKEN, condition, is, merge};

pub(crate) async fn foreign_secret_is_left_alone(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let theirs = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine-token", "labels": {"whose": "theirs"}},
        "stringData": {"password": "precious"},
    });
    story.apply(&theirs).await;
    let before = story.secret("mine-token").await;
    story.ask("mine", &json!({})).await;
    let source = story.failing("mine", "TargetConflict").await;
    assert!(is(&source, ConditionType::Stalled, "True"));
    assert!(condition(&source, ConditionType::Renewed).unwrap().2.contains("mine-token"));
    story.asked_exactly(0).await;
    let after = story.secret("mine-token").await;
    assert_eq!((after.data, after.metadata), (before.data, before.metadata), "byte for byte as it was");
    // The conflict ends when that Secret is deleted.
    story.delete_secret("mine-token").await;
    story.ready("mine").await;
    story.asked_exactly(1).await;
}

pub(crate) async fn of_two_with_one_target_the_older_wins(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("older", &json!({"target": {"name": "shared"}})).await;
    story.ready("older").await;
    story.apply(&story.source_for("younger", &json!({"target": {"name": "shared"}}))).await;
    let younger = story.failing("younger", "TargetConflict").await;
    assert!(condition(&younger, ConditionType::Renewed).unwrap().2.contains("older"));
    let standing = story.secret("shared").await.resource_version();
    let mark = story.world.plane().audit_mark();
    story.asked_exactly(1).await;
    assert_eq!(story.secret("shared").await.resource_version(), standing);
    let writes: Vec<_> = story.calls_since(mark).into_iter().filter(|call| call.verb != "get").collect();
    assert!(writes.iter().all(|call| call.resource == "events"), "not only Events: {writes:?}");
    // When the older TokenSource is deleted, the younger gets the target.
    story.sources().delete("older", &DeleteParams::default()).await.expect("deleted");
    story.until("younger", "a token", |source| is(source, ConditionType::Ready, "True")).await;
}

/// The older TokenSource never wrote the target, so no watch event of a Secret triggers a reconcile of the younger one.
pub(crate) async fn younger_gets_the_target_that_the_older_gives_up(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let shared = |target: &str| json!({"target": {"name": target}});
    for (target, older) in [("given-up", "changed"), ("left", "deleted")] {
        let mut source = story.source_for(older, &json!({"credentialsRef": {"name": "absent"}}));
        merge(&mut source["spec"], &shared(target));
        source["metadata"]["finalizers"] = json!(["example.com/other"]);
        story.apply(&source).await;
        story.failing(older, "CredentialsNotFound").await;
        story.ask(&format!("{older}-younger"), &shared(target)).await;
        story.failing(&format!("{older}-younger"), "TargetConflict").await;
    }
    story.patch_source("changed", &json!({"spec": shared("another")})).await;
    story.ready("changed-younger").await;
    story.sources().delete("deleted", &DeleteParams::default()).await.expect("deleted");
    story.ready("deleted-younger").await;
    story.asked_exactly(2).await;
    for older in ["changed", "deleted"] {
        story.patch_source(older, &json!({"metadata": {"finalizers": null}})).await;
    }
}

pub(crate) async fn refresh_token_waits_for_its_secret(story: &mut Story) {
    story.provider.respond(TOKEN, |_, _| {
        Answer::json(
            200,
            &json!({"access_token": "at-1-of-this", "expires_in": 3600, "refresh_token": "rt-1-of-this"}),
        )
    });
    story.credentials("client", "s3cr3t-of-the-client").await;
    story.patch_secret("client", &json!({"stringData": {"username": "u", "password": "p4ssw0rd"}})).await;
    let theirs = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine-refresh"}, "stringData": {"their": "precious"},
    });
    story.apply(&theirs).await;
    story.apply(&story.source_for("mine", &json!({"provider": {"grantType": "password"}}))).await;
    let source = story.failing("mine", "TargetConflict").await;
    assert!(condition(&source, ConditionType::Renewed).unwrap().2.contains("mine-refresh"));
    story.asked_exactly(0).await;
    story.delete_secret("mine-refresh").await;
    story.ready("mine").await;
    assert_eq!(story.value("mine-refresh", "refresh_token").await, "rt-1-of-this");
}
