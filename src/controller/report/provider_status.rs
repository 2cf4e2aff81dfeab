//! The statuses of provider objects, written from time to time from the cached statuses of the TokenSources that name them.
//!
//! Knows which TokenSources use an object. Must not decide the content of a status, nor whether it is worth a write.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::{Client, Resource};
use records::{Due, Failures, Records};

use crate::api::{ClusterTokenProvider, Tls, TokenProvider, TokenProviderStatus, TokenSource};
use crate::controller::error::{CallError, chain};
use crate::controller::report::status::write_status;
use crate::controller::settings::Settings;
use crate::controller::view::cluster_scoped::ClusterScoped;
use crate::controller::view::cluster_view::ClusterView;
use crate::decide::{ChosenProvider, ProviderUse, chosen_provider, provider_status};

/// The pause between two sweeps.
const PAUSE: Duration = Duration::from_secs(10);

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

/// A status to write.
struct Write {
    provider: Provider,
    uid: String,
    status: TokenProviderStatus,
}

impl Due for Write {
    fn uid(&self) -> &str {
        &self.uid
    }

    fn namespace(&self) -> &str {
        self.provider.name().0
    }
}

/// Writes the statuses of provider objects.
pub(crate) struct Statuses {
    client: Client,
    settings: Arc<Settings>,
    views: Vec<Arc<ClusterView>>,
    cluster: Arc<ClusterScoped>,
    records: Records,
}

impl Statuses {
    pub(crate) fn new(
        client: Client,
        settings: Arc<Settings>,
        views: Vec<Arc<ClusterView>>,
        cluster: Arc<ClusterScoped>,
    ) -> Self {
        Self { client, settings, views, cluster, records: Records::default() }
    }

    /// Sweeps again and again while this process leads. A controller with a selector sees only a part of the users, and
    /// writes no status of a provider object.
    pub(crate) async fn run(mut self) -> Infallible {
        let is_partial = self.settings.selector.is_some();
        loop {
            let leadership = &self.settings.leadership;
            if is_partial || !leadership.wait_until_leading(self.settings.clock).await {
                return std::future::pending().await;
            }
            self.sweep().await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn sweep(&mut self) {
        let mut failures = Failures::default();
        let due = self.due();
        for write in self.records.in_turn(due) {
            if failures.exclude(write.namespace()) {
                continue;
            }
            let written = match &write.provider {
                Provider::Namespaced(provider) => {
                    write_status(&self.client, &self.settings, &**provider, &write.status).await
                }
                Provider::Cluster(provider) => {
                    write_status(&self.client, &self.settings, &**provider, &write.status).await
                }
            };
            match written {
                Ok(_) => self.records.succeeded(&write),
                Err(CallError::NotLeading) => return,
                Err(error) => {
                    failures.count(write.namespace(), &error);
                    log(&write, &error, self.records.failed(&write, &error));
                }
            }
            if failures.end_the_sweep() {
                break;
            }
        }
        if self.records.ended() {
            tracing::info!("Statuses of providers can be written again");
        }
    }

    /// The statuses that are worth a write now, from the views whose caches are filled.
    fn due(&mut self) -> Vec<Write> {
        let views: Vec<_> = self.views.iter().filter(|view| *view.filled.borrow()).collect();
        let sources: Vec<_> = views.iter().map(|view| (*view, view.sources.state())).collect();
        let now = self.settings.now();
        let mut users: HashMap<Name<'_>, Vec<ProviderUse<'_>>> = HashMap::new();
        for (view, sources) in &sources {
            for source in sources {
                if let Some((key, user)) = self.user(view, source, now) {
                    users.entry(key).or_default().push(user);
                }
            }
        }
        let namespaced = views.iter().flat_map(|view| view.providers.state()).map(Provider::Namespaced);
        // A controller for single namespaces sees only a part of the users of a ClusterTokenProvider.
        let is_for_all = views.iter().any(|view| view.namespace.is_none());
        let cluster = if is_for_all { self.cluster.providers() } else { Vec::new() };
        let providers: Vec<_> = namespaced.chain(cluster.into_iter().map(Provider::Cluster)).collect();

        let mut former = std::mem::take(&mut self.records.of_objects);
        let mut due = Vec::new();
        for provider in providers {
            let meta = provider.meta();
            // An object that is being deleted needs no status. The API server gives each object a uid and a generation.
            let (Some(uid), Some(generation), None) = (&meta.uid, meta.generation, &meta.deletion_timestamp)
            else {
                continue;
            };
            let uid = uid.clone();
            let record = former.remove(&uid).unwrap_or_default();
            let record = self.records.of_objects.entry(uid.clone()).or_insert(record);
            let is_known = std::mem::replace(&mut record.generation, generation) == generation;
            if !is_known || !record.may_be_written() {
                continue;
            }
            let users = users.get(&provider.name()).map_or(&[][..], Vec::as_slice);
            let since_write = record.written.map(|written| TimeDelta::from_std(written.elapsed()));
            let since_write = since_write.map(|since| since.unwrap_or(TimeDelta::MAX));
            let status = provider_status(users, generation, provider.status(), since_write, now);
            match status {
                Some(status) => due.push(Write { provider, uid, status }),
                None => record.forget_errors(),
            }
        }
        due
    }

    /// The provider object that a `TokenSource` names, and what the status of the `TokenSource` shows about it. None if
    /// there is no such object, if the `TokenSource` is being deleted, or if the object does not admit the `TokenSource`:
    /// otherwise everybody could raise the counts of a `ClusterTokenProvider`. This is checked here, because the status does
    /// not always show it: a suspended `TokenSource`, for example, has another reason.
    fn user<'a>(
        &self,
        view: &ClusterView,
        source: &'a TokenSource,
        now: DateTime<Utc>,
    ) -> Option<(Name<'a>, ProviderUse<'a>)> {
        if source.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let namespace = source.metadata.namespace.as_deref().unwrap_or_default();
        let says =
            |tls: &Tls| view.local.with_status(source, |status| ProviderUse::of(source, tls, status, now));
        Some(match chosen_provider(&source.spec, self.settings.only_cluster_providers).ok()? {
            ChosenProvider::Inline(_) => return None,
            ChosenProvider::Namespaced(name) => {
                let provider = view.providers.get(&ObjectRef::new(name).within(namespace))?;
                ((namespace, name), says(&provider.spec.tls))
            }
            ChosenProvider::Cluster(name) => {
                let provider = self.cluster.provider(name, namespace).ok()?;
                (("", name), says(&provider.spec.provider.tls))
            }
        })
    }
}

fn log(write: &Write, error: &CallError, is_news: bool) {
    let (namespace, name) = write.provider.name();
    let detail = chain(error);
    if is_news {
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

mod records;
