//! Renewal before expiry, again and again.

use std::time::Duration;

use serde_json::json;
use tokensource::api::ConditionType;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::throughout;

use crate::story::{Story, TOKEN, is};

pub(crate) async fn token_never_expires_in_the_secret(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(14));
    story.ask("steady", &json!({})).await;
    story.ready("steady").await;
    throughout("a valid token in the Secret", Duration::from_secs(25), async || {
        let expires_at = story.value("steady-token", "expires_at").await;
        let left = chrono::DateTime::parse_from_rfc3339(&expires_at).unwrap().to_utc() - chrono::Utc::now();
        let source = story.source("steady").await;
        if left <= chrono::TimeDelta::zero() || !is(&source, ConditionType::Ready, "True") {
            return Err(format!("{left} left, {:?}", source.status));
        }
        Ok(())
    })
    .await;
    // A renewal is due after 6.3 s to 7 s: three or four renewals in 25 s, and never two requests within the minimum interval.
    let requests = story.provider.requests(TOKEN);
    assert!((4..=5).contains(&requests.len()), "{} requests", requests.len());
    for pair in requests.windows(2) {
        assert!(pair[1].instant - pair[0].instant >= Duration::from_secs(5));
    }
    assert_eq!(story.value("steady-token", "access_token").await, *story.provider.issued().last().unwrap());
    assert_eq!(story.events("steady").await, ["TokenIssued"], "a routine renewal writes no Event");
}

pub(crate) async fn same_token_again_does_not_spin(story: &mut Story) {
    let same = json!({"access_token": "the-one-and-only", "token_type": "bearer", "expires_in": 14});
    story.provider.always(TOKEN, Answer::json(200, &same));
    story.ask("sticky", &json!({})).await;
    story.ready("sticky").await;
    story
        .until("sticky", "a second request", |source| {
            source.status.as_ref().is_some_and(|status| status.last_unchanged_time.is_some())
        })
        .await;
    let first = story.secret("sticky-token").await;
    // The next request is due when the token expires, seconds later, and not at every reconcile.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(story.provider.count(TOKEN), 2);
    assert_eq!(story.secret("sticky-token").await.metadata.resource_version, first.metadata.resource_version);
}

pub(crate) async fn same_token_with_a_longer_life_is_news(story: &mut Story) {
    story.provider.respond(TOKEN, |_, number| {
        let life = if number == 1 { 14 } else { 3600 };
        Answer::json(200, &json!({"access_token": "for-ever", "token_type": "bearer", "expires_in": life}))
    });
    story.ask("extended", &json!({})).await;
    story.ready("extended").await;
    story.asked_exactly(2).await;
    let source = story.ready("extended").await;
    let left = source.status.unwrap().expires_at.unwrap().0.as_second() - chrono::Utc::now().timestamp();
    assert!(left > 3000, "{left} s left");
    assert_eq!(story.value("extended-token", "access_token").await, "for-ever");
}
