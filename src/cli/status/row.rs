//! One `TokenSource` as a row of the table. Pure: the present is an argument.

use anstyle::Style;
use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde::{Serialize, Serializer};

use crate::api::{ConditionType, TokenSource, from_kubernetes, timestamp};
use crate::cli::output::{BAD, GOOD, WARNING, harmless};
use crate::cli::spans::countdown;
use crate::cli::table::{Cell, table as aligned};

/// A row, as the table shows it and as a program reads it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) namespace: String,
    pub(super) name: String,
    /// The status of the condition `Ready`: True, False or Unknown.
    pub(super) ready: String,
    /// The status of the condition `Renewed`: True, False or Unknown.
    pub(super) renewed: String,
    /// The reason of the last attempt's result.
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
    pub(super) target: Option<String>,
    #[serde(serialize_with = "instant")]
    pub(super) issued_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "instant")]
    pub(super) expires_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "instant")]
    pub(super) renew_at: Option<DateTime<Utc>>,
    pub(super) failures: i32,
    /// The URL of the provider, or kind and name of the provider object.
    pub(super) provider: Option<String>,
    pub(super) suspended: bool,
}

/// Which columns a table has.
#[derive(Clone, Copy, Default)]
pub(super) struct Columns {
    pub(super) namespace: bool,
    /// Whether the table has the additional columns of `-o wide`.
    pub(super) more: bool,
}

impl Row {
    pub(super) fn of(source: &TokenSource) -> Self {
        let status = source.status.clone().unwrap_or_default();
        let condition = |kind: ConditionType| kind.find(&status.conditions);
        let word = |kind| condition(kind).map_or("Unknown", |found| found.status.as_str()).to_owned();
        let time = |time: &Option<Time>| time.as_ref().map(from_kubernetes);
        let renewed = condition(ConditionType::Renewed);
        Self {
            namespace: source.namespace().unwrap_or_default(),
            name: source.name_any(),
            ready: word(ConditionType::Ready),
            renewed: word(ConditionType::Renewed),
            reason: renewed.map(|renewed| harmless(&renewed.reason)),
            message: renewed.map(|renewed| harmless(&renewed.message)),
            target: status.target.as_ref().map(|target| target.name.clone()),
            issued_at: time(&status.issued_at),
            expires_at: time(&status.expires_at),
            // Without a planned renewal, a retry may be planned.
            renew_at: time(&status.renew_at).or_else(|| time(&status.retry_at)),
            failures: status.failures,
            provider: provider(source),
            suspended: source.spec.suspend,
        }
    }

    /// Whether the Secret holds a valid token. Without a controller, `Ready` would stay True after the token has expired.
    pub(super) fn is_ready(&self, now: DateTime<Utc>) -> bool {
        self.ready == "True" && self.expires_at.is_none_or(|at| at > now)
    }

    fn cells(&self, columns: Columns, now: DateTime<Utc>) -> Vec<Cell> {
        let expired = self.expires_at.is_some_and(|at| at <= now);
        let ready = colour(&self.ready, BAD);
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        // A failure while the token is still valid is less urgent.
        let renewed = colour(&self.renewed, if self.ready == "True" { WARNING } else { BAD });
        let renewed = if self.renewed == "True" { Style::new() } else { renewed };
        let mut cells = vec![
            Cell::plain(&self.name),
            Cell::styled(&self.ready, ready),
            Cell::styled(or_dash(&self.reason), renewed),
            Cell::plain(or_dash(&self.target)),
            Cell::styled(countdown(self.expires_at, now), if expired { BAD } else { Style::new() }),
            Cell::plain(countdown(self.renew_at, now)),
            Cell::styled(self.failures.to_string(), if self.failures > 0 { renewed } else { Style::new() }),
        ];
        if columns.more {
            cells.extend([
                Cell::plain(countdown(self.issued_at, now)),
                Cell::plain(if self.suspended { "yes" } else { "no" }),
                Cell::plain(or_dash(&self.provider)),
                // Escaped already.
                Cell { text: or_dash(&self.message), style: Style::new() },
            ]);
        }
        if columns.namespace {
            cells.insert(0, Cell::plain(&self.namespace));
        }
        cells
    }
}

/// The table of these rows.
pub(super) fn table<'a>(rows: impl Iterator<Item = &'a Row>, columns: Columns, now: DateTime<Utc>) -> String {
    let mut heading = vec!["NAME", "READY", "REASON", "TARGET", "EXPIRES", "RENEWS", "FAILURES"];
    if columns.more {
        heading.extend(["ISSUED", "SUSPENDED", "PROVIDER", "MESSAGE"]);
    }
    if columns.namespace {
        heading.insert(0, "NAMESPACE");
    }
    let cells: Vec<_> = rows.map(|row| row.cells(columns, now)).collect();
    aligned(&heading, &cells)
}

fn provider(source: &TokenSource) -> Option<String> {
    let inline = source.spec.provider.as_ref();
    let url = inline.and_then(|provider| provider.url());
    let reference = source.spec.provider_ref.as_ref();
    url.map(str::to_owned)
        .or_else(|| reference.map(|reference| format!("{:?} {}", reference.kind, reference.name)))
}

/// The colour of a condition's status.
pub(super) fn colour(status: &str, bad: Style) -> Style {
    match status {
        "True" => GOOD,
        "False" => bad,
        _ => WARNING,
    }
}

#[allow(clippy::ref_option)] // serde's signature
fn instant<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(timestamp).serialize(serializer)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub(in crate::cli::status) fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600, 0).unwrap()
    }

    /// A `TokenSource` as the API server returns it, with this status.
    pub(in crate::cli::status) fn source(name: &str, status: &serde_json::Value) -> TokenSource {
        serde_json::from_value(json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
            "metadata": {"name": name, "namespace": "payments", "uid": "u", "generation": 1},
            "spec": {
                "provider": {"tokenEndpoint": "https://auth.example.com/token"},
                "credentialsRef": {"name": "client"},
            },
            "status": status,
        }))
        .unwrap()
    }

    pub(in crate::cli::status) fn condition(
        kind: &str,
        status: &str,
        reason: &str,
        message: &str,
    ) -> serde_json::Value {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2025-12-31T23:48:00Z", "observedGeneration": 1,
        })
    }

    fn rows() -> Vec<Row> {
        let good = json!({
            "issuedAt": "2025-12-31T23:48:00Z", "expiresAt": "2026-01-01T00:48:00Z",
            "renewAt": "2026-01-01T00:33:05Z", "target": {"name": "good-token"},
            "conditions": [condition("Ready", "True", "TokenIssued", "m"), condition("Renewed", "True", "TokenRenewed", "m")],
        });
        let failing = json!({
            "expiresAt": "2025-12-31T23:59:30Z", "renewAt": "2026-01-01T00:00:09Z", "failures": 12,
            "target": {"name": "failing-token"},
            "conditions": [condition("Ready", "False", "TokenExpired", "m"), condition("Renewed", "False", "InvalidClient", "m")],
        });
        let new = json!({});
        [source("good", &good), source("failing", &failing), source("new", &new)]
            .iter()
            .map(Row::of)
            .collect()
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn row_shows_state_and_times() {
        let text = plain(&table(rows().iter(), Columns::default(), now()));
        assert_eq!(
            text,
            "NAME      READY     REASON          TARGET          EXPIRES   RENEWS   FAILURES\n\
             good      True      TokenRenewed    good-token      48m       33m      0\n\
             failing   False     InvalidClient   failing-token   30s ago   9s       12\n\
             new       Unknown   -               -               -         -        0\n"
        );
        let with_namespace = Columns { namespace: true, more: false };
        assert!(
            plain(&table(rows().iter(), with_namespace, now())).starts_with("NAMESPACE   NAME      READY")
        );
    }

    #[test]
    fn wide_table_has_more_columns() {
        let text = plain(&table(rows().iter(), Columns { namespace: false, more: true }, now()));
        let good = text.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
        assert!(
            text.lines()
                .next()
                .unwrap()
                .ends_with("ISSUED    SUSPENDED   PROVIDER                         MESSAGE"),
            "{text}"
        );
        assert_eq!(good[7..], ["12m", "ago", "no", "https://auth.example.com/token", "m"]);
    }

    #[test]
    fn expired_token_is_not_ready_whatever_the_condition_says() {
        let rows = rows();
        let ready = |row: &Row, seconds| row.is_ready(now() + chrono::TimeDelta::seconds(seconds));
        assert!(
            ready(&rows[0], 0) && !ready(&rows[0], 48 * 60) && !ready(&rows[1], 0) && !ready(&rows[2], 0)
        );
    }

    #[test]
    fn json_has_instants_instead_of_countdowns() {
        let read = serde_json::to_value(&rows()[0]).unwrap();
        assert_eq!(
            read,
            json!({
                "namespace": "payments", "name": "good", "ready": "True", "renewed": "True",
                "reason": "TokenRenewed", "message": "m", "target": "good-token",
                "issuedAt": "2025-12-31T23:48:00Z", "expiresAt": "2026-01-01T00:48:00Z",
                "renewAt": "2026-01-01T00:33:05Z", "failures": 0,
                "provider": "https://auth.example.com/token", "suspended": false,
            })
        );
    }

    #[test]
    fn only_problems_are_red() {
        let text = table(rows().iter(), Columns::default(), now());
        let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        let red = BAD.render().to_string();
        assert!(!line("good").contains(&red));
        assert_eq!(line("failing").matches(&red).count(), 4, "READY, REASON, EXPIRES, FAILURES");
    }
}
