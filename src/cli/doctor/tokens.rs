//! Groups the TokenSources that need attention by reason. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::facts::{Facts, Sources};
use super::finding::{Check, Finding};
use crate::api::{ConditionType, Reason, TokenSource, TokenSourceStatus, from_kubernetes};
use crate::decide::gauges;

/// How many names a message has.
const NAMES: usize = 5;
/// For this long, a new TokenSource may have no status.
const GRACE: TimeDelta = TimeDelta::seconds(60);

/// Why a TokenSource needs attention.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Problem {
    /// The Secret of the TokenSource has no valid token; by reason.
    NotReady(String),
    /// No controller has handled the TokenSource.
    Unhandled,
    /// The last attempt failed while the token is still valid; by reason.
    RenewalFailing(String),
    /// The TokenSource is suspended, and its Secret has no valid token.
    Suspended,
}

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let sources = match &facts.sources {
        Err(why) => {
            return vec![Check::Tokens.not_checked(format!("TokenSources could not be read: {why}"))];
        }
        Ok(sources) => sources,
    };
    let now = facts.server_now();
    let mut problems: BTreeMap<Problem, Vec<String>> = BTreeMap::new();
    for source in &sources.items {
        if let Some(problem) = problem(source, now) {
            let name = format!("{}/{}", source.namespace().unwrap_or_default(), source.name_any());
            problems.entry(problem).or_default().push(name);
        }
    }
    let mut findings: Vec<Finding> =
        problems.iter().map(|(problem, names)| finding(problem, names)).collect();
    if sources.more {
        let count = sources.items.len();
        findings.push(
            Check::Tokens
                .not_checked(format!("TokenSources after the first {count}; -l and -n select fewer.")),
        );
    }
    if findings.is_empty() {
        findings.push(Check::Tokens.ok(ok_message(sources, facts.namespace.as_deref())));
    }
    findings
}

fn ok_message(sources: &Sources, namespace: Option<&str>) -> String {
    let place = namespace.map_or_else(
        || "in all namespaces".to_owned(),
        |namespace| format!("in namespace {namespace} (-A checks all)"),
    );
    match sources.items.len() {
        0 => format!("There are no TokenSources {place}."),
        1 => format!("The one TokenSource {place} has a valid token or is less than a minute old."),
        count => {
            format!("All {count} TokenSources {place} have a valid token or are less than a minute old.")
        }
    }
}

fn problem(source: &TokenSource, now: DateTime<Utc>) -> Option<Problem> {
    let status = source.status.as_ref();
    let age = source.metadata.creation_timestamp.as_ref().map(|at| now - from_kubernetes(at));
    if status.is_none_or(TokenSourceStatus::is_blank) {
        return age.is_none_or(|age| age > GRACE).then_some(Problem::Unhandled);
    }
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let failed = ConditionType::Renewed.find_false(conditions);
    let is_ready = gauges(&source.spec, status, now).ready;
    let reason = |condition: &Condition| condition.reason.clone();
    match (is_ready, source.spec.suspend) {
        (true, true) => None,
        (true, false) => failed.map(|failed| Problem::RenewalFailing(reason(failed))),
        (false, true) => Some(Problem::Suspended),
        (false, false) => {
            let unready = ConditionType::Ready.find(conditions).filter(|ready| ready.status != "True");
            // `Ready` is still True although the token has expired if no controller runs any more.
            let reason = failed.or(unready).map_or_else(|| Reason::TokenExpired.as_str().to_owned(), reason);
            Some(Problem::NotReady(reason))
        }
    }
}

fn finding(problem: &Problem, names: &[String]) -> Finding {
    let advice =
        |reason: &str| Reason::named(reason).map_or("See docs/reasons.md.", Reason::advice).to_owned();
    let which = listed(names);
    match problem {
        Problem::NotReady(reason) => Check::Tokens.failure(
            "NotReady",
            format!("{reason}: no valid token: {which}"),
            format!("{reason}: {}", advice(reason)),
        ),
        Problem::Unhandled => Check::Tokens.failure(
            "Unhandled",
            format!("No controller has handled them: {which}"),
            "Check that a controller runs, and that its --namespace and --selector include these TokenSources.",
        ),
        Problem::RenewalFailing(reason) => Check::Tokens.warning(
            "RenewalFailing",
            format!("{reason}: renewals fail, the token is still valid: {which}"),
            format!("{reason}: {}", advice(reason)),
        ),
        Problem::Suspended => Check::Tokens.warning(
            "Suspended",
            format!("Suspended, without a valid token: {which}"),
            "kubectl tokensource resume NAME continues renewals.",
        ),
    }
}

/// `a/b, a/c and 7 more`
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{at, facts, results};
    use super::*;
    use crate::api::timestamp;
    use serde_json::{Value, json};

    /// A `TokenSource` that was created this number of seconds ago, with this spec and status.
    fn source(name: &str, age: i64, spec: &Value, status: &Value) -> TokenSource {
        serde_json::from_value(json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
            "metadata": {"name": name, "namespace": "team", "creationTimestamp": timestamp(at(-age))},
            "spec": spec, "status": status,
        }))
        .unwrap()
    }

    fn status(ready: (&str, &str), renewed: (&str, &str), expires: i64) -> Value {
        let condition = |kind: &str, (status, reason): (&str, &str)| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": "m",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        json!({
            "observedGeneration": 1, "expiresAt": timestamp(at(expires)),
            "conditions": [condition("Ready", ready), condition("Renewed", renewed)],
        })
    }

    #[test]
    fn each_state_has_its_finding() {
        let (good, bad) = (("True", "TokenIssued"), ("False", "InvalidClient"));
        let expired = ("False", "TokenExpired");
        let suspended = json!({"suspend": true});
        for (age, spec, status, expected) in [
            (600, json!({}), status(good, good, 60), "ok Ok"),
            (600, json!({}), status(good, bad, 60), "warning RenewalFailing"),
            (600, json!({}), status(expired, bad, -60), "failure NotReady"),
            (600, json!({}), status(good, good, -60), "failure NotReady"),
            (600, json!({}), Value::Null, "failure Unhandled"),
            (600, json!({}), json!({"observedGeneration": -1, "conditions": []}), "failure Unhandled"),
            (30, json!({}), Value::Null, "ok Ok"),
            (600, suspended.clone(), status(good, ("Unknown", "Suspended"), 60), "ok Ok"),
            (600, suspended, status(expired, ("Unknown", "Suspended"), -60), "warning Suspended"),
        ] {
            let items = vec![source("a", age, &spec, &status)];
            let facts = Facts { sources: Ok(Sources { items, more: false }), ..facts() };
            assert_eq!(results(&check(&facts)), [expected], "{spec} {status}");
        }
    }

    #[test]
    fn sources_are_grouped_by_reason() {
        let failing = status(("False", "TokenPending"), ("False", "InvalidClient"), -1);
        let mut items: Vec<_> =
            (0..7).map(|at| source(&format!("a{at}"), 600, &json!({}), &failing)).collect();
        items.push(source(
            "b",
            600,
            &json!({}),
            &status(("False", "TokenPending"), ("False", "InvalidScope"), -1),
        ));
        let facts = Facts { sources: Ok(Sources { items, more: true }), ..facts() };
        let found = check(&facts);
        let expected = ["failure NotReady", "failure NotReady", "notChecked NotChecked"];
        assert_eq!(results(&found), expected);
        assert_eq!(
            found[0].message,
            "InvalidClient: no valid token: team/a0, team/a1, team/a2, team/a3, team/a4 and 2 more"
        );
        assert_eq!(found[0].advice, Some(format!("InvalidClient: {}", Reason::InvalidClient.advice())));
        let unknown = Facts { sources: Err("forbidden".to_owned()), ..facts };
        assert_eq!(results(&check(&unknown)), ["notChecked NotChecked"]);
    }
}
