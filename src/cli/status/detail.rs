//! The details of one `TokenSource`: facts, conditions with their messages, advice, Events. Pure: the present is an
//! argument.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use serde::Serialize;

use super::history::HistoryEvent;
use super::row::{Row, colour};
use crate::api::{ConditionType, Reason, TokenSource, annotation, from_kubernetes, timestamp};
use crate::api_calls::chain;
use crate::cli::error::Error;
use crate::cli::output::{BAD, TITLE, WARNING, harmless, styled, wrapped};
use crate::cli::spans::{countdown, relative, span};
use crate::cli::table::Cell;

/// The details for a program.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    #[serde(flatten)]
    row: Row,
    conditions: Vec<ConditionReport>,
    /// None if the Events could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<&'a [HistoryEvent]>,
}

/// A condition with advice.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConditionReport {
    #[serde(rename = "type")]
    type_: String,
    status: String,
    reason: String,
    message: String,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
}

pub(super) fn document<'a>(
    source: &TokenSource,
    history: &'a Result<Vec<HistoryEvent>, Error>,
) -> Document<'a> {
    let conditions = conditions(source).into_iter().map(|condition| ConditionReport {
        type_: condition.type_.clone(),
        status: condition.status.clone(),
        reason: harmless(&condition.reason),
        message: harmless(&condition.message),
        since: timestamp(from_kubernetes(&condition.last_transition_time)),
        advice: problem(condition).map(Reason::advice),
    });
    Document { row: Row::of(source), conditions: conditions.collect(), events: history.as_deref().ok() }
}

pub(super) fn page(
    source: &TokenSource,
    history: &Result<Vec<HistoryEvent>, Error>,
    now: DateTime<Utc>,
) -> String {
    let mut text = facts(source, now);
    let mut printed = "";
    for condition in conditions(source) {
        let bad = if condition.type_ == "Ready" { BAD } else { WARNING };
        let _ = writeln!(
            text,
            "\n{} has been {} for {} ({})",
            styled(TITLE, &condition.type_),
            styled(style(condition, bad), &condition.status),
            span(now - from_kubernetes(&condition.last_transition_time)),
            harmless(&condition.reason),
        );
        // The conditions Stalled and Renewed mostly have the same message.
        if condition.message != printed {
            text += &wrapped(&harmless(&condition.message), 2);
        }
        printed = &condition.message;
    }
    if conditions(source).is_empty() {
        text += "\n";
        text += &wrapped(
            "No controller has handled this TokenSource yet. If this does not change, check that a controller is running \
             and that its --namespace and --selector include this TokenSource.",
            0,
        );
    }
    text += &advice(source);
    text += &events(history, now);
    text
}

fn facts(source: &TokenSource, now: DateTime<Utc>) -> String {
    let status = source.status.clone().unwrap_or_default();
    let row = Row::of(source);
    let instant = |at: DateTime<Utc>| format!("{} ({})", relative(at, now), timestamp(at));
    let mut lines = vec![
        ("Name", Some(row.name)),
        ("Namespace", Some(row.namespace)),
        ("Provider", row.provider),
        ("Target", row.target.map(|target| format!("Secret {target}"))),
        ("Type", status.token_type),
        ("Scope", status.scope),
        ("Issued", row.issued_at.map(instant)),
        ("Expires", row.expires_at.map(instant)),
        ("Renews", row.renew_at.map(instant)),
    ];
    let last = status.last_failure_time.as_ref().map(from_kubernetes);
    let failures = last.filter(|_| status.failures > 0);
    lines.push((
        "Failures",
        failures.map(|last| format!("{} in a row, the last {}", status.failures, relative(last, now))),
    ));
    if source.metadata.deletion_timestamp.is_some() {
        let revokes = source.finalizers().iter().any(|finalizer| finalizer == annotation::FINALIZER);
        let state = if revokes { "being deleted: revoking its tokens" } else { "being deleted" };
        lines.push(("Deletion", Some(state.to_owned())));
    }
    if source.spec.suspend {
        lines.push(("Suspended", Some("yes: no token is requested".to_owned())));
    }
    lines
        .iter()
        .filter_map(|(label, value)| {
            Some(format!("{:<12}{}\n", format!("{label}:"), harmless(value.as_ref()?)))
        })
        .collect()
}

/// The conditions in a fixed order: the state of the token, the last attempt, the others.
fn conditions(source: &TokenSource) -> Vec<&Condition> {
    let order =
        [ConditionType::Ready, ConditionType::Renewed, ConditionType::Stalled, ConditionType::Reconciling];
    let all = source.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    order.into_iter().filter_map(|kind| kind.find(all)).collect()
}

/// The style of a condition's status. `Stalled` and `Reconciling` are present only while there is no usable token.
fn style(condition: &Condition, bad: anstyle::Style) -> anstyle::Style {
    match condition.type_.as_str() {
        "Stalled" => BAD,
        "Reconciling" => WARNING,
        _ => colour(&condition.status, bad),
    }
}

/// The reason of a condition, if it is a problem that a person can act on.
fn problem(condition: &Condition) -> Option<Reason> {
    let judged = ["Ready", "Renewed"].contains(&condition.type_.as_str());
    Reason::named(&condition.reason).filter(|_| judged && condition.status != "True")
}

/// The advice for each reason, once: first why the last attempt failed, then the state of the token.
fn advice(source: &TokenSource) -> String {
    let conditions = conditions(source);
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    for reason in conditions.iter().rev().filter_map(|condition| problem(condition)) {
        if !seen.insert(reason) {
            continue;
        }
        let _ = writeln!(text, "\n{}", styled(TITLE, &format!("What to do about {reason}")));
        if !conditions.iter().any(|condition| condition.message.contains(reason.sentence())) {
            text += &wrapped(reason.sentence(), 2);
        }
        text += &wrapped(reason.advice(), 2);
    }
    text
}

fn events(history: &Result<Vec<HistoryEvent>, Error>, now: DateTime<Utc>) -> String {
    let title = styled(TITLE, "Events");
    match history {
        Err(error) => format!("\n{title}\n{}", wrapped(&chain(error), 2)),
        Ok(entries) if entries.is_empty() => {
            format!("\n{title}: none. By default, the API server keeps Events for an hour.\n")
        }
        Ok(entries) => {
            let rows: Vec<_> = entries.iter().map(|entry| cells(entry, now)).collect();
            let table = crate::cli::table::table(&["WHEN", "REASON", "WHAT"], &rows);
            table.lines().fold(format!("\n{title}\n"), |text, line| text + "  " + line + "\n")
        }
    }
}

fn cells(entry: &HistoryEvent, now: DateTime<Utc>) -> Vec<Cell> {
    let times = if entry.count > 1 { format!(" ({} times)", entry.count) } else { String::new() };
    let style = if entry.warning { WARNING } else { anstyle::Style::new() };
    vec![
        Cell::plain(countdown(entry.at, now)),
        Cell::styled(&entry.reason, style),
        Cell::plain(format!("{}{times}", entry.note)),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::row::tests::{condition, now, source};
    use super::*;
    use crate::api::to_kubernetes;
    use crate::api_calls::CallFailed;
    use serde_json::json;

    fn failing() -> TokenSource {
        source(
            "ocrolus",
            &json!({
                "issuedAt": "2025-12-31T23:00:00Z", "expiresAt": "2026-01-01T00:10:00Z",
                "renewAt": "2026-01-01T00:45:00Z", "tokenType": "Bearer", "target": {"name": "ocrolus-token"},
                "failures": 3, "lastFailureTime": "2025-12-31T23:58:00Z", "retryAt": "2026-01-01T00:45:00Z",
                "conditions": [
                    condition("Renewed", "False", "InvalidClient", "It was refused.\u{1b}[2J"),
                    condition("Ready", "True", "TokenIssued", "The target holds a valid token."),
                ],
            }),
        )
    }

    fn event(at: i64, reason: &str, count: i32) -> HistoryEvent {
        let at = DateTime::from_timestamp(at, 0);
        let time = at.map(timestamp);
        HistoryEvent {
            at,
            time,
            warning: count > 1,
            reason: reason.to_owned(),
            note: "It happened.".to_owned(),
            count,
        }
    }

    fn shown(source: &TokenSource, history: &Result<Vec<HistoryEvent>, Error>) -> String {
        anstream::adapter::strip_str(&page(source, history, now())).to_string()
    }

    #[test]
    fn page_shows_what_is_wrong_and_what_to_do() {
        let events = vec![event(1_767_222_000, "TokenIssued", 1), event(1_767_225_480, "InvalidClient", 3)];
        let advice = wrapped(Reason::InvalidClient.advice(), 2);
        assert_eq!(
            shown(&failing(), &Ok(events)),
            format!(
                "Name:       ocrolus\n\
                 Namespace:  payments\n\
                 Provider:   https://auth.example.com/token\n\
                 Target:     Secret ocrolus-token\n\
                 Type:       Bearer\n\
                 Issued:     1h ago (2025-12-31T23:00:00Z)\n\
                 Expires:    in 10m (2026-01-01T00:10:00Z)\n\
                 Renews:     in 45m (2026-01-01T00:45:00Z)\n\
                 Failures:   3 in a row, the last 2m ago\n\
                 \n\
                 Ready has been True for 12m (TokenIssued)\n\
                 \u{20} The target holds a valid token.\n\
                 \n\
                 Renewed has been False for 12m (InvalidClient)\n\
                 \u{20} It was refused.\\u001b[2J\n\
                 \n\
                 What to do about InvalidClient\n\
                 \u{20} The provider does not accept the client's credentials.\n\
                 {advice}\n\
                 Events\n\
                 \u{20} WHEN     REASON          WHAT\n\
                 \u{20} 1h ago   TokenIssued     It happened.\n\
                 \u{20} 2m ago   InvalidClient   It happened. (3 times)\n"
            )
        );
    }

    #[test]
    fn page_says_what_a_deletion_waits_for() {
        let mut source = failing();
        source.metadata.deletion_timestamp = Some(to_kubernetes(now()));
        let line = |source: &TokenSource| {
            let text = shown(source, &Ok(Vec::new()));
            text.lines().find(|line| line.starts_with("Deletion:")).map(str::to_owned)
        };
        assert_eq!(line(&failing()), None);
        assert_eq!(line(&source).as_deref(), Some("Deletion:   being deleted"));
        source.metadata.finalizers = Some(vec![annotation::FINALIZER.to_owned()]);
        assert_eq!(line(&source).as_deref(), Some("Deletion:   being deleted: revoking its tokens"));
    }

    #[test]
    fn page_reports_a_missing_controller_and_a_missing_permission() {
        let text = shown(
            &source("new", &json!(null)),
            &Err(Error::Call("its Events could not be read", CallFailed::Deadline(Duration::from_secs(15)))),
        );
        assert!(text.contains("No controller has handled this TokenSource yet."), "{text}");
        assert!(text.ends_with("Events\n  its Events could not be read: no answer within 15 s\n"), "{text}");
    }

    #[test]
    fn json_has_no_member_for_events_that_could_not_be_read() {
        let events =
            |history| serde_json::to_value(document(&failing(), &history)).unwrap().get("events").cloned();
        let failed = CallFailed::Deadline(Duration::from_secs(15));
        assert_eq!(events(Err(Error::Call("its Events could not be read", failed))), None);
        assert_eq!(events(Ok(Vec::new())), Some(json!([])));
    }

    #[test]
    fn json_has_advice_only_for_conditions_with_a_problem() {
        let events = Ok(vec![event(0, "TokenIssued", 1)]);
        let read = serde_json::to_value(document(&failing(), &events)).unwrap();
        assert_eq!(read["conditions"][0]["type"], "Ready");
        assert_eq!(read["conditions"][0].get("advice"), None);
        assert_eq!(read["conditions"][1]["advice"], Reason::InvalidClient.advice());
        assert_eq!(read["conditions"][1]["since"], "2025-12-31T23:48:00Z");
        assert_eq!(read["events"][0]["time"], "1970-01-01T00:00:00Z");
        assert_eq!(read["name"], "ocrolus");
    }
}
