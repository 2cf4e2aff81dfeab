//! The whole controller: its start, its readiness and its shutdown, with one workqueue for each view of the cluster.
//! Must not know which change triggers a reconcile, nor what a reconcile does.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use kube::{Client, Config};
use prometheus_client::registry::Registry;

use crate::controller::provider::Limiters;
use crate::controller::reconcile::context::Context;
use crate::controller::reconcile::credentials::value_key::Keyring;
use crate::controller::reconcile::observe::find_provider;
use crate::controller::reconcile::reconcile;
use crate::controller::report::collectors::{self, HostOf, Objects, Watches};
use crate::controller::report::events::EventRecorder;
use crate::controller::report::log::Log;
use crate::controller::report::metrics::Metrics;
use crate::controller::report::provider_status::Statuses;
use crate::controller::settings::Settings;
use crate::controller::view::audiences::Audiences;
use crate::controller::view::cluster_scoped::ClusterScoped;
use crate::controller::view::cluster_view::{ClusterView, Triggers, prepare};
use crate::controller::view::name::NamespacedName;
use crate::controller::view::rights::Rights;
use crate::controller::view::watch::WatchClient;
use crate::controller::workqueue::permits::Permits;
use crate::controller::workqueue::serve;
use crate::decide::provider_host;
use crate::issue::caches::Caches;

/// How many reconciles of one workqueue may be in flight for each reconcile permit. A reconcile that waits for a provider
/// holds no permit.
const UNDER_WAY: usize = 16;

/// Whether the caches are filled.
#[derive(Clone, Default)]
pub struct Health {
    scopes: Vec<Arc<ClusterView>>,
}

impl Health {
    /// True once the caches of every namespace that can be read are filled, and there is at least one. A namespace that
    /// cannot be read, for example because it was deleted, does not make the controller unready for the others.
    pub fn is_ready(&self) -> bool {
        let is_settled = |view: &Arc<ClusterView>| *view.filled.borrow() || view.is_failing();
        let is_filled = |view: &Arc<ClusterView>| *view.filled.borrow();
        self.scopes.iter().all(is_settled) && (self.scopes.is_empty() || self.scopes.iter().any(is_filled))
    }

    /// Waits until the controller is ready.
    pub async fn filled(&self) {
        let mut changes = stream::select_all(self.scopes.iter().map(|view| view.changes().boxed()));
        while !self.is_ready() && changes.next().await.is_some() {}
    }

    /// The namespaces that cannot be listed or watched now; `all` for the whole cluster.
    pub fn missing(&self) -> Vec<String> {
        let failing = self.scopes.iter().filter(|view| view.is_failing());
        failing.map(|view| view.namespace.clone().unwrap_or_else(|| "all".to_owned())).collect()
    }
}

/// The controller: one workqueue for each view of the cluster.
pub struct Controller {
    scopes: Vec<(Arc<Context>, Triggers)>,
    rights: Rights,
}

impl Controller {
    /// Starts the watches. `config` is the configuration that `client` was made from.
    pub fn new(
        client: &Client,
        watches: &WatchClient,
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
        let resolver = Some(Arc::clone(&settings.resolver));
        let (addresses, proxy) = (settings.addresses.clone(), settings.proxy.clone());
        let caches = Arc::new(Caches::new(addresses, resolver, proxy, settings.clock));
        let audiences = Arc::new(Audiences::new(config));
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
                audiences: Arc::clone(&audiences),
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

    /// Registers the collectors that are read at each scrape; the collector of single `TokenSource`s only with `per_object`.
    pub fn register(&self, registry: &mut Registry, per_object: bool) {
        let Some((context, _)) = self.scopes.first() else { return };
        registry.register_collector(collectors::load(&context.limiters));
        registry.register_collector(collectors::leading(&context.settings));
        registry.register_collector(collectors::cache_sizes(&context.caches, &context.audiences));
        let scopes = self.scopes.iter().map(|(context, _)| &context.view);
        registry.register_collector(Box::new(Watches::new(scopes, &context.cluster)));
        if per_object {
            let scopes = self.scopes.iter().map(|(context, _)| {
                let of_scope = Arc::clone(context);
                let host: HostOf = Box::new(move |source| {
                    find_provider(source, &of_scope).ok().and_then(|provider| provider_host(provider.spec()))
                });
                (Arc::clone(&context.view), host)
            });
            registry.register_collector(Box::new(Objects::new(scopes.collect(), context.settings.clock)));
        }
    }

    /// The caches, for `/readyz`.
    pub fn health(&self) -> Health {
        Health { scopes: self.scopes.iter().map(|(context, _)| Arc::clone(&context.view)).collect() }
    }

    /// The rights of the controller, for `/readyz`.
    pub fn rights(&self) -> Rights {
        self.rights.clone()
    }

    /// The writer of the statuses of provider objects, whose users are in the views.
    fn statuses(&self) -> Option<Statuses> {
        let (context, _) = self.scopes.first()?;
        let views = self.scopes.iter().map(|(context, _)| Arc::clone(&context.view)).collect();
        let (settings, cluster) = (Arc::clone(&context.settings), Arc::clone(&context.cluster));
        Some(Statuses::new(context.client.clone(), settings, views, cluster))
    }

    /// Runs until `shutdown` resolves and every reconcile in flight has finished.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Clone + Send + 'static) {
        let statuses = self.statuses();
        let queues = self.scopes.into_iter().map(|(context, triggers)| {
            let filling = set_filled(Arc::clone(&context));
            let filled = context.view.filled.subscribe();
            let ended = shutdown.clone();
            let queue = queue(context, triggers.take_until(shutdown.clone()));
            async move {
                let (filling, queue) = (std::pin::pin!(filling), std::pin::pin!(queue));
                // `filling` ends once the caches are filled, `queue` at shutdown.
                let serve = async {
                    if let futures::future::Either::Left(((), queue)) =
                        futures::future::select(filling, queue).await
                    {
                        queue.await;
                    }
                };
                // Before the caches are filled, every reconcile in flight waits for them, perhaps forever, and the queue
                // waits for the reconciles.
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
        let keep_statuses = async {
            match statuses {
                Some(statuses) => statuses.run().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = futures::future::join_all(queues) => {}
            never = keep_statuses => match never {},
        }
    }
}

async fn set_filled(context: Arc<Context>) {
    let view = &context.view;
    context.cluster.settled().await;
    // Errors mean that the writer has been dropped, and the queue with it.
    let _ = view.sources.wait_until_ready().await;
    let _ = view.providers.wait_until_ready().await;
    let _ = view.secrets_filled.subscribe().wait_for(|filled| *filled).await;
    view.filled.send_replace(true);
    tracing::info!(token_sources = view.sources.len(), "Caches are filled");
}

/// Whether this workqueue's cache has this object. A deleted object leaves its limiter, since it would never use the permit
/// that it was given.
fn leave_if_gone(name: &NamespacedName, context: &Context) -> bool {
    let (view, (namespace, _)) = (&context.view, name);
    // Every workqueue gets the names of all resumed TokenSources.
    let is_in_view = view.namespace.as_ref().is_none_or(|own| own == namespace.as_str());
    let is_gone = view.find(name).is_none();
    if is_in_view && is_gone {
        context.limiters.leave(name);
    }
    is_in_view && !is_gone
}

async fn queue(context: Arc<Context>, triggers: impl Stream<Item = NamespacedName> + Send + 'static) {
    let mut triggers = triggers.boxed();
    // A process that does not lead only fills its caches. When it takes over, it reconciles every TokenSource.
    tokio::select! {
        biased;
        () = context.settings.leadership.wait_for_first_term() => {}
        () = triggers.by_ref().for_each(async |_| {}) => return,
    }
    let triggers = stream::iter(context.view.all_names()).chain(triggers);
    let resumed =
        context.limiters.resumptions().filter(|name| std::future::ready(leave_if_gone(name, &context)));
    let max_concurrent = usize::from(context.settings.concurrency.max(1)) * UNDER_WAY;
    serve(triggers, resumed, max_concurrent, |name| reconcile(name, Arc::clone(&context))).await;
}
