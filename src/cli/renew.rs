//! `tokensource renew`: asks by annotation, as anybody may, and waits for the answer.
//! Knows what is asked of the API server for it; whether there is an answer is for `verdict` to say.

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
use super::{Ending, Error, Surroundings};
use crate::api::{Reason, TokenSource, annotation, from_kubernetes};
use verdict::{Verdict, judge};

/// Who sets the annotation, as `kubectl get --show-managed-fields` has it.
const FIELD_MANAGER: &str = "kubectl-tokensource";

pub(super) async fn run(arguments: &RenewArguments, surroundings: &Surroundings) -> Result<Ending, Error> {
    let cluster = Cluster::connect(&arguments.cluster, surroundings.environment).await?;
    let api: Api<TokenSource> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let names = names(arguments, &api).await?;
    if names.is_empty() {
        remark(&format!("There are no such TokenSources in namespace {}.\n", cluster.namespace));
        return Ok(Ending::Failed);
    }
    let asked_at = (surroundings.now)();
    // A value of its own, also for two requests within one second.
    let request = asked_at.to_rfc3339_opts(SecondsFormat::Nanos, true);
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
    let waiting = Waiting {
        request,
        asked_at,
        pending: names.into_iter().map(|name| (name, None)).collect(),
        failed: false,
    };
    waiting.finish(live, arguments.timeout.get(), surroundings).await
}

/// Those that are meant, each once.
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

/// Who has not answered yet.
struct Waiting {
    request: String,
    asked_at: DateTime<Utc>,
    /// With what was last said of it.
    pending: BTreeMap<String, Option<String>>,
    failed: bool,
}

impl Waiting {
    async fn finish(
        mut self,
        mut live: Live,
        patience: Duration,
        surroundings: &Surroundings,
    ) -> Result<Ending, Error> {
        let patience = tokio::time::sleep(patience);
        tokio::pin!(patience);
        // Some verdicts come of time alone.
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let mut listed = false;
        while !self.pending.is_empty() {
            let in_time = tokio::select! {
                change = live.change(|error| remark(&format!("The watch is begun anew: {error}\n"))) => {
                    listed = true;
                    change.map(|()| true)?
                }
                _ = second.tick() => true,
                () = &mut patience => false,
            };
            if listed || !in_time {
                self.look(&live, in_time, (surroundings.now)())?;
            }
        }
        Ok(if self.failed { Ending::Failed } else { Ending::Done })
    }

    fn look(&mut self, live: &Live, in_time: bool, now: DateTime<Utc>) -> Result<(), Error> {
        let sources: BTreeMap<&str, &TokenSource> =
            live.sources.iter().map(|((_, name), source)| (name.as_str(), source)).collect();
        let mut still = BTreeMap::new();
        for (name, said) in std::mem::take(&mut self.pending) {
            let source = sources.get(name.as_str()).copied();
            match judge(source, &self.request, now - self.asked_at, in_time) {
                Verdict::Waiting(progress) => {
                    if progress != said
                        && let Some(progress) = &progress
                    {
                        remark(&format!("{name}: {progress}\n"));
                    }
                    still.insert(name, progress);
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
        self.pending = still;
        Ok(())
    }
}

fn failure(name: &str, reason: &str, message: &str) -> String {
    let advice = Reason::named(reason).map(|reason| wrapped(reason.advice(), 2)).unwrap_or_default();
    format!("{name}: {} ({reason})\n{}{advice}", styled(BAD, "not renewed"), wrapped(message, 2))
}
