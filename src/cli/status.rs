//! `tokensource status`: what every token is doing.
//! Knows what is asked of the API server for it; must not know how it is shown.

mod detail;
mod history;
mod row;
mod watch;

use kube::Api;

use super::arguments::{StatusArguments, StatusOutput};
use super::cluster::{Cluster, call};
use super::list::Selection;
use super::output::{print, remark};
use super::{Ending, Error, Surroundings};
use crate::api::TokenSource;
use row::Row;

pub(super) async fn run(arguments: &StatusArguments, surroundings: &Surroundings) -> Result<Ending, Error> {
    let cluster = Cluster::connect(&arguments.cluster, surroundings.environment).await?;
    let selection = Selection { name: arguments.name.clone(), labels: arguments.selector.clone() };
    let api: Api<TokenSource> = if arguments.all_namespaces {
        Api::all(cluster.client.clone())
    } else {
        Api::namespaced(cluster.client.clone(), &cluster.namespace)
    };
    // What may not be read, or is not there, is said before anything is watched.
    if let Some(name) = &arguments.name {
        let source = call("the TokenSource could not be read", api.get(name)).await?;
        if !arguments.watch {
            return one(&source, &cluster, arguments.output, surroundings).await;
        }
    } else {
        let sources = selection.list(&api).await?;
        if !arguments.watch {
            return table(&sources, &cluster, arguments, surroundings);
        }
    }
    watch::run(api, &selection, arguments, surroundings).await
}

fn table(
    sources: &[TokenSource],
    cluster: &Cluster,
    arguments: &StatusArguments,
    surroundings: &Surroundings,
) -> Result<Ending, Error> {
    let rows: Vec<Row> = sources.iter().map(Row::of).collect();
    match arguments.output {
        StatusOutput::Json => print(&json(&rows))?,
        StatusOutput::Table if rows.is_empty() => {
            let place = format!(" in namespace {}", cluster.namespace);
            let place = if arguments.all_namespaces { "" } else { &place };
            remark(&format!("There are no such TokenSources{place}.\n"));
        }
        StatusOutput::Table => {
            print(&row::table(rows.iter(), arguments.all_namespaces, (surroundings.now)()))?;
        }
    }
    Ok(Ending::Done)
}

async fn one(
    source: &TokenSource,
    cluster: &Cluster,
    output: StatusOutput,
    surroundings: &Surroundings,
) -> Result<Ending, Error> {
    let history = history::read(source, cluster).await;
    let now = (surroundings.now)();
    match output {
        StatusOutput::Json => {
            print(&json(&detail::document(source, history.as_deref().unwrap_or_default())))?;
        }
        StatusOutput::Table => print(&detail::page(source, &history, now))?,
    }
    Ok(Ending::Done)
}

fn json(value: &impl serde::Serialize) -> String {
    // These are our own structs of texts, numbers and lists: JSON has a form for each.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
