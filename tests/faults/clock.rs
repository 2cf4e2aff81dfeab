//! The wall clock is changed by an hour, in each direction, while the controller runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::json;
use tokensource_kit::proxy::Proxy;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::unique;

use crate::story::{Story, TOKEN};

/// The lifetime of the tokens.
const LIFE: Duration = Duration::from_secs(20);

/// The environment in which a controller's clock can be changed, for the stories of this module.
pub(crate) fn environment(story: &str) -> Vec<(&'static str, String)> {
    if !story.starts_with("clock::") {
        return Vec::new();
    }
    vec![
        ("LD_PRELOAD", LIBRARY.display().to_string()),
        ("CLOCK_STEP", step_file(story).display().to_string()),
    ]
}

/// The library, compiled by the C compiler that the product's own build needs.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let library = directory().join("clock.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/clock.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source);
    assert!(compiler.status().expect("a C compiler").success(), "cc failed; its messages are above");
    library
});

/// A temporary directory, a new directory for each run.
fn directory() -> PathBuf {
    static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
        let directory = std::env::temp_dir().join(format!("clock-{}", unique::word(8)));
        std::fs::create_dir(&directory).expect("a temporary directory");
        directory
    });
    DIRECTORY.clone()
}

fn step_file(story: &str) -> PathBuf {
    directory().join(story.replace("::", "-"))
}

fn step(story: &str, seconds: i64) {
    std::fs::write(step_file(story), seconds.to_string()).expect("written");
}

pub(crate) async fn an_hour_forward(story: &mut Story, _: &Proxy) {
    stepped(story, "clock::an_hour_forward", 3600).await;
}

pub(crate) async fn an_hour_back(story: &mut Story, _: &Proxy) {
    stepped(story, "clock::an_hour_back", -3600).await;
}

/// Checks that the Secret has a valid token all the time, by the unchanged clock of the test.
async fn stepped(story: &Story, name: &str, seconds: i64) {
    story.provider.always(TOKEN, Answer::token(LIFE.as_secs()));
    story.ask("timely", &json!({})).await;
    story.ready("timely").await;
    let start = Instant::now();
    let mut stepped = false;
    while start.elapsed() < Duration::from_secs(45) {
        if !stepped && start.elapsed() > Duration::from_secs(5) {
            step(name, seconds);
            stepped = true;
        }
        let held = story.value("timely-token", "access_token").await;
        let number = story.provider.issued().iter().position(|issued| *issued == held).expect("issued here");
        let age = story.provider.requests(TOKEN)[number].instant.elapsed();
        assert!(age < LIFE, "the token is {age:?} old, {:?} after the start", start.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = story.controller.logs();
    let last = log.lines().rev().find(|line| line.contains("Token published")).expect("a line");
    let shifted = chrono::Utc::now() + chrono::TimeDelta::seconds(seconds);
    let hour = shifted.format("%Y-%m-%dT%H:").to_string();
    assert!(last.contains(&hour), "the clock was not stepped: {last}");
    // The controller sends at least one request in each half of a lifetime, and at most one more request after the change.
    let requests = story.provider.requests(TOKEN);
    assert!((4..=7).contains(&requests.len()), "{} requests", requests.len());
    for pair in requests.windows(2) {
        let distance = pair[1].instant - pair[0].instant;
        assert!(distance >= Duration::from_millis(4500), "asked again after {distance:?}");
    }
}
