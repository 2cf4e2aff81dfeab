//! `tokensource controller`: assembles the process and runs it.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use kube::Config;
use kube::config::Kubeconfig;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::arguments::ControllerArguments;
use super::heartbeat::Heartbeat;
use super::lease::{self, Election};
use super::traces::Traces;
use super::{admin, clock, core_dumps, own_thread, random, shutdown, telemetry};
use crate::api_calls::proxy_of_cluster;
use crate::controller::{Controller, Health, Leadership, Metrics, Settings, WatchClient, chain, connect};
use crate::oauth::{AddressPolicy, OutboundProxy, ProxyFlagError, Resolver};

/// Why the process could not start, or ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no configuration for a cluster.
    #[error(
        "no usable kubeconfig and not in a cluster: set KUBECONFIG, or run in a pod with a ServiceAccount"
    )]
    Configure(#[source] kube::config::InferConfigError),
    /// The client could not be made.
    #[error("the client for the API server could not be made")]
    Connect(#[source] kube::Error),
    /// Signal handlers could not be installed.
    #[error("signals cannot be handled")]
    Signals(#[source] io::Error),
    /// A thread could not be started.
    #[error("no thread could be started")]
    Thread(#[source] io::Error),
    /// The export of traces could not be started.
    #[error("traces cannot be sent to --otlp-endpoint")]
    Traces(#[source] io::Error),
    /// The admin endpoint could not be served.
    #[error("the admin endpoint cannot be served at --http-address")]
    Admin(#[source] io::Error),
    /// The system gave no random number for the identity of this process.
    #[error("the system gave no random number for the lease's identity")]
    Identity,
    /// The resolver for host names could not be set up.
    #[error("the resolver for names of hosts could not be set up")]
    Resolve(#[source] io::Error),
    /// The flags for the proxy cannot be used.
    #[error("the proxy for requests to providers cannot be used")]
    Proxy(#[source] ProxyFlagError),
    /// Another process has taken the lease.
    #[error("leadership is lost: this process ends, so that only one process leads")]
    Lead(#[source] lease::Lost),
    /// Requests in flight did not end in time.
    #[error("requests in flight did not end within {} s", shutdown::GRACE.as_secs())]
    Drain,
}

/// Runs the controller until a signal ends it. Logs an error that ends it.
pub async fn run(arguments: ControllerArguments) -> Result<(), Error> {
    let traces = Traces::start(&arguments).map_err(Error::Traces);
    let started = traces.as_ref().ok().and_then(Option::as_ref);
    telemetry::start(arguments.log_format, started);
    let outcome = match &traces {
        Ok(_) => serve(arguments).await,
        Err(_) => Ok(()),
    };
    let outcome = traces.and_then(|traces| {
        if let Some(traces) = traces {
            traces.end();
        }
        outcome
    });
    if let Err(error) = &outcome {
        tracing::error!(detail = chain(error), "Controller ended");
    }
    outcome
}

/// Runs the controller.
///
/// Reconciles run on the calling thread. The lease, the admin endpoint and the signals share a thread of their own, and the
/// lease has a client of its own: a reconcile that takes seconds must neither lose the lease nor look like a stuck process.
/// Lists and watches have a thread and a client, too: large objects of one namespace must not delay the reconciles of
/// another.
async fn serve(arguments: ControllerArguments) -> Result<(), Error> {
    core_dumps::forbid();
    let attendant = own_thread::start("attendant").map_err(Error::Thread)?;
    let ended = shutdown::signalled(&attendant).map_err(Error::Signals)?;
    let proxy = proxy(&arguments).map_err(Error::Proxy)?;
    let config = configure(&arguments, proxy.as_deref()).await?;
    let client = connect(config.clone()).map_err(Error::Connect)?;
    let reader = own_thread::start("watches").map_err(Error::Thread)?;
    let watches = WatchClient::new(config.clone(), reader).map_err(Error::Connect)?;
    let heartbeat = Heartbeat::new();

    let mut registry = Registry::default();
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("tokensource_build", "The version that runs", build);
    let metrics = Arc::new(Metrics::register(&mut registry));

    let leadership =
        if arguments.leader_elect { Leadership::contested() } else { Leadership::unshared(clock::now()) };
    let resolver = Arc::new(Resolver::system().map_err(Error::Resolve)?);
    let settings = Settings { proxy, ..settings(&arguments, &config, leadership.clone(), resolver) };
    let controller = Controller::new(&client, &watches, &config, settings, &metrics);
    controller.register(&mut registry, !arguments.no_object_metrics);
    let health = controller.health();
    let mut candidacy = if arguments.leader_elect {
        let election = election(&attendant, &config, &arguments, &leadership, &heartbeat)?;
        Some(Candidacy::begin(&attendant, election, health.clone()))
    } else {
        None
    };
    let admin = {
        let _on_its_thread = attendant.enter();
        admin::serve(arguments.http_address, (health, controller.rights()), heartbeat.clone(), registry)
            .map_err(Error::Admin)?
    };
    attendant.spawn(admin);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), http = %arguments.http_address, "Controller starts");

    let drained = {
        let ended = ended.clone();
        async move {
            ended.await;
            leadership.end();
            tokio::time::sleep(shutdown::GRACE).await;
        }
    };
    let lost = async {
        match &mut candidacy {
            Some(candidacy) => candidacy.lost().await,
            None => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        () = controller.run(ended) => Ok(()),
        lost = lost => Err(Error::Lead(lost)),
        never = heartbeat.beat() => match never {},
        () = drained => Err(Error::Drain),
    };
    // No request is in flight any more, so another process may lead immediately.
    if let (Ok(()), Some(candidacy)) = (&outcome, candidacy) {
        candidacy.withdraw().await;
    }
    outcome
}

/// The election of this process, which runs on the thread `attendant`.
struct Candidacy {
    withdraw: oneshot::Sender<()>,
    ended: JoinHandle<Option<lease::Lost>>,
}

impl Candidacy {
    fn begin(thread: &Handle, mut election: Election, health: Health) -> Self {
        let (withdraw, withdrawn) = oneshot::channel::<()>();
        let lead = async move {
            let lost = async {
                // A process whose caches are not filled would lead without working.
                health.filled().await;
                election.run().await
            };
            let lost = tokio::select! {
                lost = lost => Some(lost),
                _ = withdrawn => None,
            };
            if lost.is_none() {
                election.release().await;
            }
            lost
        };
        Self { withdraw, ended: thread.spawn(lead) }
    }

    /// Waits until another process has taken the lease.
    async fn lost(&mut self) -> lease::Lost {
        // An error means that the election panicked. Without an election this process must not continue.
        (&mut self.ended).await.ok().flatten().unwrap_or(lease::Lost)
    }

    /// Releases the lease.
    async fn withdraw(self) {
        // Fails if the election has already ended.
        let _ = self.withdraw.send(());
        let _ = self.ended.await;
    }
}

/// The election of this process, with an identity that no other process has.
fn election(
    thread: &Handle,
    config: &Config,
    arguments: &ControllerArguments,
    leadership: &Leadership,
    heartbeat: &Heartbeat,
) -> Result<Election, Error> {
    let identity = format!("{}_{}", arguments.host, random::nonce().ok_or(Error::Identity)?);
    let namespace = own_namespace(arguments, config);
    // A client belongs to the event loop in which it is made.
    let _on_its_thread = thread.enter();
    let client = connect(config.clone()).map_err(Error::Connect)?;
    let (leadership, heartbeat) = (leadership.clone(), heartbeat.clone());
    Ok(Election::new(&client, namespace, &arguments.lease_name, identity, leadership, heartbeat))
}

/// The namespace of the controller's own objects: the lease, and the key for the hash of credentials.
fn own_namespace<'a>(arguments: &'a ControllerArguments, config: &'a Config) -> &'a str {
    arguments.lease_namespace.as_deref().unwrap_or(&config.default_namespace)
}

async fn configure(arguments: &ControllerArguments, proxy: Option<&OutboundProxy>) -> Result<Config, Error> {
    let mut config = Config::infer().await.map_err(Error::Configure)?;
    // The workqueue retries; kube's own retries would block a reconcile for minutes.
    config.default_retry = false;
    if arguments.api_server_proxy {
        let proxy = proxy.ok_or(ProxyFlagError::ApiServer).map_err(Error::Proxy)?;
        let url = proxy.url_with_credentials().map_err(Error::Proxy)?;
        config.proxy_url = Some(url.parse().map_err(|_| ProxyFlagError::ApiServer).map_err(Error::Proxy)?);
    } else {
        keep_own_proxy(&mut config);
    }
    Ok(config)
}

/// Keeps a proxy that the kubeconfig names and drops a proxy from the environment: the API server is usually near the
/// controller, where a proxy to the outside cannot reach it.
///
/// kube has already set the proxy from both, and the kubeconfig's proxy takes precedence.
fn keep_own_proxy(config: &mut Config) {
    let kubeconfig = Kubeconfig::read().ok();
    if kubeconfig.and_then(|kubeconfig| proxy_of_cluster(&kubeconfig, None)).is_none() {
        config.proxy_url = None;
    }
}

fn proxy(arguments: &ControllerArguments) -> Result<Option<Arc<OutboundProxy>>, ProxyFlagError> {
    let file = arguments.proxy_credentials_file.clone();
    let proxy = OutboundProxy::of_flags(arguments.https_proxy.as_deref(), &arguments.no_proxy, file)?;
    Ok(proxy.map(Arc::new))
}

fn settings(
    arguments: &ControllerArguments,
    config: &Config,
    leadership: Leadership,
    resolver: Arc<Resolver>,
) -> Settings {
    // A namespace that is named twice would be served twice, and each token requested twice.
    let namespaces: BTreeSet<_> =
        arguments.namespaces.iter().filter(|name| !name.is_empty()).cloned().collect();
    Settings {
        namespaces: namespaces.into_iter().collect(),
        selector: arguments.selector.clone(),
        addresses: AddressPolicy {
            allow: arguments.allow_networks.clone(),
            deny: arguments.deny_networks.clone(),
        },
        proxy: None,
        resolver,
        only_cluster_providers: arguments.only_cluster_providers,
        concurrency: arguments.concurrency,
        key_secret: (own_namespace(arguments, config).to_owned(), format!("{}-key", arguments.lease_name)),
        leadership,
        clock: clock::now,
        nonce: random::nonce,
    }
}
