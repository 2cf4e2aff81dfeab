//! Secrets of other owners, and two TokenSources with the same target.

use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;
use tokensource::api::ConditionType;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{Story, TOKEN, condition, is};

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
    assert!(writes.iter().all(|call| call.resource == "events"), "nobody fights: {writes:?}");
    // When the older TokenSource is deleted, the younger gets the target.
    story.sources().delete("older", &DeleteParams::default()).await.expect("deleted");
    story.until("younger", "its turn", |source| is(source, ConditionType::Ready, "True")).await;
}
