//! The cluster-scoped objects: `ClusterTokenProvider`s, and the labels of namespaces.
//!
//! An installation for single namespaces may lack the right to read them. Then only `TokenSource`s that name a
//! `ClusterTokenProvider` are refused, with a message that explains it. Must not know what a reconcile does.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::{PartialObjectMeta, Selector, SelectorExt};
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use tokio::sync::{broadcast, watch};

use crate::api::{ClusterTokenProvider, Reason};
use crate::controller::view::name::differs_for_users;
use crate::controller::view::watch::{
    Selection, WatchClient, WatchMetrics, WatchState, Watched, unreadable, watch_objects,
};
use crate::decide::Failure;

/// How many changes are kept for a slow view. A view that falls further behind reconciles everything.
const BACKLOG: usize = 256;

/// A change of a cluster-scoped object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Provider(String),
    Namespace(String),
    /// Anything may be different: changes were lost, the objects were listed again, or the clock was set.
    Anything,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Access {
    Filling,
    Filled,
    Forbidden,
}

/// The cluster-scoped objects.
pub(crate) struct ClusterScoped {
    providers: Store<ClusterTokenProvider>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
    access: [watch::Receiver<Access>; 2],
    /// The state of each watch, with the name of its kind.
    pub(crate) watch_states: [(&'static str, watch::Receiver<WatchState>); 2],
    /// Whether the right to watch may be missing.
    pub(crate) is_optional: bool,
    changes: broadcast::Sender<Change>,
}

impl ClusterScoped {
    /// Starts the two watches, which end with the process. `is_optional` says that the right to watch may be missing.
    pub(crate) fn watch(client: &WatchClient, is_optional: bool, metrics: &WatchMetrics) -> Arc<Self> {
        let (changes, _) = broadcast::channel(BACKLOG);
        let selection = Selection { is_optional, ..Selection::default() };
        let of_provider = News { is_news: differs_for_users, change: Change::Provider };
        let (providers, provider_access, of_providers) =
            follow(client, &selection, changes.clone(), of_provider, metrics);
        let of_namespace = News { is_news: |_, _| true, change: Change::Namespace };
        let (namespaces, namespace_access, of_namespaces) =
            follow(client, &selection, changes.clone(), of_namespace, metrics);
        let access = [provider_access, namespace_access];
        let watch_states = [
            (ClusterTokenProvider::KIND, of_providers),
            (PartialObjectMeta::<Namespace>::KIND, of_namespaces),
        ];
        Arc::new(Self { providers, namespaces, access, watch_states, is_optional, changes })
    }

    /// Waits until both kinds have been read, or turned out to be forbidden.
    pub(crate) async fn settled(&self) {
        for access in &self.access {
            // An error means that the watch has ended with the process.
            let _ = access.clone().wait_for(|access| *access != Access::Filling).await;
        }
    }

    /// All changes from now on.
    pub(crate) fn changes(&self) -> impl Stream<Item = Change> + Send + use<> {
        futures::stream::unfold(self.changes.subscribe(), |mut receiver| async move {
            match receiver.recv().await {
                Ok(change) => Some((change, receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((Change::Anything, receiver)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        })
    }

    /// Every cached provider.
    pub(crate) fn providers(&self) -> Vec<Arc<ClusterTokenProvider>> {
        self.providers.state()
    }

    /// The provider of this name, if it allows the namespace.
    pub(crate) fn provider(&self, name: &str, namespace: &str) -> Result<Arc<ClusterTokenProvider>, Failure> {
        let [providers, namespaces] = &self.access;
        if *providers.borrow() == Access::Forbidden {
            return Err(Failure::local(
                Reason::ProviderNotFound,
                format!(
                    "This controller may not read ClusterTokenProviders (it is installed for single namespaces), so \
                     {name} cannot be used: use a TokenProvider, or grant it list and watch on clustertokenproviders."
                ),
            ));
        }
        let provider = self.providers.get(&ObjectRef::new(name)).ok_or_else(|| {
            Failure::local(
                Reason::ProviderNotFound,
                format!("There is no ClusterTokenProvider {name}: create it, or correct providerRef."),
            )
        })?;
        if let Some(failure) = unreadable(&*provider) {
            return Err(failure);
        }
        let Some(allowed) = &provider.spec.allowed_namespaces else { return Ok(provider) };
        if *namespaces.borrow() == Access::Forbidden {
            return Err(not_allowed(
                name,
                namespace,
                "and this controller may not read the namespace's labels",
            ));
        }
        // The labels of a namespace that is not known yet neither match nor fail to match.
        let Some(labels) = self.labels(namespace) else {
            return Err(not_allowed(
                name,
                namespace,
                "whose labels are not known yet: the controller checks again as soon as they are",
            ));
        };
        match Selector::try_from(allowed.clone()) {
            Ok(selector) if selector.matches(&labels) => Ok(provider),
            Ok(_) => Err(not_allowed(
                name,
                namespace,
                "whose labels do not match: ask its administrator, or label the namespace",
            )),
            Err(_) => {
                Err(not_allowed(name, namespace, "and its label selector is malformed: correct it there"))
            }
        }
    }

    /// Whether the namespace is being deleted, so that nothing can be created in it. False if namespaces may not be read.
    pub(crate) fn is_ending(&self, namespace: &str) -> bool {
        let found = self.namespaces.get(&ObjectRef::new(namespace));
        found.is_some_and(|found| found.meta().deletion_timestamp.is_some())
    }

    fn labels(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        self.namespaces.get(&ObjectRef::new(namespace)).map(|found| found.labels().clone())
    }
}

fn not_allowed(provider: &str, namespace: &str, why: &str) -> Failure {
    Failure::local(
        Reason::ProviderNotAllowed,
        format!(
            "ClusterTokenProvider {provider} admits namespaces by its allowedNamespaces, not {namespace}, {why}."
        ),
    )
}

/// Which events of a kind are changes.
struct News<K> {
    /// Whether the difference between a cached object and the new one is a change.
    is_news: fn(&K, &K) -> bool,
    change: fn(String) -> Change,
}

/// Fills a store, sends changes, and reports whether the kind may be read at all and whether its watch works.
fn follow<K>(
    client: &WatchClient,
    selection: &Selection,
    changes: broadcast::Sender<Change>,
    News { is_news, change }: News<K>,
    metrics: &WatchMetrics,
) -> (Store<K>, watch::Receiver<Access>, watch::Receiver<WatchState>)
where
    K: Watched + serde::de::DeserializeOwned,
{
    let (reader, mut writer) = store();
    let (access, seen) = watch::channel(Access::Filling);
    let (events, mut watch_state) = watch_objects::<K>(client, selection.clone(), metrics);
    let (cached, state) = (reader.clone(), watch_state.clone());
    tokio::spawn(async move {
        let mut events = std::pin::pin!(events);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                Ok(_) = watch_state.wait_for(|now| *now == WatchState::Refused), if *access.borrow() == Access::Filling => {
                    access.send_replace(Access::Forbidden);
                    continue;
                }
            };
            let Some(event) = event else { return };
            let known = match &event {
                Event::Apply(object) => cached.get(&ObjectRef::from_obj(object)),
                _ => None,
            };
            writer.apply_watcher_event(&event);
            match event {
                Event::InitDone => {
                    access.send_replace(Access::Filled);
                    // A status that says that there is no such provider may be outdated now.
                    let _ = changes.send(Change::Anything);
                }
                Event::Apply(object) if known.is_some_and(|known| !is_news(&known, &object)) => {}
                Event::Apply(object) | Event::Delete(object) => {
                    // Before the first view exists, nobody receives this. Each view reconciles everything after its first
                    // list.
                    let _ = changes.send(change(object.name_any()));
                }
                Event::Init | Event::InitApply(_) => {}
            }
        }
    });
    (reader, seen, state)
}
