//! The log lines, as a program reads them from JSON.

use std::io::{self, Write};
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::api::{Reason, TokenProviderSpec, TokenSourceSpec, to_kubernetes};
use crate::oauth::Retry;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(part)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that are written at the default level.
fn written(log: impl FnOnce()) -> Vec<String> {
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
    tracing::subscriber::with_default(subscriber.finish(), log);
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

fn failure() -> Failure {
    Failure {
        reason: Reason::InvalidClient,
        retry: Retry::TERMINAL,
        retry_after: None,
        message: "auth.example.com answered 401 invalid_client".to_owned(),
    }
}

/// Logs outcomes of one `TokenSource`, with a status that differs from the observed one if it is `news`.
fn log_outcome(log: &Log, namespace: &str, outcome: &Outcome, news: bool) {
    let provider = TokenProviderSpec {
        token_endpoint: Some("https://auth.example.com/token".to_owned()),
        ..TokenProviderSpec::default()
    };
    let (spec, before) = (TokenSourceSpec::default(), TokenSourceStatus::default());
    let observed = Observed {
        namespace: "payments",
        name: "source",
        uid: "uid",
        ..Observed::new(&spec, &before, Ok(&provider), now())
    };
    let status = if news {
        let retry_at = Some(to_kubernetes(now() + TimeDelta::hours(1)));
        TokenSourceStatus { failures: 1, retry_at, ..before.clone() }
    } else {
        before.clone()
    };
    log.outcome(&(namespace.into(), "source".into()), &observed, outcome, &status);
}

#[test]
fn failed_request_is_one_line_with_each_field_once() {
    let log = Log::new(Counter::default());
    let lines = written(|| log_outcome(&log, "team-a", &Outcome::Failed(now(), failure()), true));
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    let found: Value = serde_json::from_str(line).unwrap();
    for (field, value) in [
        ("level", "WARN"),
        ("message", "No new token"),
        ("namespace", "team-a"),
        ("name", "source"),
        ("reason", "InvalidClient"),
        ("detail", "auth.example.com answered 401 invalid_client"),
        ("host", "auth.example.com"),
        ("next_attempt", "2026-01-01T01:00:00Z"),
    ] {
        assert_eq!(found[field], value, "{field} of {line}");
        assert_eq!(line.matches(&format!("\"{field}\":")).count(), 1, "{field} of {line}");
    }
    assert_eq!(found["failures"], 1);
}

#[test]
fn refusal_that_is_no_news_is_not_written() {
    let log = Log::new(Counter::default());
    let refused = Outcome::Refused(failure());
    let lines = written(|| {
        log_outcome(&log, "team-a", &refused, true);
        log_outcome(&log, "team-a", &refused, false);
        log_outcome(&log, "team-a", &refused, false);
    });
    assert_eq!(lines.len(), 1, "{lines:#?}");
}

#[test]
fn unwritten_token_is_left_to_the_error_that_explains_it() {
    let log = Log::new(Counter::default());
    let lines = written(|| {
        log_outcome(&log, "team-a", &Outcome::Unwritten(now(), failure()), true);
        let error = Error::WriteTarget(crate::controller::error::CallError::Deadline);
        log.failed(&("team-a".into(), "source".into()), &error, Duration::from_secs(4), now());
    });
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    let found: Value = serde_json::from_str(line).unwrap();
    assert_eq!(found["message"], "Reconcile failed");
    assert_eq!(found["reason"], "WriteTarget");
    assert_eq!(found["detail"], "the target Secret could not be written: no answer within 10 s");
    assert_eq!(found["next_attempt"], "2026-01-01T00:00:04Z");
}

#[test]
fn namespace_that_fails_without_end_leaves_room_for_the_lines_of_others() {
    let dropped = Counter::default();
    let log = Log::new(dropped.clone());
    let failed = Outcome::Failed(now(), failure());
    let lines = written(|| {
        for _ in 0..5000 {
            log_outcome(&log, "hostile", &failed, true);
        }
        log_outcome(&log, "other", &failed, true);
    });
    assert_eq!(lines.len(), 101);
    assert!(lines.last().unwrap().contains("other"));
    assert_eq!(dropped.get(), 4900);
}
