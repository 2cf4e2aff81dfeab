//! `tokensource status`: the state of all tokens, or all details of one.
//! Knows the calls to the API server; must not know how the result is shown.

mod detail;
mod history;
mod row;
mod watch;

use super::arguments::{StatusArguments, StatusOutput};
use super::cluster::Cluster;
use super::list::Selection;
use super::output::{json, print, remark, yaml};
use super::{Environment, Error, ExitStatus};
use crate::api::{GROUP, TokenSource};
use crate::api_calls::chain;
use row::{Columns, Row};

pub(super) async fn run(arguments: &StatusArguments, environment: &Environment) -> Result<ExitStatus, Error> {
    let cluster = Cluster::connect(&arguments.cluster, environment.variable).await?;
    let selection = Selection { names: arguments.names.clone(), labels: arguments.selector.clone() };
    let api = cluster.sources(arguments.all_namespaces);
    // A missing permission, or a missing TokenSource, is an error even with --watch.
    let sources = selection.read(&cluster, &api).await?;
    if arguments.watch {
        return watch::run(api, &selection, arguments, environment).await;
    }
    let is_detailed = !matches!(arguments.output, StatusOutput::Wide | StatusOutput::Name);
    match sources.as_slice() {
        [source] if arguments.names.len() == 1 && is_detailed => {
            one(source, &cluster, arguments.output, environment).await
        }
        sources => list(sources, &cluster, arguments, environment),
    }
}

fn list(
    sources: &[TokenSource],
    cluster: &Cluster,
    arguments: &StatusArguments,
    environment: &Environment,
) -> Result<ExitStatus, Error> {
    let now = (environment.now)();
    let mut rows: Vec<Row> = sources.iter().map(Row::of).collect();
    rows.retain(|row| !(arguments.not_ready && row.is_ready(now)));
    match arguments.output {
        StatusOutput::Json => print(&json(&rows))?,
        StatusOutput::Yaml => print(&yaml(&rows))?,
        _ if rows.is_empty() => {
            let place = format!(" in namespace {}", cluster.namespace);
            let place = if arguments.all_namespaces { "" } else { &place };
            remark(&format!("There are no such TokenSources{place}.\n"));
        }
        StatusOutput::Name => print(&rows.iter().map(name).collect::<String>())?,
        StatusOutput::Table | StatusOutput::Wide => print(&row::table(rows.iter(), columns(arguments), now))?,
    }
    Ok(ExitStatus::Success)
}

fn columns(arguments: &StatusArguments) -> Columns {
    Columns { namespace: arguments.all_namespaces, more: arguments.output == StatusOutput::Wide }
}

/// The name of the object as kubectl prints it: `tokensource.tokensource.dev/NAME`.
fn name(row: &Row) -> String {
    format!("tokensource.{GROUP}/{}\n", row.name)
}

async fn one(
    source: &TokenSource,
    cluster: &Cluster,
    output: StatusOutput,
    environment: &Environment,
) -> Result<ExitStatus, Error> {
    let history = history::read(source, cluster).await;
    let now = (environment.now)();
    let document = || {
        if let Err(error) = &history {
            remark(&format!("The member events is left out: {}\n", chain(error)));
        }
        detail::document(source, &history)
    };
    print(&match output {
        StatusOutput::Json => json(&document()),
        StatusOutput::Yaml => yaml(&document()),
        _ => detail::page(source, &history, now),
    })?;
    Ok(ExitStatus::Success)
}
