//! `tokensource status --watch`: on a terminal the table is redrawn, with running countdowns; otherwise each change is a
//! line.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use kube::Api;
use serde_json::{Value, json};

use super::row::{Columns, Row, table};
use super::{columns, name};
use crate::api::TokenSource;
use crate::cli::arguments::{StatusArguments, StatusOutput};
use crate::cli::cluster::ObjectKey;
use crate::cli::list::{Live, Selection};
use crate::cli::output::{print, redraw, remark, yaml};
use crate::cli::{Environment, Error, ExitStatus};

type Rows = BTreeMap<ObjectKey, Row>;

pub(super) async fn run(
    api: Api<TokenSource>,
    selection: &Selection,
    arguments: &StatusArguments,
    environment: &Environment,
) -> Result<ExitStatus, Error> {
    let mut live = Live::watch(api, selection);
    let is_table = matches!(arguments.output, StatusOutput::Table | StatusOutput::Wide);
    if is_table && std::io::stdout().is_terminal() {
        redrawn(&mut live, columns(arguments), environment).await
    } else {
        line_by_line(&mut live, arguments, environment).await
    }
}

async fn redrawn(live: &mut Live, columns: Columns, environment: &Environment) -> Result<ExitStatus, Error> {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = second.tick() => {}
            change = live.change(|_| ()) => change?,
        }
        let rows: Vec<Row> = live.sources.values().map(Row::of).collect();
        let table = table(rows.iter(), columns, (environment.now)());
        redraw(&table)?;
    }
}

async fn line_by_line(
    live: &mut Live,
    arguments: &StatusArguments,
    environment: &Environment,
) -> Result<ExitStatus, Error> {
    let mut shown = Rows::new();
    let mut has_heading = false;
    loop {
        live.change(report).await?;
        let rows: Rows = live.sources.iter().map(|(key, source)| (key.clone(), Row::of(source))).collect();
        let text = match arguments.output {
            StatusOutput::Json => documents(&shown, &rows, |document| document.to_string() + "\n"),
            StatusOutput::Yaml => documents(&shown, &rows, |document| format!("---\n{}", yaml(document))),
            StatusOutput::Name => names(&shown, &with_deleted(&shown, &rows)),
            StatusOutput::Table | StatusOutput::Wide => lines(
                &shown,
                &with_deleted(&shown, &rows),
                !has_heading,
                columns(arguments),
                (environment.now)(),
            ),
        };
        has_heading = true;
        print(&text)?;
        shown = rows;
    }
}

fn report(error: &kube::runtime::watcher::Error) {
    remark(&format!("The watch failed and is restarted: {error}\n"));
}

/// The rows, and the deleted rows as they were last shown, but with `Deleted` in place of the status of `Ready`.
fn with_deleted(shown: &Rows, rows: &Rows) -> Rows {
    let last =
        shown.iter().map(|(key, row)| (key.clone(), Row { ready: "Deleted".to_owned(), ..row.clone() }));
    last.chain(rows.iter().map(|(key, row)| (key.clone(), row.clone()))).collect()
}

/// The names of the rows that have changed.
fn names(shown: &Rows, rows: &Rows) -> String {
    rows.iter().filter(|(key, row)| shown.get(*key) != Some(*row)).map(|(_, row)| name(row)).collect()
}

/// The lines of the table whose row has changed, with the heading if it was not printed before.
fn lines(shown: &Rows, rows: &Rows, with_heading: bool, columns: Columns, now: DateTime<Utc>) -> String {
    let table = table(rows.values(), columns, now);
    let mut lines = table.lines();
    let heading = lines.next().filter(|_| with_heading);
    let changed = rows.iter().zip(lines).filter(|((key, row), _)| shown.get(*key) != Some(*row));
    heading
        .into_iter()
        .chain(changed.map(|(_, line)| line))
        .fold(String::new(), |text, line| text + line + "\n")
}

/// One document for each row that is new, changed or deleted.
fn documents(shown: &Rows, rows: &Rows, written: impl Fn(&Value) -> String) -> String {
    let changed = rows.iter().filter(|(key, row)| shown.get(*key) != Some(*row)).map(|(_, row)| json!(row));
    let deleted = shown.keys().filter(|key| !rows.contains_key(*key));
    let deleted =
        deleted.map(|(namespace, name)| json!({"namespace": namespace, "name": name, "deleted": true}));
    changed.chain(deleted).map(|document| written(&document)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::{now, source};
    use super::*;

    fn rows(names: &[(&str, i32)]) -> Rows {
        let row = |(name, failures): &(&str, i32)| {
            let row = Row::of(&source(name, &json!({"failures": failures})));
            ((String::new(), (*name).to_owned()), row)
        };
        names.iter().map(row).collect()
    }

    #[test]
    fn changed_and_deleted_rows_are_printed() {
        let (before, after) = (rows(&[("a", 0), ("b", 0), ("c", 0)]), rows(&[("a", 0), ("b", 1)]));
        assert_eq!(lines(&Rows::new(), &after, true, Columns::default(), now()).lines().count(), 3);
        let all = with_deleted(&before, &after);
        for columns in [Columns::default(), Columns { more: true, ..Columns::default() }] {
            let printed = lines(&before, &all, false, columns, now());
            let printed = anstream::adapter::strip_str(&printed).to_string();
            let printed: Vec<Vec<&str>> =
                printed.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
            assert_eq!(printed, [["b", "Unknown"], ["c", "Deleted"]]);
        }
        let [b, c] = ["b", "c"].map(|name| format!("tokensource.tokensource.dev/{name}\n"));
        assert_eq!(names(&before, &all), b + &c);
        let printed = documents(&before, &after, |document| document.to_string() + "\n");
        let [changed, deleted] = printed.lines().collect::<Vec<_>>()[..] else { panic!("{printed}") };
        assert!(changed.contains("\"failures\":1"), "{changed}");
        assert_eq!(deleted, r#"{"deleted":true,"name":"c","namespace":""}"#);
    }
}
