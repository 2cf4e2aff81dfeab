//! A scope, one namespace or all of them: its caches, and what sets off a reconcile.
//!
//! Knows which change concerns which `TokenSource`. Must not know the queue, nor what a reconcile does.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use tokio::sync::watch;

use crate::api::{TokenProvider, TokenSource};
use crate::controller::settings::Settings;
use crate::controller::view::cluster::{Change, Cluster};
use crate::controller::view::index::{Reference, References};
use crate::controller::view::name::{NamespacedName, name_of};
use crate::controller::view::pending::Memory;
use crate::controller::view::secrets::Secrets;
use crate::controller::view::watch::{
    Selection, Standing, WatchClient, WatchMetrics, Watched, watch_objects,
};

/// How often the clock is compared with the time that has passed.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(5);
/// Further than this no clock drifts meanwhile.
const LEAP: TimeDelta = TimeDelta::seconds(2);

/// The objects to look at.
pub(crate) type Triggers = BoxStream<'static, NamespacedName>;

/// One namespace, or all of them.
pub(crate) struct Scope {
    pub(crate) sources: Store<TokenSource>,
    pub(crate) providers: Store<TokenProvider>,
    pub(crate) secrets: Secrets,
    pub(crate) memory: Memory,
    references: RwLock<References>,
    pub(crate) secrets_filled: watch::Sender<bool>,
    pub(crate) filled: watch::Sender<bool>,
    /// How its watches stand, each with the kind's name.
    pub(crate) standings: Vec<(&'static str, watch::Receiver<Standing>)>,
    /// None for all namespaces.
    pub(crate) namespace: Option<String>,
}

impl Scope {
    /// With nothing in it but what these come to hold.
    pub(crate) fn new(sources: Store<TokenSource>, providers: Store<TokenProvider>) -> Self {
        Self {
            sources,
            providers,
            secrets: Secrets::default(),
            memory: Memory::default(),
            references: RwLock::default(),
            secrets_filled: watch::Sender::new(false),
            filled: watch::Sender::new(false),
            standings: Vec::new(),
            namespace: None,
        }
    }

    /// Waits until every cache holds what the API server held: a decision before that might rest on absences.
    pub(crate) async fn filled(&self) {
        // An error means that the sender is gone; it lives in `self`.
        let _ = self.filled.subscribe().wait_for(|filled| *filled).await;
    }

    /// Whether one of its watches has been refused, or has failed a few times in a row.
    pub(crate) fn is_failing(&self) -> bool {
        let fails = |standing| matches!(standing, Standing::Failing | Standing::Refused);
        self.standings.iter().any(|(_, standing)| fails(*standing.borrow()))
    }

    /// Whenever something that readiness depends on is different.
    pub(crate) fn changes(&self) -> impl Stream<Item = ()> + use<> {
        let filled = stream::unfold(self.filled.subscribe(), async |mut filled| {
            filled.changed().await.ok().map(|()| ((), filled))
        });
        let standings = self.standings.iter().map(|(_, standing)| {
            stream::unfold(standing.clone(), async |mut standing| {
                standing.changed().await.ok().map(|()| ((), standing))
            })
        });
        stream::select_all(standings.map(StreamExt::boxed).chain([filled.boxed()]))
    }

    /// The object of this name, as the cache has it.
    pub(crate) fn find(&self, (namespace, name): &NamespacedName) -> Option<Arc<TokenSource>> {
        self.sources.get(&ObjectRef::new(name).within(namespace))
    }

    /// The names of all that the cache has.
    pub(crate) fn everybody(&self) -> Vec<NamespacedName> {
        self.sources.state().iter().map(|source| name_of(source)).collect()
    }

    pub(crate) fn users(&self, namespace: &str, reference: Reference) -> Vec<NamespacedName> {
        self.read().users(namespace, reference)
    }

    /// Notes which Secrets a `TokenSource` looks at because its provider block names them, in place of those before.
    pub(crate) fn depends(&self, namespace: &str, source: &str, secrets: &[&str]) {
        if !self.read().is_noted(namespace, source, secrets) {
            self.references.write().unwrap_or_else(PoisonError::into_inner).note(namespace, source, secrets);
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

/// The caches of a scope and everything that sets off a reconcile in it.
pub(crate) fn prepare(
    client: &WatchClient,
    namespace: Option<&str>,
    settings: &Settings,
    cluster: &Arc<Cluster>,
    metrics: &WatchMetrics,
) -> (Arc<Scope>, Triggers) {
    let (sources, mut sources_writer) = store();
    let (providers, mut providers_writer) = store();
    let mut scope = Scope::new(sources, providers);
    scope.namespace = namespace.map(str::to_owned);
    let within = Selection { namespace: scope.namespace.clone(), ..Selection::default() };
    let selected = Selection { selector: settings.selector.clone(), ..within.clone() };
    let source_events = watched::<TokenSource>(client, selected, metrics, &mut scope);
    let secret_events = watched::<PartialObjectMeta<Secret>>(client, within.clone(), metrics, &mut scope);
    let provider_events = watched::<TokenProvider>(client, within, metrics, &mut scope);
    let scope = Arc::new(scope);
    let of_sources = {
        let scope = Arc::clone(&scope);
        source_events.map(move |event| {
            sources_writer.apply_watcher_event(&event);
            scope.concerned_by_source(&event)
        })
    };
    let of_secrets = {
        let scope = Arc::clone(&scope);
        secret_events.map(move |event| scope.concerned_by_secret(&event))
    };
    let of_providers = {
        let scope = Arc::clone(&scope);
        provider_events.map(move |event| {
            providers_writer.apply_watcher_event(&event);
            scope.concerned_by_provider(&event)
        })
    };
    let of_cluster = {
        let scope = Arc::clone(&scope);
        cluster.changes().map(move |change| scope.concerned_by_cluster(change))
    };
    let of_clock = {
        let scope = Arc::clone(&scope);
        leaps(settings.clock).map(move |()| scope.concerned_by_cluster(Change::Anything))
    };
    let all =
        [of_sources.boxed(), of_secrets.boxed(), of_providers.boxed(), of_cluster.boxed(), of_clock.boxed()];
    (scope, stream::select_all(all).flat_map(stream::iter).boxed())
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

/// The events of one kind; how their watch stands is noted in the scope.
fn watched<K: Watched>(
    client: &WatchClient,
    selection: Selection,
    metrics: &WatchMetrics,
    scope: &mut Scope,
) -> impl Stream<Item = Event<K>> + Send + use<K> {
    let (events, standing) = watch_objects(client, selection, metrics);
    scope.standings.push((K::KIND, standing));
    events
}

#[cfg(test)]
mod tests;
