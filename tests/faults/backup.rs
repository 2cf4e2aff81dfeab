//! Backup and restore: all objects are restored with new uids, and Secrets have owners that no longer exist. Shows the
//! statements of `docs/operations.md`.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};
use tokensource::api::{ConditionType, TokenSource};
use tokensource_kit::eventually;
use tokensource_kit::proxy::Proxy;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{SOON, Story, TOKEN, condition, text};
use crate::witness::{at_rest, exists, settled};

/// The objects of a namespace in a backup.
struct Backup {
    secrets: Vec<Secret>,
    sources: Vec<TokenSource>,
}

/// Backs up all objects and deletes them while the controller is stopped.
async fn lose_everything(story: &Story) -> Backup {
    story.controller.kill9();
    let everything = ListParams::default();
    let (sources, secrets) = (story.sources(), story.secrets());
    let backup = Backup {
        secrets: secrets.list(&everything).await.expect("the Secrets").items,
        sources: sources.list(&everything).await.expect("the TokenSources").items,
    };
    sources.delete_collection(&DeleteParams::default(), &everything).await.expect("deleted");
    secrets.delete_collection(&DeleteParams::default(), &everything).await.expect("deleted");
    eventually("emptiness", SOON, async || {
        let left = secrets.list(&everything).await.map_err(|error| error.to_string())?.items.len();
        if left == 0 { Ok(()) } else { Err(left.to_string()) }
    })
    .await;
    backup
}

/// Creates objects again, as backup tools do: without their status and the fields that the API server sets.
async fn restore<K>(api: &Api<K>, objects: &[K], keep_owners: bool)
where
    K: Resource + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    for object in objects {
        let mut object = object.clone();
        let metadata = object.meta_mut();
        (metadata.uid, metadata.resource_version, metadata.managed_fields) = (None, None, None);
        if !keep_owners {
            metadata.owner_references = None;
        }
        api.create(&PostParams::default(), &object).await.expect("restored");
    }
}

/// Most tools restore Secrets with their owners: garbage collection deletes these Secrets, and new tokens are issued.
pub(crate) async fn restored_secrets_make_way_for_new_ones(story: &mut Story, _: &Proxy) {
    settled(story, "saved").await;
    let backup = lose_everything(story).await;
    restore(&story.secrets(), &backup.secrets, true).await;
    restore(&story.sources(), &backup.sources, true).await;
    story.controller.restart().await;
    at_rest(story, "saved", 2).await;
}

/// Secrets that are restored without owners are not deleted, and are not used until a person sets their owners.
pub(crate) async fn restored_without_owners_they_are_taken_back_by_hand(story: &mut Story, _: &Proxy) {
    settled(story, "saved").await;
    let token = story.value("saved-token", "access_token").await;
    let backup = lose_everything(story).await;
    restore(&story.secrets(), &backup.secrets, false).await;
    restore(&story.sources(), &backup.sources, false).await;
    story.controller.restart().await;
    let source = story.failing("saved", "TargetConflict").await;
    let (_, _, message) = condition(&source, ConditionType::Renewed).unwrap();
    assert!(message.contains("does not belong to any TokenSource"), "{message}");
    story.asked_exactly(1).await;
    assert_eq!(story.value("saved-token", "access_token").await, token, "workloads have what was restored");

    story.patch_secret("saved-token", &owned_by(&source)).await;
    // The credentials have another uid, which costs one token. The restored token stays until the new token is written.
    at_rest(story, "saved", 2).await;
}

/// The patch that `docs/operations.md` recommends.
fn owned_by(source: &TokenSource) -> Value {
    json!({"metadata": {"ownerReferences": [{
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource", "name": source.name_any(),
        "uid": source.uid(), "controller": true, "blockOwnerDeletion": true,
    }]}})
}

/// There is no other copy of a rotated refresh token: its Secret is restored without its owner, and the new owner is set
/// before a token is requested.
pub(crate) async fn restored_refresh_token_is_taken_back(story: &mut Story, _: &Proxy) {
    story.provider.respond(TOKEN, |request, number| {
        let expected = if number == 1 { "the-seed".to_owned() } else { format!("rotated-{}", number - 1) };
        if request.form_value("refresh_token") != Some(expected) {
            return Answer::error(400, "invalid_grant");
        }
        Answer::json(
            200,
            &json!({
                "access_token": format!("access-{number}"), "token_type": "bearer", "expires_in": 3600,
                "refresh_token": format!("rotated-{number}"),
            }),
        )
    });
    let credentials = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "client", "annotations": {"tokensource.dev/allowed-hosts": story.provider.host()}},
        "stringData": {"client_id": "the-client", "refresh_token": "the-seed"},
    });
    story.apply(&credentials).await;
    let grant =
        json!({"provider": {"grantType": "refresh_token", "clientAuthentication": {"method": "none"}}});
    story.apply(&story.source_for("seeded", &grant)).await;
    at_rest(story, "seeded", 1).await;

    let mut backup = lose_everything(story).await;
    for source in &mut backup.sources {
        source.spec.suspend = true;
    }
    backup.secrets.retain(|secret| secret.name_any() != "seeded-token");
    restore(&story.secrets(), &backup.secrets, false).await;
    restore(&story.sources(), &backup.sources, false).await;
    story.controller.restart().await;
    let source = story.source("seeded").await;
    story.patch_secret("seeded-refresh", &owned_by(&source)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(story.provider.count(TOKEN), 1, "suspended");
    assert!(!exists(&story.secrets(), "seeded-token").await);
    story.patch_source("seeded", &json!({"spec": {"suspend": false}})).await;
    at_rest(story, "seeded", 2).await;
    assert_eq!(text(&story.secret("seeded-refresh").await, "refresh_token"), "rotated-2");
}
