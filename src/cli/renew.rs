//! `tokensource renew`: requests renewals by annotation and waits for the results.
//! Knows the calls to the API server; `verdict` decides what a result means.

mod verdict;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use super::arguments::{ObjectArguments, RenewArguments};
use super::cluster::{Cluster, ObjectKey};
use super::list::{Live, Selection, key, selected};
use super::output::{BAD, GOOD, print, remark, styled, wrapped};
use super::spans::relative;
use super::{Environment, Error, ExitStatus};
use crate::api::{Reason, annotation, from_kubernetes};
use verdict::{Verdict, judge};

pub(super) async fn run(arguments: &RenewArguments, environment: &Environment) -> Result<ExitStatus, Error> {
    let cluster = Cluster::connect(&arguments.cluster, environment.variable).await?;
    let objects = &arguments.objects;
    let selection = Selection::of(objects);
    let keys: Vec<ObjectKey> = selected(objects, &cluster).await?.iter().map(key).collect();
    if keys.is_empty() {
        return Ok(ExitStatus::Failure);
    }
    let requested_at = (environment.now)();
    // Nanoseconds make the value unique, even for two requests within a second.
    let request = requested_at.to_rfc3339_opts(SecondsFormat::Nanos, true);
    let patch = json!({"metadata": {"annotations": {annotation::RENEW_REQUESTED_AT: request}}});
    for key in &keys {
        cluster.patch("the renewal could not be requested", key, &patch).await?;
        remark(&format!("{}: requested\n", objects.label(key)));
    }
    let live = Live::watch(cluster.sources(objects.all_namespaces), &selection);
    let pending = keys.into_iter().map(|key| (key, None)).collect();
    let waiting = Waiting { objects, request, requested_at, pending, failed: false };
    waiting.finish(live, arguments.timeout.get(), environment).await
}

/// The requests that have no result yet.
struct Waiting<'a> {
    objects: &'a ObjectArguments,
    request: String,
    requested_at: DateTime<Utc>,
    /// The TokenSources without a result, each with the progress that was last printed.
    pending: BTreeMap<ObjectKey, Option<String>>,
    failed: bool,
}

impl Waiting<'_> {
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
        let mut pending = BTreeMap::new();
        for (key, printed) in std::mem::take(&mut self.pending) {
            let source = live.sources.get(&key);
            let name = self.objects.label(&key);
            match judge(source, &self.request, now - self.requested_at, in_time) {
                Verdict::Waiting(progress) => {
                    if progress != printed
                        && let Some(progress) = &progress
                    {
                        remark(&format!("{name}: {progress}\n"));
                    }
                    pending.insert(key, progress);
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
