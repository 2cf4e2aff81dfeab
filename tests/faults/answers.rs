//! An API server that is slow, busy, contradictory or closes connections: an issued token is written as soon as possible,
//! and no other is requested.

use std::time::Duration;

use serde_json::json;
use tokensource::api::ConditionType;
use tokensource_kit::eventually;
use tokensource_kit::proxy::{Call, Fault, Proxy};
use tokensource_kit::scripted_provider::Answer;

use crate::story::{SOON, Story, TOKEN, is};
use crate::witness::{Witness, at_rest, at_rest_within, rotate, settled};

pub(crate) async fn slow_api_server_costs_no_token(story: &mut Story, proxy: &Proxy) {
    proxy.inject(usize::MAX, Fault::Delay(Duration::from_secs(2)), |_| true);
    story.controller.restart().await;
    // The renewal is due between 13.5 s and 15 s, and five calls of 2 s each write the new token: in time.
    story.provider.always(TOKEN, Answer::token(30));
    story.ask("patient", &json!({})).await;
    story.until("patient", "the first token", |source| is(source, ConditionType::Ready, "True")).await;
    let witness = Witness::of(story, &["patient-token"]);
    story.asked(2).await;
    story.provider.always(TOKEN, Answer::token(3600));
    at_rest_within(story, "patient", 2, Duration::from_secs(30)).await;
    witness.saw_no_loss();
}

pub(crate) async fn busy_api_server_costs_no_token(story: &mut Story, proxy: &Proxy) {
    let first = proxy.inject(3, Fault::Answer(429, Some(1)), Call::writes_secret);
    settled(story, "busy").await;
    let witness = Witness::of(story, &["busy-token"]);
    let renewal = proxy.inject(3, Fault::Answer(503, Some(1)), Call::writes_secret);
    rotate(story, "another-secret").await;
    at_rest(story, "busy", 2).await;
    assert_eq!((first.count(), renewal.count()), (3, 3));
    witness.saw_no_loss();
}

pub(crate) async fn conflicts_cost_no_token(story: &mut Story, proxy: &Proxy) {
    settled(story, "contested").await;
    let witness = Witness::of(story, &["contested-token"]);
    let conflicts = proxy.inject(3, Fault::Answer(409, None), Call::writes_secret);
    rotate(story, "another-secret").await;
    at_rest(story, "contested", 2).await;
    assert_eq!(conflicts.count(), 3);
    witness.saw_no_loss();
}

pub(crate) async fn status_that_cannot_be_written_is_written_later(story: &mut Story, proxy: &Proxy) {
    let first = proxy.inject(3, Fault::Answer(503, None), Call::writes_status);
    settled(story, "owed").await;
    let witness = Witness::of(story, &["owed-token"]);
    let renewal = proxy.inject(3, Fault::Answer(429, Some(1)), Call::writes_status);
    rotate(story, "another-secret").await;
    eventually("three refusals", SOON, async || match renewal.count() {
        3 => Ok(()),
        count => Err(count),
    })
    .await;
    at_rest(story, "owed", 2).await;
    assert_eq!(first.count(), 3);
    witness.saw_no_loss();
}

pub(crate) async fn dropped_watches_lose_nothing(story: &mut Story, proxy: &Proxy) {
    settled(story, "dropped").await;
    let cut_for = async |seconds: u64| {
        for _ in 0..seconds {
            proxy.cut_watches();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let witness = Witness::of(story, &["dropped-token"]);
    cut_for(6).await;
    story.credentials("client", "another-secret").await;
    cut_for(3).await;
    at_rest(story, "dropped", 2).await;
    cut_for(4).await;
    story.patch_source("dropped", &json!({"spec": {"token": {"scopes": ["more"]}}})).await;
    cut_for(3).await;
    at_rest(story, "dropped", 3).await;
    witness.saw_no_loss();
    cut_for(6).await;
    story.delete_secret("dropped-token").await;
    cut_for(3).await;
    at_rest(story, "dropped", 4).await;
    let watches = proxy.calls().iter().filter(|call| call.is_watch()).count();
    assert!(watches >= 20, "only {watches} watches were begun: were any cut?");
}

/// The list and the watch of Secrets fail, while those of other kinds succeed.
pub(crate) async fn list_that_keeps_failing_is_repeated_ever_more_seldom(story: &mut Story, proxy: &Proxy) {
    repeated_ever_more_seldom(story, proxy, reads_secrets).await;
}

/// The watch of Secrets fails, and each list before it succeeds.
pub(crate) async fn watch_that_keeps_failing_is_repeated_ever_more_seldom(story: &mut Story, proxy: &Proxy) {
    let lists = || proxy.calls().iter().filter(|call| reads_secrets(call) && !call.is_watch()).count();
    let before = lists();
    repeated_ever_more_seldom(story, proxy, |call| reads_secrets(call) && call.is_watch()).await;
    assert!((1..=12).contains(&(lists() - before)), "{} lists", lists() - before);
}

fn reads_secrets(call: &Call) -> bool {
    call.method == "GET" && call.path().ends_with("/secrets")
}

async fn repeated_ever_more_seldom(story: &mut Story, proxy: &Proxy, fails: fn(&Call) -> bool) {
    settled(story, "patient").await;
    let refused = proxy.inject(usize::MAX, Fault::Answer(500, None), fails);
    proxy.cut_watches();
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert!((1..=9).contains(&refused.count()), "{} attempts in 40 s", refused.count());
    let said = |what: &str| story.controller.logs().lines().filter(|line| line.contains(what)).count();
    assert_eq!(said("Watch failed"), 1, "{}", story.controller.logs());
    proxy.clear();
    eventually("the recovery", Duration::from_secs(45), async || match said("Watch works again") {
        1 => Ok(()),
        count => Err(count),
    })
    .await;
}
