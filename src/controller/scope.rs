//! A scope, one namespace or all of them: its caches, and what sets off a reconcile.
//!
//! Knows which change concerns which `TokenSource`. Must not know the queue, nor what a reconcile does.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::cluster::{Change, Cluster};
use super::context::Settings;
use super::gates::Gates;
use super::memory::Memory;
use super::references::{NamespacedName, Reference, References, name_of};
use super::secrets::Secrets;
use crate::api::{TokenProvider, TokenSource, annotation};

/// How often the clock is compared with the time that has passed.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(5);
/// Further than this no clock drifts meanwhile.
const LEAP: TimeDelta = TimeDelta::seconds(2);

/// Objects in one page of a list. A page is in memory as text and as objects at once, and what it took is seldom given
/// back: with kube's 500, that is as much as thousands of TokenSources take.
const PAGE: u32 = 100;

/// What wakes the queue: the objects to look at, or a watch that failed and is being tried again.
pub(super) type Triggers = BoxStream<'static, Result<NamespacedName, watcher::Error>>;

/// One namespace, or all of them.
pub(super) struct Scope {
    pub(super) sources: Store<TokenSource>,
    pub(super) providers: Store<TokenProvider>,
    pub(super) secrets: Secrets,
    pub(super) memory: Memory,
    references: RwLock<References>,
    pub(super) secrets_filled: watch::Sender<bool>,
    pub(super) filled: watch::Sender<bool>,
}

impl Scope {
    /// With nothing in it but what these come to hold.
    pub(super) fn new(sources: Store<TokenSource>, providers: Store<TokenProvider>) -> Self {
        Self {
            sources,
            providers,
            secrets: Secrets::default(),
            memory: Memory::default(),
            references: RwLock::default(),
            secrets_filled: watch::Sender::new(false),
            filled: watch::Sender::new(false),
        }
    }

    /// Waits until every cache holds what the API server held: a decision before that might rest on absences.
    pub(super) async fn filled(&self) {
        // An error means that the sender is gone; it lives in `self`.
        let _ = self.filled.subscribe().wait_for(|filled| *filled).await;
    }

    /// The object of this name, as the cache has it.
    pub(super) fn find(&self, (namespace, name): &NamespacedName) -> Option<Arc<TokenSource>> {
        self.sources.get(&ObjectRef::new(name).within(namespace))
    }

    /// The names of all that the cache has.
    pub(super) fn everybody(&self) -> Vec<NamespacedName> {
        self.sources.state().iter().map(|source| name_of(source)).collect()
    }

    pub(super) fn users(&self, namespace: &str, reference: Reference) -> Vec<NamespacedName> {
        self.read().users(namespace, reference)
    }

    /// Notes that a `TokenSource` looks at a Secret which its provider block names.
    pub(super) fn depends(&self, namespace: &str, secret: &str, source: &str) {
        if !self.read().is_noted(namespace, secret, source) {
            self.references.write().unwrap_or_else(PoisonError::into_inner).note(namespace, secret, source);
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, References> {
        self.references.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those a `TokenSource`'s change concerns: itself, and whoever shares a Secret with it.
    fn concerned_by_source(&self, event: &Event<TokenSource>) -> Vec<NamespacedName> {
        if let Event::Delete(source) = event {
            self.memory.forget(&source.uid().unwrap_or_default());
        }
        if matches!(event, Event::InitDone) {
            self.memory.retain(&self.sources.state().iter().filter_map(|source| source.uid()).collect());
        }
        self.references.write().unwrap_or_else(PoisonError::into_inner).apply(event)
    }

    /// Those a Secret's change concerns: whoever names it, and whoever owns it.
    fn concerned_by_secret(&self, event: &Event<PartialObjectMeta<Secret>>) -> Vec<NamespacedName> {
        if matches!(event, Event::InitDone) {
            self.secrets_filled.send_replace(true);
        }
        let changed = self.secrets.apply(event);
        let references = self.read();
        let mut concerned = Vec::new();
        for ((namespace, name), facts) in changed {
            concerned.extend(references.users(&namespace, Reference::Secret(name)));
            if let Some(controller) = &facts.controller
                && controller.kind == TokenSource::kind(&())
            {
                concerned.push((namespace.clone(), controller.name.clone()));
            }
        }
        concerned
    }

    fn concerned_by_provider(&self, event: &Event<TokenProvider>) -> Vec<NamespacedName> {
        match event {
            Event::Init | Event::InitApply(_) => Vec::new(),
            // Of those that were in the last list and are in this one no more nothing is told.
            Event::InitDone => self.read().users_of_providers(),
            Event::Apply(provider) | Event::Delete(provider) => {
                let namespace = provider.namespace().unwrap_or_default();
                self.users(&namespace, Reference::TokenProvider(provider.name_any().into()))
            }
        }
    }

    fn concerned_by_cluster(&self, change: Change) -> Vec<NamespacedName> {
        match change {
            Change::Provider(name) => {
                self.read().users_everywhere(&Reference::ClusterTokenProvider(name.into()))
            }
            Change::Namespace(namespace) => self.read().users_of_cluster_providers(&namespace),
            Change::Anything => self.everybody(),
        }
    }
}

/// Takes out what nobody looks at: there may be thousands of these in memory. Clearing a list or a map would keep its
/// room; of the annotations one is ours to obey, and kubectl's holds the whole object once more.
pub(super) fn prune(source: &mut TokenSource) {
    let metadata = &mut source.metadata;
    let request =
        metadata.annotations.take().and_then(|mut all| all.remove_entry(annotation::RENEW_REQUESTED_AT));
    metadata.annotations = request.map(|request| BTreeMap::from([request]));
    (metadata.labels, metadata.owner_references, metadata.finalizers) = (None, None, None);
    metadata.managed_fields = None;
    // What was read piece by piece has room for more.
    source.spec.token.scopes.shrink_to_fit();
    if let Some(status) = &mut source.status {
        status.conditions.shrink_to_fit();
    }
}

/// The caches of a scope and everything that sets off a reconcile in it.
pub(super) fn prepare(
    client: &Client,
    namespace: Option<&str>,
    settings: &Settings,
    cluster: &Arc<Cluster>,
    gates: &Arc<Gates>,
) -> (Arc<Scope>, Triggers) {
    let (sources, sources_writer) = store();
    let (providers, providers_writer) = store();
    let scope = Arc::new(Scope::new(sources, providers));
    let selected = match &settings.selector {
        Some(selector) => watcher::Config::default().labels(selector),
        None => watcher::Config::default(),
    };
    let of_sources = {
        let (scope, gates) = (Arc::clone(&scope), Arc::clone(gates));
        watched(within::<TokenSource>(client, namespace), selected).modify(prune).reflect(sources_writer).map(
            move |event| {
                if let Ok(Event::Delete(source)) = &event {
                    gates.forget(&name_of(source));
                }
                event.map(|event| scope.concerned_by_source(&event))
            },
        )
    };
    let of_secrets = {
        let scope = Arc::clone(&scope);
        watched(within::<PartialObjectMeta<Secret>>(client, namespace), watcher::Config::default())
            .map(move |event| event.map(|event| scope.concerned_by_secret(&event)))
    };
    let of_providers = {
        let scope = Arc::clone(&scope);
        watched(within::<TokenProvider>(client, namespace), watcher::Config::default())
            .modify(|provider| provider.metadata.managed_fields = None)
            .reflect(providers_writer)
            .map(move |event| event.map(|event| scope.concerned_by_provider(&event)))
    };
    let of_cluster = {
        let scope = Arc::clone(&scope);
        cluster.changes().map(move |change| Ok(scope.concerned_by_cluster(change)))
    };
    let of_clock = {
        let scope = Arc::clone(&scope);
        leaps(settings.clock).map(move |()| Ok(scope.concerned_by_cluster(Change::Anything)))
    };
    let of_gates = {
        let scope = Arc::clone(&scope);
        gates.calls().map(move |called| Ok(scope.find(&called).map(|_| called).into_iter().collect()))
    };
    let all = [
        of_sources.boxed(),
        of_secrets.boxed(),
        of_providers.boxed(),
        of_cluster.boxed(),
        of_clock.boxed(),
        of_gates.boxed(),
    ];
    let triggers = stream::select_all(all).flat_map(|concerned| match concerned {
        Ok(objects) => stream::iter(objects).map(Ok).left_stream(),
        Err(error) => stream::iter([Err(error)]).right_stream(),
    });
    (scope, triggers.boxed())
}

/// Whenever the wall clock has moved otherwise than time itself has passed: it was set, or the machine has slept. What
/// was to happen at an instant waits for a duration, which knows nothing of that.
fn leaps(clock: fn() -> DateTime<Utc>) -> impl Stream<Item = ()> + Send {
    stream::unfold((clock(), Instant::now()), move |(mut wall, mut elapsed)| async move {
        loop {
            tokio::time::sleep(LOOK_AT_CLOCK).await;
            let passed = TimeDelta::from_std(elapsed.elapsed()).unwrap_or(TimeDelta::MAX);
            let leap = clock() - wall - passed;
            (wall, elapsed) = (clock(), Instant::now());
            if leap.abs() > LEAP {
                tracing::info!(seconds = leap.num_seconds(), "The clock was set, or the machine has slept");
                return Some(((), (wall, elapsed)));
            }
        }
    })
}

fn within<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn watched<K>(api: Api<K>, config: watcher::Config) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    watcher(api, config.page_size(PAGE)).default_backoff()
}

#[cfg(test)]
mod tests;
