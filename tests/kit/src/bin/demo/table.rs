//! The live table: one row for each `TokenSource`, as an operator would see it. Shows times and reasons, never a token.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;
use tokensource_kit::lookalikes::Lookalike;

use crate::{Demo, NAMESPACE};

/// A row of the table.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) ready: String,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) target: String,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) renew_at: Option<DateTime<Utc>>,
    /// The number of requests that its provider has received.
    pub(crate) asked: usize,
}

/// The state of every `TokenSource`, from the API server.
pub(crate) async fn rows(demo: &Demo) -> Vec<Row> {
    let api = tokensource_kit::token_sources(demo.plane.admin(), NAMESPACE);
    let found = api.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default();
    found.iter().map(|source| row(demo, source)).collect()
}

fn row(demo: &Demo, source: &DynamicObject) -> Row {
    let status = &source.data["status"];
    let condition = |kind: &str, member: &str| {
        let conditions = status["conditions"].as_array().into_iter().flatten();
        let mut found = conditions.filter(|condition| condition["type"] == kind);
        found.next().map(|condition| text(&condition[member])).unwrap_or_default()
    };
    let name = source.name_any();
    Row {
        ready: condition("Ready", "status"),
        reason: condition("Renewed", "reason"),
        message: condition("Renewed", "message"),
        target: text(&status["target"]["name"]),
        expires_at: time(&status["expiresAt"]),
        renew_at: time(&status["renewAt"]),
        asked: demo.providers.iter().find(|provider| provider.name() == name).map_or(0, Lookalike::count),
        name,
    }
}

/// The whole table with a heading, and explanations of rows that are not Ready.
pub(crate) async fn draw(demo: &Demo) -> String {
    let now = Utc::now();
    let rows = rows(demo).await;
    let mut text = format!("tokensource demo, {} UTC\n\n", now.format("%H:%M:%S"));
    let _ = writeln!(
        text,
        "{:<16}{:<8}{:<16}{:<24}{:>9}{:>9}{:>7}",
        "NAME", "READY", "REASON", "TARGET", "EXPIRES", "RENEWS", "ASKED"
    );
    for row in &rows {
        let _ = writeln!(
            text,
            "{:<16}{:<8}{:<16}{:<24}{:>9}{:>9}{:>7}",
            row.name,
            row.ready,
            row.reason,
            row.target,
            countdown(row.expires_at, now),
            countdown(row.renew_at, now),
            row.asked
        );
    }
    for row in rows.iter().filter(|row| row.ready != "True" && !row.message.is_empty()) {
        let _ = writeln!(text, "\n{}: {}", row.name, row.message);
    }
    text
}

fn countdown(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    match at.map(|at| (at - now).num_seconds()) {
        Some(left) if left >= 0 => format!("{left} s"),
        Some(_) => "now".to_owned(),
        None => "-".to_owned(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn time(value: &Value) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|time| time.to_utc())
}
