//! `tokensource controller`: puts the process together and runs it to its end.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use kube::{Client, Config};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::arguments::ControllerArguments;
use super::lease::{self, Election};
use super::{admin, clock, core_dumps, random, shutdown, telemetry};
use crate::controller::{Controller, Leadership, Metrics, Settings};
use crate::oauth::AddressPolicy;

/// Why the process could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No way to a cluster.
    #[error(
        "no usable kubeconfig and not in a cluster: set KUBECONFIG, or run in a pod with a ServiceAccount"
    )]
    Configure(#[source] kube::config::InferConfigError),
    /// The client could not be made.
    #[error("the client for the API server could not be made")]
    Connect(#[source] kube::Error),
    /// The signals could not be listened to.
    #[error("signals cannot be handled")]
    Signals(#[source] io::Error),
    /// The admin endpoint could not be served.
    #[error("the admin endpoint cannot be served at --http-address")]
    Admin(#[source] io::Error),
    /// There is no random number to tell this process from others.
    #[error("the system gave no random number for the lease's identity")]
    Identity,
    /// Another process leads.
    #[error("leadership is lost: this process ends, so that nothing of it goes on")]
    Lead(#[source] lease::Lost),
    /// Requests in flight did not end in time.
    #[error("requests in flight did not end within {} s", shutdown::GRACE.as_secs())]
    Drain,
}

/// Runs the controller until a signal ends it.
pub async fn run(arguments: ControllerArguments) -> Result<(), Error> {
    telemetry::start(arguments.log_format);
    core_dumps::forbid();
    let ended = shutdown::signalled().map_err(Error::Signals)?;
    let config = configure().await?;
    let client = Client::try_from(config.clone()).map_err(Error::Connect)?;

    let mut registry = Registry::default();
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("tokensource_build", "The version that runs", build);
    let metrics = Arc::new(Metrics::register(&mut registry));

    let leadership =
        if arguments.leader_elect { Leadership::contested() } else { Leadership::unshared(clock::now()) };
    let mut election = if arguments.leader_elect {
        Some(election(&client, &config, &arguments, &leadership)?)
    } else {
        None
    };
    let controller = Controller::new(&client, &config, settings(&arguments, leadership), &metrics);
    controller.register(&mut registry, !arguments.no_object_metrics);
    let health = controller.health();
    let admin = admin::serve(arguments.http_address, health.clone(), registry).await.map_err(Error::Admin)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), http = %arguments.http_address, "Controller starts");

    let drained = {
        let ended = ended.clone();
        async move {
            ended.await;
            tokio::time::sleep(shutdown::GRACE).await;
        }
    };
    let lost = async {
        match &mut election {
            // Who has not seen everything yet would lead without doing anything.
            Some(election) => {
                health.filled().await;
                election.run().await
            }
            None => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        () = controller.run(ended) => Ok(()),
        lost = lost => Err(Error::Lead(lost)),
        served = admin => served.map_err(Error::Admin),
        () = drained => Err(Error::Drain),
    };
    // Nothing is in flight any more, so somebody else may begin at once.
    if let (Ok(()), Some(election)) = (&outcome, &mut election) {
        election.release().await;
    }
    outcome
}

/// This process's part in the election, under a name that no other process has.
fn election(
    client: &Client,
    config: &Config,
    arguments: &ControllerArguments,
    leadership: &Leadership,
) -> Result<Election, Error> {
    let identity = format!("{}_{}", arguments.host, random::nonce().ok_or(Error::Identity)?);
    let namespace = arguments.lease_namespace.as_deref().unwrap_or(&config.default_namespace);
    Ok(Election::new(client, namespace, &arguments.lease_name, identity, leadership.clone()))
}

async fn configure() -> Result<Config, Error> {
    let mut config = Config::infer().await.map_err(Error::Configure)?;
    // The queue is the retry loop; kube's own would hold a reconcile for minutes.
    config.default_retry = false;
    Ok(config)
}

fn settings(arguments: &ControllerArguments, leadership: Leadership) -> Settings {
    // A namespace named twice would be served twice, and its tokens asked for twice.
    let namespaces: BTreeSet<_> =
        arguments.namespaces.iter().filter(|name| !name.is_empty()).cloned().collect();
    Settings {
        namespaces: namespaces.into_iter().collect(),
        selector: arguments.selector.clone(),
        addresses: AddressPolicy {
            allow: arguments.allow_networks.clone(),
            deny: arguments.deny_networks.clone(),
        },
        only_cluster_providers: arguments.only_cluster_providers,
        concurrency: arguments.concurrency,
        leadership,
        clock: clock::now,
        nonce: random::nonce,
    }
}
