//! The table while it changes: in place on a terminal, where countdowns run; else a line for each change.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use kube::Api;
use serde_json::json;

use super::row::{Row, table};
use crate::api::TokenSource;
use crate::cli::arguments::{StatusArguments, StatusOutput};
use crate::cli::list::{Key, Live, Selection};
use crate::cli::output::{print, redraw, remark};
use crate::cli::{Ending, Error, Surroundings};

pub(super) async fn run(
    api: Api<TokenSource>,
    selection: &Selection,
    arguments: &StatusArguments,
    surroundings: &Surroundings,
) -> Result<Ending, Error> {
    let mut live = Live::watch(api, selection);
    if arguments.output == StatusOutput::Table && std::io::stdout().is_terminal() {
        in_place(&mut live, arguments.all_namespaces, surroundings).await
    } else {
        line_by_line(&mut live, arguments, surroundings).await
    }
}

async fn in_place(
    live: &mut Live,
    with_namespace: bool,
    surroundings: &Surroundings,
) -> Result<Ending, Error> {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = second.tick() => {}
            change = live.change(|_| ()) => change?,
        }
        let rows: Vec<Row> = live.sources.values().map(Row::of).collect();
        let table = table(rows.iter(), with_namespace, (surroundings.now)());
        redraw(&table)?;
    }
}

async fn line_by_line(
    live: &mut Live,
    arguments: &StatusArguments,
    surroundings: &Surroundings,
) -> Result<Ending, Error> {
    let mut shown: BTreeMap<Key, Row> = BTreeMap::new();
    let mut titled = false;
    loop {
        live.change(complain).await?;
        let rows: BTreeMap<Key, Row> =
            live.sources.iter().map(|(key, source)| (key.clone(), Row::of(source))).collect();
        let text = match arguments.output {
            StatusOutput::Json => documents(&shown, &rows),
            StatusOutput::Table => {
                let table = table(rows.values(), arguments.all_namespaces, (surroundings.now)());
                lines(&shown, &rows, &table, !titled)
            }
        };
        titled = true;
        print(&text)?;
        shown = rows;
    }
}

fn complain(error: &kube::runtime::watcher::Error) {
    remark(&format!("The watch is begun anew: {error}\n"));
}

/// Those lines of the table that say something new.
fn lines(shown: &BTreeMap<Key, Row>, rows: &BTreeMap<Key, Row>, table: &str, titled: bool) -> String {
    let mut lines = table.lines();
    let title = lines.next().filter(|_| titled);
    let news = rows.iter().zip(lines).filter(|((key, row), _)| shown.get(*key) != Some(*row));
    title.into_iter().chain(news.map(|(_, line)| line)).fold(String::new(), |text, line| text + line + "\n")
}

/// One object a line for each that is new or different, or gone.
fn documents(shown: &BTreeMap<Key, Row>, rows: &BTreeMap<Key, Row>) -> String {
    let news = rows.iter().filter(|(key, row)| shown.get(*key) != Some(*row)).map(|(_, row)| json!(row));
    let gone = shown.keys().filter(|key| !rows.contains_key(*key));
    let gone = gone.map(|(namespace, name)| json!({"namespace": namespace, "name": name, "deleted": true}));
    news.chain(gone).fold(String::new(), |text, document| text + &document.to_string() + "\n")
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::{now, source};
    use super::*;

    fn rows(names: &[(&str, i32)]) -> BTreeMap<Key, Row> {
        let row = |(name, failures): &(&str, i32)| {
            let row = Row::of(&source(name, &json!({"failures": failures})));
            ((String::new(), (*name).to_owned()), row)
        };
        names.iter().map(row).collect()
    }

    #[test]
    fn only_what_changed_is_said_again() {
        let (before, after) = (rows(&[("a", 0), ("b", 0), ("c", 0)]), rows(&[("a", 0), ("b", 1)]));
        let table = table(after.values(), false, now());
        let said = lines(&before, &after, &table, false);
        assert_eq!(said.lines().count(), 1);
        assert!(said.starts_with('b'), "{said}");
        assert_eq!(lines(&BTreeMap::new(), &after, &table, true).lines().count(), 3);
        let said = documents(&before, &after);
        let [changed, gone] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
        assert!(changed.contains("\"failures\":1"), "{changed}");
        assert_eq!(gone, r#"{"deleted":true,"name":"c","namespace":""}"#);
    }
}
