//! Providers that refuse, fail and throttle. The valid token stays, and requests stay rare.

use std::time::Duration;

use serde_json::json;
use tokensource::api::ConditionType;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::throughout;

use crate::story::{Story, TOKEN, condition, is};

pub(crate) async fn refused_credentials_stop_the_asking(story: &mut Story) {
    story.provider.always(TOKEN, Answer::error(401, "invalid_client"));
    story.ask("refused", &json!({})).await;
    let source = story.failing("refused", "InvalidClient").await;
    assert!(is(&source, ConditionType::Stalled, "True"));
    let status = source.status.clone().unwrap();
    assert_eq!(status.failures, 1);
    assert!(status.last_failure_time.is_some() && status.failed_inputs.is_some());
    story.asked_exactly(1).await;
    // Neither a restart nor a label causes a request.
    story.controller.kill9();
    story.controller.restart().await;
    story.patch_source("refused", &json!({"metadata": {"labels": {"touched": "yes"}}})).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    story.asked_exactly(1).await;
    assert_eq!(story.events("refused").await, ["InvalidClient"]);
    // Other credentials cause a request immediately.
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "the-right-one").await;
    let source = story.ready("refused").await;
    assert_eq!(source.status.unwrap().failures, 0);
    story.asked_exactly(2).await;
}

pub(crate) async fn unavailable_provider_is_tried_again(story: &mut Story) {
    story.provider.always(TOKEN, Answer::status(503));
    story.ask("patient", &json!({})).await;
    let source = story.failing("patient", "ProviderUnavailable").await;
    assert!(is(&source, ConditionType::Reconciling, "True"));
    story.until("patient", "a second failure", |source| source.status.as_ref().unwrap().failures >= 2).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.ready("patient").await;
    let times: Vec<_> = story.provider.requests(TOKEN).iter().map(|request| request.instant).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)), "{times:?}");
}

pub(crate) async fn retry_after_is_obeyed(story: &mut Story) {
    story.provider.answer(TOKEN, Answer::error(429, "slow_down").header("Retry-After", "9"));
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("throttled", &json!({})).await;
    story.failing("throttled", "RateLimited").await;
    // A restart does not shorten the wait.
    story.controller.kill9();
    story.controller.restart().await;
    story.ready("throttled").await;
    let requests = story.provider.requests(TOKEN);
    assert_eq!(requests.len(), 2);
    let waited = requests[1].instant - requests[0].instant;
    assert!(waited >= Duration::from_secs(8), "waited {waited:?}"); // whole seconds are stored
}

pub(crate) async fn failing_renewal_leaves_the_good_token(story: &mut Story) {
    story.provider.answer(TOKEN, Answer::token(30));
    story.provider.always(TOKEN, Answer::status(500));
    story.ask("kept", &json!({"renewal": {"atPercentage": 10}})).await;
    story.ready("kept").await;
    let source = story.failing("kept", "ProviderUnavailable").await;
    assert!(is(&source, ConditionType::Ready, "True"));
    assert!(condition(&source, ConditionType::Stalled).is_none());
    throughout("the good token", Duration::from_secs(6), async || {
        let token = story.value("kept-token", "access_token").await;
        let ready = is(&story.source("kept").await, ConditionType::Ready, "True");
        if ready && Some(&token) == story.provider.issued().first() {
            Ok(())
        } else {
            Err("the first token was lost, or Ready is not True")
        }
    })
    .await;
    let requests = story.provider.count(TOKEN);
    assert!((3..=6).contains(&requests), "{requests} requests");
}

pub(crate) async fn expiry_of_a_good_token_is_reported(story: &mut Story) {
    story.provider.answer(TOKEN, Answer::token(12));
    story.provider.always(TOKEN, Answer::error(400, "unauthorized_client"));
    story.ask("doomed", &json!({})).await;
    story.ready("doomed").await;
    let source = story
        .until("doomed", "TokenExpired", |source| {
            condition(source, ConditionType::Ready).is_some_and(|(_, reason, _)| reason == "TokenExpired")
        })
        .await;
    let status = source.status.clone().unwrap();
    let since = status.conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
    let late = since.last_transition_time.0.as_second() - status.expires_at.unwrap().0.as_second();
    assert!((0..=2).contains(&late), "Ready turned False {late} s after expiry");
    assert!(is(&source, ConditionType::Stalled, "True"));
    assert_eq!(condition(&source, ConditionType::Stalled).unwrap().1, "UnauthorizedClient");
    story.asked_exactly(2).await;
    let events = story.events("doomed").await;
    for expected in ["TokenIssued", "UnauthorizedClient", "TokenExpired"] {
        assert!(events.contains(&expected.to_owned()), "{events:?}");
    }
}

pub(crate) async fn broken_template_keeps_the_good_secret(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("shaped", &json!({"target": {"data": {"header": "Bearer {{ access_token }}"}}})).await;
    story.ready("shaped").await;
    let before = story.secret("shaped-token").await;
    // The template uses a forbidden value in its second line.
    let broken = json!({"spec": {"target": {"data": {"header": "Bearer\n{{ refresh_token }}"}}}});
    story.patch_source("shaped", &broken).await;
    let source = story.failing("shaped", "TemplateInvalid").await;
    let (_, _, message) = condition(&source, ConditionType::Renewed).unwrap();
    assert!(message.contains("key header, line 2"), "{message}");
    story.asked_exactly(1).await;
    let after = story.secret("shaped-token").await;
    assert_eq!(
        (after.data, after.metadata.resource_version),
        (before.data, before.metadata.resource_version)
    );
    // The previous template again. The stored token was written with it, so no token is requested.
    let mended = json!({"spec": {"target": {"data": {"header": "Bearer {{ access_token }}"}}}});
    story.patch_source("shaped", &mended).await;
    story.ready("shaped").await;
    story.asked_exactly(1).await;
}

pub(crate) async fn templates_end_no_process_and_cost_little(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let slices = json!({"a": "{{ scope[::-1] }}", "b": "{{ [][::-1] | join }}", "c": "{{ ''[:0:-1] }}"});
    story.ask("slices", &json!({"target": {"data": slices}})).await;
    story.ready("slices").await;
    let (long, wide) = ("a".repeat(4000), "a".repeat(60));
    let heavy = format!(
        "{{{{ '{long}' | replace('a', '{wide}') {} | length }}}}",
        "| split('a') | join('a')".repeat(48)
    );
    story.ask("heavy", &json!({"target": {"data": {"a": heavy}}})).await;
    let source = story.failing("heavy", "TemplateInvalid").await;
    let (_, _, message) = condition(&source, ConditionType::Renewed).unwrap();
    assert!(message.contains("more work"), "{message}");
    story.asked_exactly(1).await;
}
