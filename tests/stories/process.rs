//! The process: its endpoints, and how it ends.

use std::time::Duration;

use serde_json::json;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{Story, TOKEN};

pub(crate) async fn endpoints_tell_the_state(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("counted", &json!({})).await;
    story.ready("counted").await;
    let metrics = story.controller.metrics().await;
    for line in [
        "tokensource_renewals_total{result=\"success\",reason=\"TokenPending\"} 1",
        "tokensource_token_request_duration_seconds_count 1",
        "tokensource_build_info{version=",
    ] {
        assert!(metrics.contains(line), "{line} is missing from\n{metrics}");
    }
}

pub(crate) async fn sigterm_lets_the_exchange_end(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600).after(Duration::from_secs(3)));
    story.ask("midway", &json!({})).await;
    story.asked(1).await;
    let status = story.controller.terminate().await;
    assert!(status.success(), "{status}");
    // The token that was being asked for was stored before the process ended.
    let token = story.value("midway-token", "access_token").await;
    assert_eq!(story.provider.issued(), [token]);
    story.controller.restart().await;
    story.ready("midway").await;
    story.asked_exactly(1).await;
}

pub(crate) async fn no_core_is_dumped(story: &mut Story) {
    let pid = story.controller.process().pid().expect("it runs");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("a process of ours");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("the limit");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}
