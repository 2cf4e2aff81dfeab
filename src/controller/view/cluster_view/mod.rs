//! The view of one namespace or of all namespaces: its caches, and the changes that trigger a reconcile.
//!
//! Knows which change affects which `TokenSource`. Must not know the workqueue, nor what a reconcile does.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use compact_str::CompactString;
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
use crate::controller::view::cluster_scoped::{Change, ClusterScoped};
use crate::controller::view::index::{Reference, ReferenceIndex};
use crate::controller::view::local_state::LocalState;
use crate::controller::view::name::{NamespacedName, differs_for_users, name_of, uid_of};
use crate::controller::view::replaced::ReplacedTokens;
use crate::controller::view::secrets::Secrets;
use crate::controller::view::watch::{
    Selection, WatchClient, WatchMetrics, WatchState, Watched, watch_objects,
};

/// How often the wall clock is compared with the monotonic clock.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(5);
/// A larger difference is not drift: the clock was set, or the machine has slept.
const LEAP: TimeDelta = TimeDelta::seconds(2);

/// The names of the TokenSources to reconcile.
pub(crate) type Triggers = BoxStream<'static, NamespacedName>;

/// The caches of one namespace, or of all namespaces.
pub(crate) struct ClusterView {
    pub(crate) sources: Store<TokenSource>,
    pub(crate) providers: Store<TokenProvider>,
    pub(crate) secrets: Secrets,
    pub(crate) local: LocalState,
    pub(crate) replaced: ReplacedTokens,
    references: RwLock<ReferenceIndex>,
    pub(crate) secrets_filled: watch::Sender<bool>,
    pub(crate) filled: watch::Sender<bool>,
    /// The state of each watch, with the name of its kind.
    pub(crate) watch_states: Vec<(&'static str, watch::Receiver<WatchState>)>,
    /// None for all namespaces.
    pub(crate) namespace: Option<String>,
}

impl ClusterView {
    /// A view with these stores and nothing else in it.
    pub(crate) fn new(sources: Store<TokenSource>, providers: Store<TokenProvider>) -> Self {
        Self {
            sources,
            providers,
            secrets: Secrets::default(),
            local: LocalState::default(),
            replaced: ReplacedTokens::default(),
            references: RwLock::default(),
            secrets_filled: watch::Sender::new(false),
            filled: watch::Sender::new(false),
            watch_states: Vec::new(),
            namespace: None,
        }
    }

    /// Waits until every cache is filled. Before that, a decision could take a missing object for a deleted one.
    pub(crate) async fn filled(&self) {
        // There is no error: `self` keeps the sender.
        let _ = self.filled.subscribe().wait_for(|filled| *filled).await;
    }

    /// Whether a watch has been refused, or has failed several times in a row.
    pub(crate) fn is_failing(&self) -> bool {
        let fails = |watch_state| matches!(watch_state, WatchState::Failing | WatchState::Refused);
        self.watch_states.iter().any(|(_, watch_state)| fails(*watch_state.borrow()))
    }

    /// An item for each change that may affect readiness.
    pub(crate) fn changes(&self) -> impl Stream<Item = ()> + use<> {
        let filled = stream::unfold(self.filled.subscribe(), async |mut filled| {
            filled.changed().await.ok().map(|()| ((), filled))
        });
        let watch_states = self.watch_states.iter().map(|(_, watch_state)| {
            stream::unfold(watch_state.clone(), async |mut watch_state| {
                watch_state.changed().await.ok().map(|()| ((), watch_state))
            })
        });
        stream::select_all(watch_states.map(StreamExt::boxed).chain([filled.boxed()]))
    }

    /// The cached object of this name.
    pub(crate) fn find(&self, (namespace, name): &NamespacedName) -> Option<Arc<TokenSource>> {
        self.sources.get(&ObjectRef::new(name).within(namespace))
    }

    /// The names of all cached TokenSources.
    pub(crate) fn all_names(&self) -> Vec<NamespacedName> {
        self.sources.state().iter().map(|source| name_of(source)).collect()
    }

    pub(crate) fn users(&self, namespace: &str, reference: Reference) -> Vec<NamespacedName> {
        self.read().users(namespace, reference)
    }

    /// The oldest `TokenSource` that names this target and is not being deleted.
    pub(crate) fn oldest_claim(&self, namespace: &str, target: &str) -> Option<CompactString> {
        self.read().oldest_claim(namespace, target)
    }

    /// Records the objects to which the provider block of a `TokenSource` leads, and replaces the former ones.
    pub(crate) fn depends(&self, namespace: &str, source: &str, references: Vec<Reference>) {
        if !self.read().has_noted(namespace, source, &references) {
            self.references
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .note(namespace, source, references);
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, ReferenceIndex> {
        self.references.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The TokenSources that a change of a `TokenSource` affects: see [`ReferenceIndex::apply`].
    fn affected_by_source(&self, event: &Event<TokenSource>) -> Vec<NamespacedName> {
        if let Event::Delete(source) = event {
            self.local.forget(uid_of(source));
        }
        if matches!(event, Event::InitDone) {
            self.local.retain(&self.sources.state().iter().filter_map(|source| source.uid()).collect());
        }
        self.references.write().unwrap_or_else(PoisonError::into_inner).apply(event)
    }

    /// The TokenSources that a change of a Secret affects: those that depend on the Secret, and its owner.
    fn affected_by_secret(&self, event: &Event<PartialObjectMeta<Secret>>) -> Vec<NamespacedName> {
        if matches!(event, Event::InitDone) {
            self.secrets_filled.send_replace(true);
        }
        let changed = self.secrets.apply(event);
        let references = self.read();
        let mut affected = Vec::new();
        for ((namespace, name), meta) in changed {
            affected.extend(references.users(&namespace, Reference::Secret(name)));
            if let Some(controller) = &meta.controller
                && controller.kind == TokenSource::kind(&())
            {
                affected.push((namespace.clone(), controller.name.clone()));
            }
        }
        affected
    }

    /// The TokenSources that a change of a `TokenProvider` affects. Called before the cache has the change.
    fn affected_by_provider(&self, event: &Event<TokenProvider>) -> Vec<NamespacedName> {
        match event {
            Event::Init | Event::InitApply(_) => Vec::new(),
            // The watch sends no event for objects that were deleted between two lists.
            Event::InitDone => self.read().users_of_providers(),
            Event::Apply(provider)
                if let Some(known) = self.providers.get(&ObjectRef::from_obj(provider))
                    && !differs_for_users(&*known, provider) =>
            {
                Vec::new()
            }
            Event::Apply(provider) | Event::Delete(provider) => {
                let namespace = provider.namespace().unwrap_or_default();
                self.users(&namespace, Reference::TokenProvider(provider.name_any().into()))
            }
        }
    }

    fn affected_by_cluster(&self, change: Change) -> Vec<NamespacedName> {
        match change {
            Change::Provider(name) => {
                self.read().users_everywhere(&Reference::ClusterTokenProvider(name.into()))
            }
            Change::Namespace(namespace) => self.read().users_of_cluster_providers(&namespace),
            Change::Anything => self.all_names(),
        }
    }
}

/// Creates a view and its triggers.
pub(crate) fn prepare(
    client: &WatchClient,
    namespace: Option<&str>,
    settings: &Settings,
    cluster: &Arc<ClusterScoped>,
    metrics: &WatchMetrics,
) -> (Arc<ClusterView>, Triggers) {
    let (sources, mut sources_writer) = store();
    let (providers, mut providers_writer) = store();
    let mut view = ClusterView::new(sources, providers);
    view.namespace = namespace.map(str::to_owned);
    let within = Selection { namespace: view.namespace.clone(), ..Selection::default() };
    let selected = Selection { selector: settings.selector.clone(), ..within.clone() };
    let source_events = watched::<TokenSource>(client, selected, metrics, &mut view);
    let secret_events = watched::<PartialObjectMeta<Secret>>(client, within.clone(), metrics, &mut view);
    let provider_events = watched::<TokenProvider>(client, within, metrics, &mut view);
    let view = Arc::new(view);
    let of_sources = {
        let view = Arc::clone(&view);
        source_events.map(move |event| {
            sources_writer.apply_watcher_event(&event);
            view.affected_by_source(&event)
        })
    };
    let of_secrets = {
        let view = Arc::clone(&view);
        secret_events.map(move |event| view.affected_by_secret(&event))
    };
    let of_providers = {
        let view = Arc::clone(&view);
        provider_events.map(move |event| {
            let affected = view.affected_by_provider(&event);
            providers_writer.apply_watcher_event(&event);
            affected
        })
    };
    let of_cluster = {
        let view = Arc::clone(&view);
        cluster.changes().map(move |change| view.affected_by_cluster(change))
    };
    let of_clock = {
        let view = Arc::clone(&view);
        leaps(settings.clock).map(move |()| view.affected_by_cluster(Change::Anything))
    };
    let all =
        [of_sources.boxed(), of_secrets.boxed(), of_providers.boxed(), of_cluster.boxed(), of_clock.boxed()];
    (view, stream::select_all(all).flat_map(stream::iter).boxed())
}

/// An item each time that the wall clock was set or the machine has slept. Requeues are due at an instant but wait for a
/// duration, so they have to be computed again then.
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

/// Starts the watch of one kind, and records its state in the view.
fn watched<K: Watched>(
    client: &WatchClient,
    selection: Selection,
    metrics: &WatchMetrics,
    view: &mut ClusterView,
) -> impl Stream<Item = Event<K>> + Send + use<K> {
    let (events, watch_state) = watch_objects(client, selection, metrics);
    view.watch_states.push((K::KIND, watch_state));
    events
}

#[cfg(test)]
mod tests;
