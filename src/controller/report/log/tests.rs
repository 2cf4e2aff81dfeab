//! The log lines, as a program reads them from JSON.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::api::{Reason, TokenProviderSpec, TokenSourceSpec, to_kubernetes};
use crate::decide::versions::Versions;
use crate::decide::{Cause, Publication, Published, Target};
use crate::oauth::Retry;

/// The lines that are written at the default level.
fn written(log: impl FnOnce()) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(file.reopen().unwrap());
    tracing::subscriber::with_default(subscriber.finish(), log);
    let text = std::fs::read_to_string(file.path()).unwrap();
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

/// Logs an outcome of a `TokenSource`, with a status that differs from the observed one if `news` is true.
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
        let renew_at = Some(to_kubernetes(now() + TimeDelta::minutes(45)));
        TokenSourceStatus { failures: 1, retry_at, renew_at, ..before.clone() }
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

/// The level and the fields of this message in `docs/logs.md`.
fn row(message: &str) -> (String, BTreeSet<String>) {
    let page = include_str!("../../../../docs/logs.md");
    let start = format!("| `{message}` | ");
    let row = page.lines().find_map(|line| line.strip_prefix(&start));
    let mut cells = row.unwrap_or_else(|| panic!("docs/logs.md has no row for {message}")).split(" | ");
    let level = cells.next().unwrap().to_owned();
    (level, cells.next().unwrap().split(", ").map(|field| field.trim_matches('`').to_owned()).collect())
}

#[test]
fn lines_have_the_level_and_the_fields_of_the_page() {
    let published = Published {
        uid: "uid".to_owned(),
        resource_version: "1".to_owned(),
        issued_at: now(),
        expires_at: now() + TimeDelta::hours(1),
        since: now(),
        inputs_fingerprint: "inputs".to_owned(),
        versions: Versions::default(),
        handled_renew_request: None,
        intact: true,
        metadata_in_sync: true,
    };
    let publication = Publication {
        cause: Cause::RenewalDue,
        published,
        unchanged_at: None,
        fell_back: false,
        token_type: "Bearer".to_owned(),
        scope: None,
        notices: BTreeSet::new(),
    };
    let outcomes = [
        Outcome::Published(publication),
        Outcome::Failed(now(), failure()),
        Outcome::Refused(failure()),
        Outcome::Withdrawn(Target::Missing),
        Outcome::FormerTargetsDeleted(vec!["former".to_owned()]),
        Outcome::Restarted(vec!["Deployment web".to_owned()]),
        Outcome::NotRestarted(failure()),
    ];
    let log = Log::new(Counter::default());
    let named = ("team-a".into(), "source".into());
    let lines = written(|| {
        for outcome in &outcomes {
            log_outcome(&log, "team-a", outcome, true);
        }
        let error = Error::WriteTarget(crate::controller::error::CallError::Deadline);
        log.failed(&named, &error, Duration::from_secs(4), now());
        log.revoked(&named, now());
        log.not_revoked(&named, &failure(), now());
    });
    assert_eq!(lines.len(), 10, "{lines:#?}");
    for line in lines {
        let found: serde_json::Map<String, Value> = serde_json::from_str(&line).unwrap();
        let (level, fields) = row(found["message"].as_str().unwrap());
        assert_eq!(found["level"], level.as_str(), "{line}");
        let in_all_lines = ["timestamp", "level", "message", "target"];
        let own = found.keys().filter(|key| !in_all_lines.contains(&key.as_str())).cloned();
        assert_eq!(own.collect::<BTreeSet<_>>(), fields, "{line}");
    }
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
fn unwritten_token_is_logged_only_with_the_error_of_its_reconcile() {
    let log = Log::new(Counter::default());
    let lines = written(|| {
        log_outcome(&log, "team-a", &Outcome::Unwritten(Some(now()), failure()), true);
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

#[test]
fn restart_of_no_workload_is_not_logged() {
    let log = Log::new(Counter::default());
    let restarted = |workloads: &[&str]| {
        let workloads = workloads.iter().map(|&name| name.to_owned()).collect();
        written(|| log_outcome(&log, "team-a", &Outcome::Restarted(workloads), true))
    };
    assert_eq!(restarted(&[]), Vec::<String>::new());
    let lines = restarted(&["Deployment app", "DaemonSet agent"]);
    assert!(lines.len() == 1 && lines[0].contains("Deployment app, DaemonSet agent"), "{lines:?}");
}
