//! Many TokenSources of one provider: the load on a failing provider, and the effect on others meanwhile.

use std::time::Duration;

use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::eventually;
use tokensource_kit::scripted_provider::{Answer, ScriptedProvider};

use crate::story::{Story, TOKEN, condition, is};

const FLEET: usize = 80;

async fn apply_fleet(story: &Story, more: &Value) {
    story.credentials("client", "s3cr3t-of-the-client").await;
    for number in 0..FLEET {
        story.apply(&story.source_for(&format!("s{number}"), more)).await;
    }
}

async fn ready(story: &Story) -> usize {
    let sources = story.sources().list(&ListParams::default()).await.expect("the TokenSources");
    sources.iter().filter(|source| is(source, ConditionType::Ready, "True")).count()
}

pub(crate) async fn provider_in_trouble_is_tried_by_one_at_a_time(story: &mut Story) {
    story.provider.always(TOKEN, Answer::status(503));
    apply_fleet(story, &json!({})).await;
    // Each TokenSource reports the failure, including those that never sent a request.
    eventually("all reports", Duration::from_secs(40), async || {
        let sources = story.sources().list(&ListParams::default()).await.expect("the TokenSources");
        let waiting = sources.iter().filter(|source| {
            condition(source, ConditionType::Renewed)
                .is_some_and(|(status, reason, _)| status == "False" && reason == "ProviderUnavailable")
        });
        let waiting = waiting.count();
        if waiting == FLEET { Ok(()) } else { Err(format!("{waiting} of {FLEET}")) }
    })
    .await;
    let before = story.provider.count(TOKEN);
    assert!(before <= 30, "{before} requests until every TokenSource reports the failure");
    tokio::time::sleep(Duration::from_secs(15)).await;
    let tried = story.provider.count(TOKEN) - before;
    assert!((1..=6).contains(&tried), "{tried} requests in a quarter of a minute");
    let (_, _, message) = condition(&story.source("s79").await, ConditionType::Renewed).unwrap();
    assert!(message.starts_with("The provider reported an error of its own, or is overloaded."), "{message}");

    story.provider.always(TOKEN, Answer::token(3600));
    eventually("all are served", Duration::from_secs(150), async || {
        let ready = ready(story).await;
        if ready == FLEET { Ok(()) } else { Err(format!("{ready} of {FLEET}")) }
    })
    .await;
    let requests = story.provider.requests(TOKEN);
    let good = &requests[requests.len() - FLEET..];
    let at_once =
        good.iter().filter(|request| request.instant - good[0].instant < Duration::from_secs(1)).count();
    assert!(at_once <= 10, "{at_once} in the first second after the recovery");
    assert_eq!(story.provider.issued().len(), FLEET, "one token each");
}

pub(crate) async fn hanging_provider_leaves_room_for_others(story: &mut Story) {
    story.provider.always(TOKEN, Answer::hang());
    apply_fleet(story, &json!({})).await;
    others_are_served(story, TOKEN).await;
    assert!(story.provider.count(TOKEN) <= 40, "requests are limited by permits");
}

pub(crate) async fn deleted_sources_leave_their_limiter_at_once(story: &mut Story) {
    story.provider.always(TOKEN, Answer::hang());
    apply_fleet(story, &json!({"provider": {"timeout": "60s"}})).await;
    let depth = async || story.controller.metric("tokensource_queue_depth", &[]).await.unwrap_or_default();
    eventually("the others wait", Duration::from_secs(20), async || {
        let depth = depth().await;
        if depth >= 60.0 { Ok(()) } else { Err(depth.to_string()) }
    })
    .await;
    let all = ListParams::default();
    story.sources().delete_collection(&DeleteParams::default(), &all).await.expect("to delete all");
    // Well before the requests in flight end.
    eventually("an empty queue", Duration::from_secs(10), async || {
        let depth = depth().await;
        if depth < 1.0 { Ok(()) } else { Err(depth.to_string()) }
    })
    .await;
}

pub(crate) async fn hanging_issuer_leaves_room_for_others(story: &mut Story) {
    const METADATA: &str = "/.well-known/oauth-authorization-server";
    story.provider.always(METADATA, Answer::hang());
    let issuer = story.provider.url("");
    apply_fleet(story, &json!({"provider": {"tokenEndpoint": null, "issuer": issuer, "timeout": "30s"}}))
        .await;
    others_are_served(story, METADATA).await;
    assert_eq!(story.provider.count(METADATA), 1, "one request serves all TokenSources of the issuer");
}

/// Checks that others are served while this path hangs.
async fn others_are_served(story: &Story, path: &str) {
    let good = ScriptedProvider::start(&story.world.authority);
    good.always(TOKEN, Answer::token(3600));
    eventually("the first hang", Duration::from_secs(10), async || {
        if story.provider.count(path) >= 1 { Ok(()) } else { Err("no request yet") }
    })
    .await;
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "other", "annotations": {"tokensource.dev/allowed-hosts": good.host()}},
            "stringData": {"client_id": "the-client", "client_secret": "another-s3cr3t"},
        }))
        .await;
    let elsewhere =
        json!({"provider": {"tokenEndpoint": good.url(TOKEN)}, "credentialsRef": {"name": "other"}});
    story.apply(&story.source_for("elsewhere", &elsewhere)).await;
    eventually("the other's token", Duration::from_secs(8), async || {
        let source = story.sources().get("elsewhere").await.map_err(|error| error.to_string())?;
        if is(&source, ConditionType::Ready, "True") { Ok(()) } else { Err(format!("{:?}", source.status)) }
    })
    .await;
}
