//! Unobserved states: changes during a failure of the watches are noticed afterwards, and take effect once.

use std::time::Duration;

use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;
use tokensource_kit::eventually;
use tokensource_kit::proxy::{Fault, Proxy};

use crate::story::{SOON, Story};
use crate::witness::{at_rest_within, exists, settled};

/// A failed watch is repeated after up to half a minute.
const WATCHED_AGAIN: Duration = Duration::from_secs(45);

pub(crate) async fn target_and_credentials_changed_while_nobody_watched(story: &mut Story, proxy: &Proxy) {
    settled(story, "unseen").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    proxy.sever();
    story.delete_secret("unseen-token").await;
    story.credentials("client", "another-secret").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(story.provider.count(crate::story::TOKEN), 1, "no token can be requested meanwhile");
    proxy.mend();
    // A single token request follows both changes.
    at_rest_within(story, "unseen", 2, WATCHED_AGAIN).await;
    let asked_with = story.provider.requests(crate::story::TOKEN)[1].form_value("client_secret");
    assert_eq!(asked_with.as_deref(), Some("another-secret"));
}

pub(crate) async fn source_replaced_while_nobody_watched(story: &mut Story, proxy: &Proxy) {
    settled(story, "reborn").await;
    proxy.sever();
    story.sources().delete("reborn", &DeleteParams::default()).await.expect("deleted");
    let secrets = story.secrets();
    eventually("the end of its Secret", SOON, async || {
        if exists(&secrets, "reborn-token").await { Err("still there") } else { Ok(()) }
    })
    .await;
    story.apply(&story.source_for("reborn", &json!({}))).await;
    proxy.mend();
    at_rest_within(story, "reborn", 2, WATCHED_AGAIN).await;
}

/// A watch that was interrupted for too long gets no past events: it has to list, and serve the listed objects.
pub(crate) async fn sources_made_and_changed_while_the_watch_expired(story: &mut Story, proxy: &Proxy) {
    settled(story, "old").await;
    proxy.sever();
    story.apply(&story.source_for("new", &json!({}))).await;
    let annotations = json!({"team": "changed-meanwhile"});
    story.patch_source("old", &json!({"spec": {"target": {"annotations": annotations}}})).await;
    let expired =
        proxy.inject(1, Fault::Expire, |call| call.is_watch() && call.path().ends_with("/tokensources"));
    proxy.mend();
    eventually("both as they are now", WATCHED_AGAIN, async || {
        let (new, old) = (story.secrets().get_opt("new-token").await, story.secrets().get("old-token").await);
        let new = new.expect("an answer").is_some();
        let old = old.expect("the Secret").annotations().contains_key("team");
        if new && old { Ok(()) } else { Err(format!("new: {new}, old: {old}")) }
    })
    .await;
    assert_eq!(expired.count(), 1, "the watch was to expire");
}
