//! `tokensource renew`: requests renewals by annotation and waits for the results.
//! Knows the calls to the API server; `verdict` decides what a result means.

mod verdict;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::arguments::RenewArguments;
use super::cluster::{Cluster, call};
use super::list::{Live, Selection};
use super::output::{BAD, GOOD, print, remark, styled, wrapped};
use super::spans::relative;
use super::{Environment, Error, ExitStatus};
use crate::api::{Reason, TokenSource, annotation, from_kubernetes};
use verdict::{Verdict, judge};

/// The field manager of the annotation, as `kubectl get --show-managed-fields` shows it.
const FIELD_MANAGER: &str = "kubectl-tokensource";

pub(super) async fn run(arguments: &RenewArguments, environment: &Environment) -> Result<ExitStatus, Error> {
    let cluster = Cluster::connect(&arguments.cluster, environment.variable).await?;
    let api: Api<TokenSource> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let names = names(arguments, &api).await?;
    if names.is_empty() {
        remark(&format!("There are no such TokenSources in namespace {}.\n", cluster.namespace));
        return Ok(ExitStatus::Failure);
    }
    let requested_at = (environment.now)();
    // Nanoseconds make the value unique, even for two requests within a second.
    let request = requested_at.to_rfc3339_opts(SecondsFormat::Nanos, true);
    for name in &names {
        let field_manager = Some(FIELD_MANAGER.to_owned());
        let patch = json!({"metadata": {"annotations": {annotation::RENEW_REQUESTED_AT: request}}});
        let (patch, params) = (Patch::Merge(&patch), PatchParams { field_manager, ..PatchParams::default() });
        call("the renewal could not be requested", api.patch(name, &params, &patch)).await?;
        remark(&format!("{name}: requested\n"));
    }
    let only = match names.as_slice() {
        [name] => Some(name.clone()),
        _ => None,
    };
    let live = Live::watch(api, &Selection { name: only, labels: arguments.selector.clone() });
    let pending = names.into_iter().map(|name| (name, None)).collect();
    let waiting = Waiting { request, requested_at, pending, failed: false };
    waiting.finish(live, arguments.timeout.get(), environment).await
}

/// The selected TokenSources, without duplicates.
async fn names(arguments: &RenewArguments, api: &Api<TokenSource>) -> Result<Vec<String>, Error> {
    let mut names = arguments.names.clone();
    if arguments.all || arguments.selector.is_some() {
        let selection = Selection { name: None, labels: arguments.selector.clone() };
        names.extend(selection.list(api).await?.iter().map(ResourceExt::name_any));
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// The requests that have no result yet.
struct Waiting {
    request: String,
    requested_at: DateTime<Utc>,
    /// By name, with the progress that was last printed.
    pending: BTreeMap<String, Option<String>>,
    failed: bool,
}

impl Waiting {
    async fn finish(
        mut self,
        mut live: Live,
        timeout: Duration,
        environment: &Environment,
    ) -> Result<ExitStatus, Error> {
        let timeout = tokio::time::sleep(timeout);
        tokio::pin!(timeout);
        // Some verdicts depend on the time that has passed.
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let mut listed = false;
        while !self.pending.is_empty() {
            let in_time = tokio::select! {
                change = live.change(|error| remark(&format!("The watch failed and is restarted: {error}\n"))) => {
                    listed = true;
                    change.map(|()| true)?
                }
                _ = second.tick() => true,
                () = &mut timeout => false,
            };
            if listed || !in_time {
                self.check(&live, in_time, (environment.now)())?;
            }
        }
        Ok(if self.failed { ExitStatus::Failure } else { ExitStatus::Success })
    }

    fn check(&mut self, live: &Live, in_time: bool, now: DateTime<Utc>) -> Result<(), Error> {
        let sources: BTreeMap<&str, &TokenSource> =
            live.sources.iter().map(|((_, name), source)| (name.as_str(), source)).collect();
        let mut pending = BTreeMap::new();
        for (name, printed) in std::mem::take(&mut self.pending) {
            let source = sources.get(name.as_str()).copied();
            match judge(source, &self.request, now - self.requested_at, in_time) {
                Verdict::Waiting(progress) => {
                    if progress != printed
                        && let Some(progress) = &progress
                    {
                        remark(&format!("{name}: {progress}\n"));
                    }
                    pending.insert(name, progress);
                }
                Verdict::Renewed => {
                    let expires_at = source.and_then(|source| source.status.as_ref()?.expires_at.as_ref());
                    let expires =
                        expires_at.map(|at| format!(", expires {}", relative(from_kubernetes(at), now)));
                    print(&format!("{name}: {}{}\n", styled(GOOD, "renewed"), expires.unwrap_or_default()))?;
                }
                Verdict::Failed(reason, message) => {
                    self.failed = true;
                    print(&failure(&name, &reason, &message))?;
                }
            }
        }
        self.pending = pending;
        Ok(())
    }
}

fn failure(name: &str, reason: &str, message: &str) -> String {
    let advice = Reason::named(reason).map(|reason| wrapped(reason.advice(), 2)).unwrap_or_default();
    format!("{name}: {} ({reason})\n{}{advice}", styled(BAD, "not renewed"), wrapped(message, 2))
}
