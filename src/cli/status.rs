//! `tokensource status`: the state of all tokens, or all details of one.
//! Knows the calls to the API server; must not know how the result is shown.

mod detail;
mod history;
mod row;
mod watch;

use kube::Api;

use super::arguments::{StatusArguments, StatusOutput};
use super::cluster::{Cluster, call};
use super::list::Selection;
use super::output::{json, print, remark};
use super::{Environment, Error, ExitStatus};
use crate::api::TokenSource;
use row::Row;

pub(super) async fn run(arguments: &StatusArguments, environment: &Environment) -> Result<ExitStatus, Error> {
    let cluster = Cluster::connect(&arguments.cluster, environment.variable).await?;
    let selection = Selection { name: arguments.name.clone(), labels: arguments.selector.clone() };
    let api: Api<TokenSource> = if arguments.all_namespaces {
        Api::all(cluster.client.clone())
    } else {
        Api::namespaced(cluster.client.clone(), &cluster.namespace)
    };
    // A missing permission, or a missing TokenSource, is an error even with --watch.
    if let Some(name) = &arguments.name {
        let source = call("the TokenSource could not be read", api.get(name)).await?;
        if !arguments.watch {
            return one(&source, &cluster, arguments.output, environment).await;
        }
    } else {
        let sources = selection.list(&api).await?;
        if !arguments.watch {
            return table(&sources, &cluster, arguments, environment);
        }
    }
    watch::run(api, &selection, arguments, environment).await
}

fn table(
    sources: &[TokenSource],
    cluster: &Cluster,
    arguments: &StatusArguments,
    environment: &Environment,
) -> Result<ExitStatus, Error> {
    let rows: Vec<Row> = sources.iter().map(Row::of).collect();
    match arguments.output {
        StatusOutput::Json => print(&json(&rows))?,
        StatusOutput::Table if rows.is_empty() => {
            let place = format!(" in namespace {}", cluster.namespace);
            let place = if arguments.all_namespaces { "" } else { &place };
            remark(&format!("There are no such TokenSources{place}.\n"));
        }
        StatusOutput::Table => {
            print(&row::table(rows.iter(), arguments.all_namespaces, (environment.now)()))?;
        }
    }
    Ok(ExitStatus::Success)
}

async fn one(
    source: &TokenSource,
    cluster: &Cluster,
    output: StatusOutput,
    environment: &Environment,
) -> Result<ExitStatus, Error> {
    let history = history::read(source, cluster).await;
    let now = (environment.now)();
    match output {
        StatusOutput::Json => {
            print(&json(&detail::document(source, history.as_deref().unwrap_or_default())))?;
        }
        StatusOutput::Table => print(&detail::page(source, &history, now))?,
    }
    Ok(ExitStatus::Success)
}
