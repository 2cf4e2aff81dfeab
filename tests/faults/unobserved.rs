//! Unobserved states: what changes while the controller cannot watch is noticed when it can again, and acted on once.

use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::json;
use tokensource_kit::eventually;
use tokensource_kit::proxy::Proxy;

use crate::story::{SOON, Story};
use crate::witness::{at_rest_within, exists, settled};

/// A watch that failed is tried again after up to half a minute.
const WATCHED_AGAIN: Duration = Duration::from_secs(45);

pub(crate) async fn target_and_credentials_changed_while_nobody_watched(story: &mut Story, proxy: &Proxy) {
    settled(story, "unseen").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    proxy.sever();
    story.delete_secret("unseen-token").await;
    story.credentials("client", "another-secret").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(story.provider.count(crate::story::TOKEN), 1, "nothing can be asked for meanwhile");
    proxy.mend();
    // One token serves for both.
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
