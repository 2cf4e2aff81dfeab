//! The controller as a whole: a queue for each scope, its start, its readiness and its end.
//! Knows the order of these. Must not know what sets off a reconcile, nor what one does.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use kube::{Client, Config};
use prometheus_client::registry::Registry;

use crate::controller::issue::caches::Caches;
use crate::controller::provider::Limiters;
use crate::controller::reconcile::context::Context;
use crate::controller::reconcile::credentials::value_key::Keyring;
use crate::controller::reconcile::reconcile;
use crate::controller::report::collectors::{Busyness, CacheSizes, Leading, Objects, Watches};
use crate::controller::report::events::EventRecorder;
use crate::controller::report::log::Log;
use crate::controller::report::metrics::Metrics;
use crate::controller::settings::Settings;
use crate::controller::view::cluster_scoped::ClusterScoped;
use crate::controller::view::cluster_view::{ClusterView, Triggers, prepare};
use crate::controller::view::name::NamespacedName;
use crate::controller::view::rights::Rights;
use crate::controller::view::watch::WatchClient;
use crate::controller::workqueue::permits::Permits;
use crate::controller::workqueue::serve;

/// For each TokenSource that is worked on so many may be under way, waiting for a provider.
const UNDER_WAY: usize = 16;

/// Whether the controller has seen what there is to see.
#[derive(Clone, Default)]
pub struct Health {
    scopes: Vec<Arc<ClusterView>>,
}

impl Health {
    /// True once the caches of each namespace are filled. A namespace that cannot be read, for example because it is
    /// gone, keeps nobody from serving the others.
    pub fn is_ready(&self) -> bool {
        let is_settled = |view: &Arc<ClusterView>| *view.filled.borrow() || view.is_failing();
        let is_filled = |view: &Arc<ClusterView>| *view.filled.borrow();
        self.scopes.iter().all(is_settled) && (self.scopes.is_empty() || self.scopes.iter().any(is_filled))
    }

    /// Waits until then.
    pub async fn filled(&self) {
        let mut changes = stream::select_all(self.scopes.iter().map(|view| view.changes().boxed()));
        while !self.is_ready() && changes.next().await.is_some() {}
    }

    /// The namespaces that are not served at present, because they cannot be listed or watched.
    pub fn missing(&self) -> Vec<String> {
        let failing = self.scopes.iter().filter(|view| view.is_failing());
        failing.map(|view| view.namespace.clone().unwrap_or_else(|| "all".to_owned())).collect()
    }
}

/// The controller: a queue for each scope.
pub struct Controller {
    scopes: Vec<(Arc<Context>, Triggers)>,
    rights: Rights,
}

impl Controller {
    /// Starts the watches of what is cluster-scoped, and prepares the rest. `config` is how `client` was made.
    pub fn new(
        (client, watches): (&Client, &WatchClient),
        config: &Config,
        settings: Settings,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let namespaces: Vec<Option<String>> = match settings.namespaces.as_slice() {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        };
        let settings = Arc::new(settings);
        let cluster = ClusterScoped::watch(watches, !settings.namespaces.is_empty(), metrics.watches());
        let limiters = Limiters::new(settings.concurrency, settings.clock);
        let caches = Arc::new(Caches::new(config, &settings));
        let keyring = Arc::new(Keyring::new(client.clone(), Arc::clone(&settings)));
        let permits = Permits::new(usize::from(settings.concurrency.max(1)));
        let events = Arc::new(EventRecorder::new(client));
        let log = Arc::new(Log::new(metrics.dropped_lines()));
        let prepare = |namespace: Option<String>| {
            let (view, triggers) =
                prepare(watches, namespace.as_deref(), &settings, &cluster, metrics.watches());
            let context = Context {
                client: client.clone(),
                settings: Arc::clone(&settings),
                view,
                cluster: Arc::clone(&cluster),
                limiters: Arc::clone(&limiters),
                caches: Arc::clone(&caches),
                events: Arc::clone(&events),
                log: Arc::clone(&log),
                metrics: Arc::clone(metrics),
                permits: permits.clone(),
                keyring: Arc::clone(&keyring),
            };
            (Arc::new(context), triggers)
        };
        let rights = Rights::watch(client, &settings.namespaces);
        Self { scopes: namespaces.into_iter().map(prepare).collect(), rights }
    }

    /// Has the registry read, at each scrape, how busy the controller is and, if wanted, how each `TokenSource` stands.
    pub fn register(&self, registry: &mut Registry, per_object: bool) {
        let Some((context, _)) = self.scopes.first() else { return };
        registry.register_collector(Box::new(Busyness::new(Arc::clone(&context.limiters))));
        registry.register_collector(Box::new(Leading::new(&context.settings)));
        registry.register_collector(Box::new(CacheSizes::new(Arc::clone(&context.caches))));
        let scopes = self.scopes.iter().map(|(context, _)| &context.view);
        registry.register_collector(Box::new(Watches::new(scopes)));
        if per_object {
            let scopes = self.scopes.iter().map(|(context, _)| Arc::clone(&context.view)).collect();
            registry.register_collector(Box::new(Objects::new(scopes, context.settings.clock)));
        }
    }

    /// What `/readyz` asks.
    pub fn health(&self) -> Health {
        Health { scopes: self.scopes.iter().map(|(context, _)| Arc::clone(&context.view)).collect() }
    }

    /// What `/readyz` asks besides.
    pub fn rights(&self) -> Rights {
        self.rights.clone()
    }

    /// Runs until `shutdown` resolves and every reconcile in flight has ended.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Clone + Send + 'static) {
        let queues = self.scopes.into_iter().map(|(context, triggers)| {
            let announce = announce_filled(Arc::clone(&context));
            let filled = context.view.filled.subscribe();
            let ended = shutdown.clone();
            let queue = queue(context, triggers.take_until(shutdown.clone()));
            async move {
                let (announce, queue) = (std::pin::pin!(announce), std::pin::pin!(queue));
                // The announcement ends early, the queue at shutdown; neither keeps the other waiting.
                let serve = async {
                    if let futures::future::Either::Left(((), queue)) =
                        futures::future::select(announce, queue).await
                    {
                        queue.await;
                    }
                };
                // Before the caches are filled nothing is in flight, and nothing would ever end by itself.
                let cut_short = async {
                    ended.await;
                    if *filled.borrow() {
                        std::future::pending::<()>().await;
                    }
                };
                tokio::select! {
                    () = serve => {}
                    () = cut_short => {}
                }
            }
        });
        futures::future::join_all(queues).await;
    }
}

async fn announce_filled(context: Arc<Context>) {
    let view = &context.view;
    context.cluster.settled().await;
    // Errors mean that the writer is gone, and with it the queue.
    let _ = view.sources.wait_until_ready().await;
    let _ = view.providers.wait_until_ready().await;
    let _ = view.secrets_filled.subscribe().wait_for(|filled| *filled).await;
    view.filled.send_replace(true);
    tracing::info!(token_sources = view.sources.len(), "Caches are filled");
}

/// Whether the cache has this object. One that is gone leaves its limiter at once: until its last reconcile, which may
/// have to wait for others of its namespace, it would keep a permit that it never uses.
fn is_present(name: &NamespacedName, context: &Context) -> bool {
    let (view, (namespace, _)) = (&context.view, name);
    // Every workqueue hears of all that are woken.
    let is_in_view = view.namespace.as_ref().is_none_or(|own| own == namespace.as_str());
    let is_present = is_in_view && view.find(name).is_some();
    if is_in_view && !is_present {
        context.limiters.leave(name);
    }
    is_present
}

async fn queue(context: Arc<Context>, triggers: impl Stream<Item = NamespacedName> + Send + 'static) {
    let mut triggers = triggers.boxed();
    // Until then only the caches are kept: whoever takes over begins with all there is.
    tokio::select! {
        biased;
        () = context.settings.leadership.gained() => {}
        () = triggers.by_ref().for_each(async |_| {}) => return,
    }
    let triggers = stream::iter(context.view.all_names()).chain(triggers).inspect(|name| {
        is_present(name, &context);
    });
    let wakes = context.limiters.wakes().filter(|name| std::future::ready(is_present(name, &context)));
    // Most of these wait for a provider, and hold no reconcile permit meanwhile.
    let max_concurrent = usize::from(context.settings.concurrency.max(1)) * UNDER_WAY;
    serve(triggers, wakes, max_concurrent, |name| reconcile(name, Arc::clone(&context))).await;
}
