//! Names for completion, read with the flags on the incomplete command line. After an error no name is offered, and no
//! message is printed, because the user has only pressed Tab. Must not know where the names are inserted.

use std::time::Duration as Span;

use clap::{ArgMatches, Command, FromArgMatches as _};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::{Directive, Kind, output};
use crate::api::{ConditionType, Duration, TokenSource};
use crate::cli::arguments::ClusterArguments;
use crate::cli::cluster::{Cluster, kubeconfig};
use crate::cli::list::Selection;
use crate::cli::{Environment, Error};

/// How long completion waits for the cluster.
const TIMEOUT: Span = Span::from_secs(3);
/// How many names of a cluster are offered.
const NAMES: u32 = 500;

/// The output for kubectl: names that begin with `current`, each after `start`. `before` are the words on the command line
/// before the incomplete one.
pub(in crate::cli) async fn offered(
    kind: Kind,
    (start, current): (&str, &str),
    before: &[String],
    environment: &Environment,
) -> String {
    let matches = parsed(&environment.definition, before);
    let found = read(kind, matches.as_ref(), environment).await.unwrap_or_default();
    let given = given(matches.as_ref());
    let fresh = found.iter().filter(|(name, _)| kind != Kind::Source || !given.contains(name));
    let lines: Vec<String> = fresh
        .filter(|(name, _)| name.starts_with(current))
        .map(|(name, about)| format!("{start}{name}\t{about}"))
        .collect();
    output(&lines, Directive::NoFiles)
}

/// The flags of the subcommand, as far as the words can be understood.
fn parsed(definition: &Command, before: &[String]) -> Option<ArgMatches> {
    let words = ["tokensource".to_owned()].into_iter().chain(before.iter().cloned());
    let matches = definition.clone().ignore_errors(true).try_get_matches_from(words).ok()?;
    matches.subcommand().map(|(_, matches)| matches.clone())
}

/// The names that the command line has already.
fn given(matches: Option<&ArgMatches>) -> Vec<String> {
    let names = matches.and_then(|matches| matches.try_get_many::<String>("names").ok().flatten());
    names.into_iter().flatten().cloned().collect()
}

/// Names, each with a description.
async fn read(
    kind: Kind,
    matches: Option<&ArgMatches>,
    environment: &Environment,
) -> Option<Vec<(String, String)>> {
    let mut arguments = ClusterArguments::from_arg_matches(matches?).ok()?;
    if kind == Kind::Context {
        return contexts(&arguments);
    }
    arguments.request_timeout = Duration::from_secs(TIMEOUT.as_secs());
    let names = async {
        let cluster = Cluster::connect(&arguments, environment.variable).await?;
        match kind {
            Kind::Source => sources(&cluster).await,
            _ => namespaces(&cluster).await,
        }
    };
    tokio::time::timeout(TIMEOUT, names).await.ok()?.ok()
}

async fn sources(cluster: &Cluster) -> Result<Vec<(String, String)>, Error> {
    let found = Selection::default().read(cluster, &cluster.sources(false)).await?;
    let names = found.iter().take(NAMES as usize).map(|source| (source.name_any(), state(source)));
    Ok(names.collect())
}

fn state(source: &TokenSource) -> String {
    let ready = source.status.as_ref().and_then(|status| ConditionType::Ready.find(&status.conditions));
    ready.map_or_else(|| "not handled yet".to_owned(), |ready| format!("Ready {}", ready.status))
}

async fn namespaces(cluster: &Cluster) -> Result<Vec<(String, String)>, Error> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let found = cluster.call("", api.list(&ListParams::default().limit(NAMES))).await?;
    Ok(found.iter().map(|namespace| (namespace.name_any(), "namespace".to_owned())).collect())
}

fn contexts(arguments: &ClusterArguments) -> Option<Vec<(String, String)>> {
    let contexts = kubeconfig(arguments).ok()?.contexts.into_iter();
    Some(contexts.map(|context| (context.name, "context".to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use clap::Subcommand as _;

    use super::*;

    #[test]
    fn flags_are_read_from_an_incomplete_line() {
        let definition = crate::cli::Command::augment_subcommands(Command::new("tokensource"));
        let read = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let matches = parsed(&definition, &words);
            let arguments = ClusterArguments::from_arg_matches(matches.as_ref().unwrap()).unwrap();
            (arguments.namespace, arguments.context, arguments.as_user, given(matches.as_ref()))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            read("renew a -n team --context=prod b --as eve"),
            (some("team"), some("prod"), some("eve"), vec!["a".to_owned(), "b".to_owned()])
        );
        // Required arguments are missing.
        assert_eq!(read("renew -n team"), (some("team"), None, None, vec![]));
        assert!(parsed(&definition, &[]).is_none());
    }
}
