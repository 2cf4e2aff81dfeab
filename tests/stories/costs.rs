//! The number of requests to providers, and of calls to the API server according to its audit log.

use std::time::Duration;

use serde_json::json;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{Story, TOKEN};

const FLEET: usize = 5;

async fn fleet(story: &Story, lifetime: u64) {
    story.provider.always(TOKEN, Answer::token(lifetime));
    story.credentials("client", "s3cr3t-of-the-client").await;
    for number in 0..FLEET {
        story.apply(&story.source_for(&format!("s{number}"), &json!({}))).await;
    }
    for number in 0..FLEET {
        story.ready(&format!("s{number}")).await;
    }
}

pub(crate) async fn restart_asks_and_writes_nothing(story: &mut Story) {
    fleet(story, 3600).await;
    story.asked_exactly(FLEET).await;
    let mark = story.world.plane().audit_mark();
    story.controller.kill9();
    story.controller.restart().await;
    story.asked_exactly(FLEET).await;
    let calls = story.calls_since(mark);
    assert!(calls.iter().all(|call| call.verb == "list"), "only lists after a restart: {calls:#?}");
    // The controller works again: a change takes effect.
    story.delete_secret("s0-token").await;
    story.asked_exactly(FLEET + 1).await;
}

pub(crate) async fn idle_controller_asks_nothing_of_the_api_server(story: &mut Story) {
    fleet(story, 3600).await;
    story.asked_exactly(FLEET).await;
    let mark = story.world.plane().audit_mark();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let calls = story.calls_since(mark);
    assert!(calls.is_empty(), "{calls:#?}");
}

pub(crate) async fn renewal_costs_two_writes_and_one_read(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(14));
    story.ask("cheap", &json!({})).await;
    story.ready("cheap").await;
    // The first renewal is not measured: it also takes over the fields of the POST that created the Secret.
    story.asked(2).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mark = story.world.plane().audit_mark();
    story.asked_exactly(3).await;
    let calls: Vec<_> = story
        .calls_since(mark)
        .into_iter()
        .map(|call| {
            format!(
                "{} {}{}{}",
                call.verb,
                call.resource,
                if call.subresource.is_empty() { "" } else { "/" },
                call.subresource
            )
        })
        .collect();
    assert_eq!(calls, ["get secrets", "patch secrets", "patch tokensources/status"]);
}
