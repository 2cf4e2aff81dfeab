//! Each change that affects the token causes exactly one request immediately; other changes cause no request.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::{ListParams, PostParams};
use serde_json::json;
use tokensource::api::ConditionType;
use tokensource_kit::eventually;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{SOON, Story, TOKEN, condition, is, text};

async fn settled(story: &Story, name: &str) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask(name, &json!({})).await;
    story.ready(name).await;
}

/// Waits until the target has the newest issued token, which has this number.
async fn holds_token(story: &Story, secret: &str, number: usize) {
    eventually("the newest token in the target", SOON, async || {
        let issued = story.provider.issued();
        let held = match story.secrets().get_opt(secret).await {
            Ok(Some(secret))
                if secret.data.as_ref().is_some_and(|data| data.contains_key("access_token")) =>
            {
                text(&secret, "access_token")
            }
            _ => return Err("no token".to_owned()),
        };
        if issued.len() == number && issued.last() == Some(&held) {
            Ok(())
        } else {
            Err(format!("{} issued", issued.len()))
        }
    })
    .await;
}

pub(crate) async fn changed_spec_asks_once(story: &mut Story) {
    settled(story, "spec").await;
    story.patch_source("spec", &json!({"spec": {"token": {"scopes": ["read", "write"]}}})).await;
    holds_token(story, "spec-token", 2).await;
    story.asked_exactly(2).await;
    assert_eq!(story.provider.requests(TOKEN)[1].form_value("scope").as_deref(), Some("read write"));
    story.ready("spec").await;
    // A change of a field without effect on the request causes no request.
    story.patch_source("spec", &json!({"spec": {"renewal": {"atPercentage": 50}}})).await;
    let source = story.ready("spec").await;
    let status = source.status.unwrap();
    let due = status.renew_at.unwrap().0.as_second() - status.issued_at.unwrap().0.as_second();
    assert!((1620..=1800).contains(&due), "due after {due} s");
    story.asked_exactly(2).await;
}

pub(crate) async fn rotated_credentials_ask_once(story: &mut Story) {
    settled(story, "rotated").await;
    story.credentials("client", "another-secret").await;
    holds_token(story, "rotated-token", 2).await;
    story.asked_exactly(2).await;
    assert_eq!(
        story.provider.requests(TOKEN)[1].form_value("client_secret").as_deref(),
        Some("another-secret")
    );
}

pub(crate) async fn deleted_target_comes_back(story: &mut Story) {
    settled(story, "lost").await;
    story.delete_secret("lost-token").await;
    holds_token(story, "lost-token", 2).await;
    story.asked_exactly(2).await;
    story.ready("lost").await;
}

pub(crate) async fn altered_target_is_replaced_once(story: &mut Story) {
    settled(story, "altered").await;
    // A key is added beside the token, and the token itself is changed.
    let patch = json!({"stringData": {"access_token": "mine-instead", "stray": "also-mine"}});
    story.patch_secret("altered-token", &patch).await;
    holds_token(story, "altered-token", 2).await;
    eventually("exactly the keys it should have", SOON, async || {
        let secret = story.secret("altered-token").await;
        let keys: Vec<_> = secret.data.unwrap().into_keys().collect();
        if keys == ["access_token", "expires_at", "token_type"] { Ok(()) } else { Err(format!("{keys:?}")) }
    })
    .await;
    story.asked_exactly(2).await;
    story.ready("altered").await;
    // An edited expiry counts as an alteration.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let far = json!({"metadata": {"annotations": {"tokensource.dev/expires-at": "2999-01-01T00:00:00Z"}}});
    story.patch_secret("altered-token", &far).await;
    holds_token(story, "altered-token", 3).await;
    story.asked_exactly(3).await;
}

pub(crate) async fn changed_labels_cost_no_token(story: &mut Story) {
    settled(story, "dressed").await;
    story.patch_source("dressed", &json!({"spec": {"target": {"labels": {"team": "a", "tier": "b"}}}})).await;
    story.until_labels("dressed-token", &[("team", Some("a")), ("tier", Some("b"))]).await;
    story
        .patch_source("dressed", &json!({"spec": {"target": {"labels": {"team": "c", "tier": null}}}}))
        .await;
    story.until_labels("dressed-token", &[("team", Some("c")), ("tier", None)]).await;
    // Labels of others stay; the controller restores its removed label.
    let patch = json!({"metadata": {"labels": {"theirs": "kept", "team": null}}});
    story.patch_secret("dressed-token", &patch).await;
    story.until_labels("dressed-token", &[("team", Some("c")), ("theirs", Some("kept"))]).await;
    story.asked_exactly(1).await;
    story.ready("dressed").await;
}

pub(crate) async fn type_of_the_target_can_change(story: &mut Story) {
    settled(story, "typed").await;
    story.patch_source("typed", &json!({"spec": {"target": {"type": "example.com/token"}}})).await;
    eventually("the new type", SOON, async || match story.secrets().get_opt("typed-token").await {
        Ok(Some(secret)) if secret.type_.as_deref() == Some("example.com/token") => Ok(()),
        Ok(found) => Err(format!("{:?}", found.and_then(|secret| secret.type_))),
        Err(error) => Err(error.to_string()),
    })
    .await;
    holds_token(story, "typed-token", 1).await;
    story.asked_exactly(1).await;
    story.ready("typed").await;
}

async fn gone(story: &Story, secret: &str) {
    eventually("the former target's end", SOON, async || match story.secrets().get_opt(secret).await {
        Ok(None) => Ok(()),
        other => Err(format!("{:?}", other.map(|found| found.map(|secret| secret.metadata)))),
    })
    .await;
}

async fn rename(story: &Story, name: &str, target: &str) {
    story.patch_source(name, &json!({"spec": {"target": {"name": target}}})).await;
}

pub(crate) async fn renamed_target_takes_the_old_secret_along(story: &mut Story) {
    settled(story, "renamed").await;
    // Another TokenSource waits for the name.
    story.apply(&story.source_for("heir", &json!({"target": {"name": "renamed-token"}}))).await;
    story.failing("heir", "TargetConflict").await;
    // A copy with the controller's annotations and owner reference is not a former target.
    let mut copy = story.secret("renamed-token").await;
    copy.metadata = ObjectMeta {
        name: Some("copy".to_owned()),
        annotations: copy.metadata.annotations,
        owner_references: copy.metadata.owner_references,
        ..ObjectMeta::default()
    };
    story.secrets().create(&PostParams::default(), &copy).await.unwrap();

    rename(story, "renamed", "anew").await;
    story.ready("renamed").await;
    let heir = story.ready("heir").await;
    story.asked_exactly(3).await;
    let owner = story.secret("renamed-token").await.metadata.owner_references.unwrap().remove(0);
    assert_eq!(Some(owner.uid), heir.metadata.uid, "the name is free for whoever wants it");
    let events = story.events("renamed").await;
    assert_eq!(events.iter().filter(|reason| *reason == "FormerTargetDeleted").count(), 1, "{events:?}");
    story.secret("copy").await;

    // The target is renamed twice while the controller is down, and then back to a name whose Secret still exists.
    story.controller.kill9();
    rename(story, "renamed", "never-written").await;
    rename(story, "renamed", "renamed-after-the-crash").await;
    story.controller.restart().await;
    story.ready("renamed").await;
    gone(story, "anew").await;
    story.controller.kill9();
    rename(story, "renamed", "elsewhere").await;
    rename(story, "renamed", "renamed-after-the-crash").await;
    story.controller.restart().await;
    story.ready("renamed").await;
    story.asked_exactly(4).await;

    // A Secret without its owner reference is not deleted.
    story.patch_secret("renamed-after-the-crash", &json!({"metadata": {"ownerReferences": null}})).await;
    rename(story, "renamed", "last").await;
    story.ready("renamed").await;
    story.asked_exactly(5).await;
    story.secret("renamed-after-the-crash").await;
    let mut left: Vec<_> = story.secrets().list(&ListParams::default()).await.unwrap().items;
    left.sort_by_key(ResourceExt::name_any);
    let left: Vec<_> = left.iter().map(ResourceExt::name_any).collect();
    assert_eq!(left, ["client", "copy", "last", "renamed-after-the-crash", "renamed-token"]);
}

pub(crate) async fn renewal_on_request_is_acknowledged(story: &mut Story) {
    settled(story, "wanted").await;
    // Renewal requests are served at most once a minute, counted from the token's issue.
    let first = json!({"metadata": {"annotations": {"tokensource.dev/renew-requested-at": "first"}}});
    story.patch_source("wanted", &first).await;
    // Longer than the minimum interval between two requests, which is 5 s.
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(story.provider.count(TOKEN), 1, "not within a minute of the last token");
    let patience = Duration::from_secs(75);
    eventually("the acknowledgement", patience, async || {
        let source = story.source("wanted").await;
        let handled = source.status.and_then(|status| status.last_handled_renew_request);
        if handled.as_deref() == Some("first") { Ok(()) } else { Err(format!("{handled:?}")) }
    })
    .await;
    holds_token(story, "wanted-token", 2).await;
    story.asked_exactly(2).await;
    let source = story.ready("wanted").await;
    let (status, reason, _) = condition(&source, ConditionType::Renewed).unwrap();
    assert_eq!((status.as_str(), reason.as_str()), ("True", "TokenRenewed"));
    assert!(story.events("wanted").await.contains(&"TokenRenewed".to_owned()));
}

pub(crate) async fn suspended_source_requests_no_token(story: &mut Story) {
    settled(story, "resting").await;
    let before = story.secret("resting-token").await;
    story.patch_source("resting", &json!({"spec": {"suspend": true, "token": {"scopes": ["more"]}}})).await;
    let source =
        story.until("resting", "Suspended", |source| is(source, ConditionType::Renewed, "Unknown")).await;
    assert_eq!(condition(&source, ConditionType::Renewed).unwrap().1, "Suspended");
    story.asked_exactly(1).await;
    assert_eq!(story.secret("resting-token").await.resource_version(), before.resource_version());
    story.patch_source("resting", &json!({"spec": {"suspend": false}})).await;
    story.ready("resting").await;
    story.asked_exactly(2).await;
}

pub(crate) async fn target_that_cannot_be_written_is_left_as_it_is(story: &mut Story) {
    settled(story, "kept").await;
    let before = story.secret("kept-token").await;
    // The prefix of this label is no DNS name, which only the API server checks.
    story.patch_source("kept", &json!({"spec": {"target": {"labels": {"a..b/x": "y"}}}})).await;
    let source = story.failing("kept", "TargetWriteFailed").await;
    assert!(is(&source, ConditionType::Ready, "True"), "the token in the target is still valid");
    let (.., message) = condition(&source, ConditionType::Renewed).expect("Renewed");
    assert!(message.contains("a..b/x") && message.contains("keeps its token"), "{message}");
    let failures = [("result", "failure")];
    assert_eq!(story.controller.metric("tokensource_renewals_total", &failures).await, None, "no request");
    let after = story.secret("kept-token").await;
    assert_eq!((after.metadata.uid, after.data), (before.metadata.uid, before.data));
    story.patch_source("kept", &json!({"spec": {"target": {"labels": null}}})).await;
    story.until("kept", "recovery", |source| is(source, ConditionType::Renewed, "True")).await;
    story.asked_exactly(1).await;
}

pub(crate) async fn target_that_the_api_server_refuses_costs_no_token(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let targets = [
        ("label", json!({"labels": {"a..b/x": "y"}}), "a..b/x"),
        ("dots", json!({"data": {"..x": "{{ access_token }}"}}), "begins with two"),
        ("typed", json!({"type": "kubernetes.io/dockerconfigjson"}), "Write .dockerconfigjson"),
    ];
    for (name, target, why) in &targets {
        story.ask(name, &json!({"target": target})).await;
        let source = story.failing(name, "InvalidSpec").await;
        assert!(is(&source, ConditionType::Stalled, "True"), "{name}");
        let (_, _, message) = condition(&source, ConditionType::Renewed).unwrap();
        assert!(message.contains(why), "{name}: {message}");
    }
    story.asked_exactly(0).await;
    story.patch_source("label", &json!({"spec": {"target": {"labels": null}}})).await;
    story.ready("label").await;
    story.asked_exactly(1).await;
}
