//! The statuses of provider objects, written from time to time from the cached statuses of the TokenSources that name them.
//!
//! Knows which object is written next, and how many writes a sweep may make. Must not decide what a status says, nor whether it
//! is worth a write.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Client, Resource};
use tokio::time::Instant;

use crate::api::{ClusterTokenProvider, ProviderKind, TokenProvider, TokenProviderStatus, TokenSource};
use crate::controller::error::{CallError, chain};
use crate::controller::report::status::write_status;
use crate::controller::settings::Settings;
use crate::controller::view::cluster_scoped::ClusterScoped;
use crate::controller::view::cluster_view::ClusterView;
use crate::decide::backoff::retry_after_error;
use crate::decide::{ProviderUse, provider_status};

/// The pause between two sweeps.
const PAUSE: Duration = Duration::from_secs(10);
/// The most writes of one sweep, in one namespace and in all: the writes of tokens come first.
const WRITES_OF_A_NAMESPACE: usize = 2;
const WRITES: usize = 100;
/// A sweep ends after this number of failed writes, because the next ones would probably fail, too.
const FAILURES: usize = 3;

/// A provider object.
#[derive(Clone)]
enum Provider {
    Namespaced(Arc<TokenProvider>),
    Cluster(Arc<ClusterTokenProvider>),
}

/// The namespace of a provider object, which is empty for a `ClusterTokenProvider`, and its name.
type Name<'a> = (&'a str, &'a str);

impl Provider {
    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Namespaced(provider) => provider.meta(),
            Self::Cluster(provider) => provider.meta(),
        }
    }

    fn status(&self) -> Option<&TokenProviderStatus> {
        match self {
            Self::Namespaced(provider) => provider.status.as_ref(),
            Self::Cluster(provider) => provider.status.as_ref(),
        }
    }

    fn name(&self) -> Name<'_> {
        let meta = self.meta();
        (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
    }
}

/// What this process did with the status of one object.
#[derive(Default)]
struct Record {
    /// The generation at the last sweep. A new one is left for the next sweep: its users have just been triggered, and their
    /// statuses are still about the former one.
    generation: i64,
    written: Option<Instant>,
    /// How many writes have failed in a row, and when the next one may be made.
    errors: u32,
    not_before: Option<Instant>,
}

/// A status to write.
struct Due {
    provider: Provider,
    uid: String,
    status: TokenProviderStatus,
    written: Option<Instant>,
}

/// Writes the statuses of provider objects.
pub(crate) struct Statuses {
    client: Client,
    settings: Arc<Settings>,
    views: Vec<Arc<ClusterView>>,
    cluster: Arc<ClusterScoped>,
    /// By the uid of the object.
    records: HashMap<String, Record>,
    /// Whether a failed write has been logged since the last sweep without one.
    is_failing: bool,
}

impl Statuses {
    pub(crate) fn new(
        client: Client,
        settings: Arc<Settings>,
        views: Vec<Arc<ClusterView>>,
        cluster: Arc<ClusterScoped>,
    ) -> Self {
        Self { client, settings, views, cluster, records: HashMap::new(), is_failing: false }
    }

    /// Sweeps for ever, while this process leads. A controller with a selector sees only a part of the users, and writes no
    /// status.
    pub(crate) async fn keep(mut self) -> Infallible {
        let is_partial = self.settings.selector.is_some();
        loop {
            let leadership = &self.settings.leadership;
            if is_partial || !leadership.certain(self.settings.clock).await {
                return std::future::pending().await;
            }
            self.sweep().await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn sweep(&mut self) {
        let mut failures = 0;
        for due in in_turn(self.due()) {
            let written = match &due.provider {
                Provider::Namespaced(provider) => {
                    write_status(&self.client, &self.settings, &**provider, &due.status).await
                }
                Provider::Cluster(provider) => {
                    write_status(&self.client, &self.settings, &**provider, &due.status).await
                }
            };
            match written {
                Ok(_) => self.note(&due, None),
                Err(CallError::NotLeading) => return,
                Err(error) => {
                    failures += 1;
                    self.note(&due, Some(&error));
                }
            }
            if failures >= FAILURES {
                break;
            }
        }
        if self.is_failing && self.records.values().all(|record| record.errors == 0) {
            self.is_failing = false;
            tracing::info!("The statuses of providers can be written again");
        }
    }

    /// The statuses that are worth a write now, of the views that know all of their objects.
    fn due(&mut self) -> Vec<Due> {
        let views: Vec<_> = self.views.iter().filter(|view| *view.filled.borrow()).collect();
        let sources: Vec<_> = views.iter().map(|view| (*view, view.sources.state())).collect();
        let now = self.settings.now();
        let mut users: HashMap<Name<'_>, Vec<ProviderUse<'_>>> = HashMap::new();
        for (view, sources) in &sources {
            for source in sources {
                if let Some((key, user)) = user(view, source, now) {
                    users.entry(key).or_default().push(user);
                }
            }
        }
        let namespaced = views.iter().flat_map(|view| view.providers.state()).map(Provider::Namespaced);
        // A controller for single namespaces sees only a part of the users of a ClusterTokenProvider.
        let is_for_all = views.iter().any(|view| view.namespace.is_none());
        let cluster = if is_for_all { self.cluster.providers() } else { Vec::new() };
        let providers: Vec<_> = namespaced.chain(cluster.into_iter().map(Provider::Cluster)).collect();

        let mut former = std::mem::take(&mut self.records);
        let mut due = Vec::new();
        for provider in providers {
            let meta = provider.meta();
            // An object that cannot be decoded has no generation.
            let (Some(uid), Some(generation), None) = (&meta.uid, meta.generation, &meta.deletion_timestamp)
            else {
                continue;
            };
            let uid = uid.clone();
            let record = former.remove(&uid).unwrap_or_default();
            let is_known = record.generation == generation;
            let record = self.records.entry(uid.clone()).or_insert(Record { generation, ..record });
            if !is_known || record.not_before.is_some_and(|not_before| Instant::now() < not_before) {
                continue;
            }
            let users = users.get(&provider.name()).map_or(&[][..], Vec::as_slice);
            let since_write = record.written.map(|written| TimeDelta::from_std(written.elapsed()));
            let since_write = since_write.map(|since| since.unwrap_or(TimeDelta::MAX));
            let status = provider_status(users, generation, provider.status(), since_write, now);
            match status {
                Some(status) => due.push(Due { written: record.written, provider, uid, status }),
                None => record.errors = 0,
            }
        }
        due
    }

    /// Notes how a write has ended.
    fn note(&mut self, due: &Due, error: Option<&CallError>) {
        let Some(record) = self.records.get_mut(&due.uid) else { return };
        let Some(error) = error else {
            let written = Some(Instant::now());
            *record = Record { generation: record.generation, written, ..Record::default() };
            return;
        };
        record.errors = record.errors.saturating_add(1);
        let pause = retry_after_error(record.errors, TimeDelta::zero(), &due.uid);
        record.not_before = Some(Instant::now() + pause);
        let (namespace, name) = due.provider.name();
        let detail = chain(error);
        // The first failure may be that of a cache that is behind, or of an object that is gone.
        if record.errors > 1 && !self.is_failing {
            self.is_failing = true;
            tracing::warn!(
                namespace,
                name,
                detail,
                "The status of a provider could not be written; tokens are not affected"
            );
        } else {
            tracing::debug!(namespace, name, detail, "The status of a provider could not be written");
        }
    }
}

/// The statuses that one sweep may write, longest unwritten first.
fn in_turn(mut due: Vec<Due>) -> Vec<Due> {
    due.sort_by_key(|due| due.written);
    let mut of_namespaces: HashMap<String, usize> = HashMap::new();
    due.retain(|due| {
        let (namespace, _) = due.provider.name();
        let writes = of_namespaces.entry(namespace.to_owned()).or_default();
        *writes += 1;
        namespace.is_empty() || *writes <= WRITES_OF_A_NAMESPACE
    });
    due.truncate(WRITES);
    due
}

/// The provider object that a `TokenSource` names, and what the `TokenSource` says about it.
fn user<'a>(
    view: &ClusterView,
    source: &'a TokenSource,
    now: DateTime<Utc>,
) -> Option<(Name<'a>, ProviderUse<'a>)> {
    let reference = source.spec.provider_ref.as_ref()?;
    if source.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let namespace = source.metadata.namespace.as_deref().unwrap_or_default();
    let user = view.local.with_status(source, |status| ProviderUse::of(source, status, now))?;
    let of_provider = match reference.kind {
        ProviderKind::TokenProvider => namespace,
        ProviderKind::ClusterTokenProvider => "",
    };
    Some(((of_provider, &reference.name), user))
}

#[cfg(test)]
mod tests;
