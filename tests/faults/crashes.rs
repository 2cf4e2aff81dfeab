//! Intermediate states: the process is killed after each step between the token request and the status, once with the first
//! token and once with a renewal. A token is lost if only the killed process has it, which cannot be avoided.

use std::time::Duration;

use serde_json::json;
use tokensource_kit::eventually;
use tokensource_kit::proxy::{Call, Fault, Injection, Proxy};
use tokensource_kit::scripted_provider::Answer;

use crate::story::{SOON, Story, TOKEN};
use crate::witness::{Witness, at_rest, rotate};

/// A crash with the first token, and another with a renewal; `lost` is the number of tokens that each costs.
async fn crash(
    story: &Story,
    proxy: &Proxy,
    lost: [usize; 2],
    inject: impl Fn() -> Option<Injection>,
    arrives: impl AsyncFn(Option<Injection>, usize),
) {
    story.provider.always(TOKEN, Answer::token(3600));
    let injection = inject();
    story.ask("fallen", &json!({})).await;
    arrives(injection, 1).await;
    again(story, proxy).await;
    let first = 1 + lost[0];
    at_rest(story, "fallen", first).await;

    let witness = Witness::of(story, &["fallen-token"]);
    let before = story.value("fallen-token", "access_token").await;
    let injection = inject();
    rotate(story, "another-secret").await;
    arrives(injection, first + 1).await;
    again(story, proxy).await;
    at_rest(story, "fallen", first + 1 + lost[1]).await;
    assert_ne!(story.value("fallen-token", "access_token").await, before);
    witness.saw_no_loss();
}

/// Kills and restarts the controller. Calls on the way to the API server are not delivered afterwards.
async fn again(story: &Story, proxy: &Proxy) {
    story.controller.kill9();
    proxy.clear();
    // The provider answers even if the client has ended, so the lost token is the first issued token.
    eventually("all answers", SOON, async || {
        let (asked, answered) = (story.provider.count(TOKEN), story.provider.issued().len());
        if asked == answered { Ok(()) } else { Err(format!("{answered} of {asked}")) }
    })
    .await;
    story.controller.restart().await;
}

/// A crash at a call.
async fn crash_at(story: &Story, proxy: &Proxy, lost: [usize; 2], fault: Fault, choice: fn(&Call) -> bool) {
    let inject = || Some(proxy.inject(1, fault.clone(), choice));
    let arrives = async |injection: Option<Injection>, _: usize| injection.expect("one").met(1).await;
    crash(story, proxy, lost, inject, arrives).await;
}

/// Whether the call writes the token.
fn publishes(call: &Call) -> bool {
    call.writes_secret() && (call.method == "POST" || call.target.contains("force=true"))
}

pub(crate) async fn before_the_answer(story: &mut Story, proxy: &Proxy) {
    let inject = || {
        story.provider.answer(TOKEN, Answer::token(3600).after(Duration::from_secs(3)));
        None
    };
    crash(story, proxy, [1, 1], inject, async |_, requests| story.asked(requests).await).await;
}

pub(crate) async fn after_the_answer_before_the_secret(story: &mut Story, proxy: &Proxy) {
    crash_at(story, proxy, [1, 1], Fault::Hold, publishes).await;
}

/// Before the first apply, the controller takes over the ownership of the fields that it created by POST: a separate write,
/// only with a renewal. With the first token there is no such call, so the crash occurs after all writes.
pub(crate) async fn after_the_secret_was_claimed(story: &mut Story, proxy: &Proxy) {
    let inject = || Some(proxy.inject(1, Fault::HoldAnswer, |call| call.writes_secret() && !publishes(call)));
    let arrives = async |injection: Option<Injection>, requests: usize| match requests {
        1 => at_rest(story, "fallen", 1).await,
        _ => injection.expect("one").met(1).await,
    };
    crash(story, proxy, [0, 1], inject, arrives).await;
}

pub(crate) async fn after_the_secret_without_its_answer(story: &mut Story, proxy: &Proxy) {
    crash_at(story, proxy, [0, 0], Fault::HoldAnswer, publishes).await;
}

pub(crate) async fn after_the_secret_before_the_status(story: &mut Story, proxy: &Proxy) {
    crash_at(story, proxy, [0, 0], Fault::Hold, Call::writes_status).await;
}

pub(crate) async fn after_the_status(story: &mut Story, proxy: &Proxy) {
    crash_at(story, proxy, [0, 0], Fault::HoldAnswer, Call::writes_status).await;
}
