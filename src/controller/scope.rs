//! A scope, one namespace or all of them: its caches, what sets off a reconcile, and the queue.
//!
//! Knows which change concerns which `TokenSource`. Must not know what a reconcile does.

use std::sync::{Arc, PoisonError, RwLock};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Config as QueueConfig, applier};
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt, controller};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};

use super::cluster::{Change, Cluster};
use super::context::{Context, Settings};
use super::error::Error;
use super::exchangers::Exchangers;
use super::memory::Memory;
use super::metrics::Metrics;
use super::reconcile::{reconcile, try_again};
use super::references::{Reference, References};
use super::secrets::Secrets;
use crate::api::{TokenProvider, TokenSource};

/// What wakes the queue: the objects to look at, or a watch that failed and is being tried again.
type Triggers = BoxStream<'static, Result<ObjectRef<TokenSource>, watcher::Error>>;

/// One namespace, or all of them.
pub(super) struct Scope {
    pub(super) sources: Store<TokenSource>,
    pub(super) providers: Store<TokenProvider>,
    pub(super) secrets: Secrets,
    references: RwLock<References>,
    secrets_filled: watch::Sender<bool>,
    filled: watch::Sender<bool>,
}

impl Scope {
    /// Waits until every cache holds what the API server held: a decision before that might rest on absences.
    pub(super) async fn filled(&self) {
        // An error means that the sender is gone; it lives in `self`.
        let _ = self.filled.subscribe().wait_for(|filled| *filled).await;
    }

    pub(super) fn users(&self, namespace: &str, reference: Reference) -> Vec<ObjectRef<TokenSource>> {
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

    /// Those a Secret's change concerns: whoever names it, and whoever owns it.
    fn concerned_by_secret(&self, event: &Event<PartialObjectMeta<Secret>>) -> Vec<ObjectRef<TokenSource>> {
        if matches!(event, Event::InitDone) {
            self.secrets_filled.send_replace(true);
        }
        let changed = self.secrets.apply(event);
        let references = self.read();
        let mut concerned = Vec::new();
        for ((namespace, name), facts) in changed {
            concerned.extend(references.users(&namespace, Reference::Secret(name)));
            if let Some((kind, owner, _)) = &facts.controller
                && *kind == TokenSource::kind(&())
            {
                concerned.push(ObjectRef::new(owner).within(&namespace));
            }
        }
        concerned
    }

    fn concerned_by_provider(&self, event: &Event<TokenProvider>) -> Vec<ObjectRef<TokenSource>> {
        let (Event::Apply(provider) | Event::Delete(provider) | Event::InitApply(provider)) = event else {
            return Vec::new();
        };
        let namespace = provider.namespace().unwrap_or_default();
        self.users(&namespace, Reference::TokenProvider(provider.name_any()))
    }

    fn concerned_by_cluster(&self, change: Change) -> Vec<ObjectRef<TokenSource>> {
        match change {
            Change::Provider(name) => self.read().users_everywhere(&Reference::ClusterTokenProvider(name)),
            Change::Namespace(namespace) => self.read().users_of_cluster_providers(&namespace),
            Change::Anything => {
                self.sources.state().iter().map(|source| ObjectRef::from_obj(source.as_ref())).collect()
            }
        }
    }
}

/// Whether the controller has seen what there is to see.
#[derive(Clone)]
pub struct Health {
    scopes: Vec<watch::Receiver<bool>>,
}

impl Health {
    /// True once every cache is filled.
    pub fn is_ready(&self) -> bool {
        self.scopes.iter().all(|filled| *filled.borrow())
    }
}

/// The controller: a queue for each scope.
pub struct Controller {
    scopes: Vec<(Arc<Context>, Triggers)>,
}

impl Controller {
    /// Starts the watches of what is cluster-scoped, and prepares the rest.
    pub fn new(client: &Client, settings: Settings, metrics: Arc<Metrics>) -> Self {
        let namespaces: Vec<Option<String>> = match settings.namespaces.as_slice() {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        };
        let settings = Arc::new(settings);
        let cluster = Cluster::watch(client);
        let exchangers = Arc::new(Exchangers::new(settings.addresses.clone()));
        let permits = Arc::new(Semaphore::new(usize::from(settings.concurrency.max(1))));
        let recorder = Recorder::new(client.clone(), Context::reporter());
        let prepare = |namespace: Option<String>| {
            let (scope, triggers) = prepare(client, namespace.as_deref(), &settings, &cluster);
            let context = Context {
                client: client.clone(),
                settings: Arc::clone(&settings),
                scope,
                cluster: Arc::clone(&cluster),
                exchangers: Arc::clone(&exchangers),
                memory: Memory::default(),
                recorder: recorder.clone(),
                metrics: Arc::clone(&metrics),
                permits: Arc::clone(&permits),
            };
            (Arc::new(context), triggers)
        };
        Self { scopes: namespaces.into_iter().map(prepare).collect() }
    }

    /// What `/readyz` asks.
    pub fn health(&self) -> Health {
        Health { scopes: self.scopes.iter().map(|(context, _)| context.scope.filled.subscribe()).collect() }
    }

    /// Runs until `shutdown` resolves and every reconcile in flight has ended.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Clone + Send + 'static) {
        let queues = self.scopes.into_iter().map(|(context, triggers)| {
            let announce = announce_filled(Arc::clone(&context));
            let queue = queue(context, triggers.take_until(shutdown.clone()));
            async move {
                let (announce, queue) = (std::pin::pin!(announce), std::pin::pin!(queue));
                // The announcement ends early, the queue at shutdown; neither keeps the other waiting.
                if let futures::future::Either::Left(((), queue)) = futures::future::select(announce, queue).await {
                    queue.await;
                }
            }
        });
        futures::future::join_all(queues).await;
    }
}

async fn announce_filled(context: Arc<Context>) {
    let scope = &context.scope;
    context.cluster.settled().await;
    // Errors mean that the writer is gone, and with it the queue.
    let _ = scope.sources.wait_until_ready().await;
    let _ = scope.providers.wait_until_ready().await;
    let _ = scope.secrets_filled.subscribe().wait_for(|filled| *filled).await;
    scope.filled.send_replace(true);
    tracing::info!(token_sources = scope.sources.len(), "Caches are filled");
}

async fn queue(
    context: Arc<Context>,
    triggers: impl Stream<Item = Result<ObjectRef<TokenSource>, watcher::Error>> + Send + 'static,
) {
    let store = context.scope.sources.clone();
    let config = QueueConfig::default().concurrency(context.settings.concurrency.max(1));
    let reconciler = |source, context| Box::pin(reconcile(source, context));
    applier(reconciler, try_again, context, store, triggers.boxed(), config)
        .for_each(|result| async move {
            match result {
                Ok(_) | Err(controller::Error::ObjectNotFound(_)) => {}
                Err(controller::Error::ReconcilerFailed(error, object)) => report(&error, &object.to_string()),
                Err(controller::Error::QueueError(error)) => {
                    tracing::warn!(error = %chain(&error), "Watch failed; it is tried again");
                }
                Err(error) => tracing::error!(error = %chain(&error), "Queue failed"),
            }
        })
        .await;
}

fn report(error: &Error, object: &str) {
    tracing::warn!(object, reason = error.reason(), error = %chain(error), "Reconcile failed; it is tried again");
}

/// The error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// The caches of a scope and everything that sets off a reconcile in it.
fn prepare(
    client: &Client,
    namespace: Option<&str>,
    settings: &Settings,
    cluster: &Arc<Cluster>,
) -> (Arc<Scope>, Triggers) {
    let (sources, sources_writer) = store();
    let (providers, providers_writer) = store();
    let scope = Arc::new(Scope {
        sources,
        providers,
        secrets: Secrets::default(),
        references: RwLock::default(),
        secrets_filled: watch::Sender::new(false),
        filled: watch::Sender::new(false),
    });
    let selected = match &settings.selector {
        Some(selector) => watcher::Config::default().labels(selector),
        None => watcher::Config::default(),
    };
    // References are entered before the store: whoever finds an object there finds what it names as well.
    let of_sources = {
        let scope = Arc::clone(&scope);
        watched(within::<TokenSource>(client, namespace), selected)
            .modify(|source| source.managed_fields_mut().clear())
            .reflect(sources_writer)
            .map(move |event| {
                event.map(|event| {
                    scope.references.write().unwrap_or_else(PoisonError::into_inner).apply(&event)
                })
            })
    };
    let of_secrets = {
        let scope = Arc::clone(&scope);
        watched(within::<PartialObjectMeta<Secret>>(client, namespace), watcher::Config::default())
            .map(move |event| event.map(|event| scope.concerned_by_secret(&event)))
    };
    let of_providers = {
        let scope = Arc::clone(&scope);
        watched(within::<TokenProvider>(client, namespace), watcher::Config::default())
            .modify(|provider| provider.managed_fields_mut().clear())
            .reflect(providers_writer)
            .map(move |event| event.map(|event| scope.concerned_by_provider(&event)))
    };
    let of_cluster = {
        let scope = Arc::clone(&scope);
        cluster.changes().map(move |change| Ok(scope.concerned_by_cluster(change)))
    };
    let all = [of_sources.boxed(), of_secrets.boxed(), of_providers.boxed(), of_cluster.boxed()];
    let triggers = stream::select_all(all).flat_map(|concerned| match concerned {
        Ok(objects) => stream::iter(objects).map(Ok).left_stream(),
        Err(error) => stream::iter([Err(error)]).right_stream(),
    });
    (scope, triggers.boxed())
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
    watcher(api, config).default_backoff()
}
