//! The connection to a cluster: kubeconfig, context, namespace, and calls with a deadline.
//! Must not know what is called.

use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::arguments::ClusterArguments;
use super::error::Error;
use super::proxy::{self, ReadVariable};
use crate::api_calls::within;

/// The deadline for one call to the API server.
const CALL_DEADLINE: Duration = Duration::from_secs(15);

/// A cluster, and the selected namespace in it.
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) namespace: String,
}

impl Cluster {
    pub(super) async fn connect(arguments: &ClusterArguments, variable: ReadVariable) -> Result<Self, Error> {
        let mut config = configuration(arguments).await?;
        let kubeconfig = match &arguments.kubeconfig {
            Some(path) => Kubeconfig::read_from(path).ok(),
            // In a pod there is no kubeconfig.
            None => Kubeconfig::read().ok(),
        };
        proxy::set(&mut config, kubeconfig.as_ref(), arguments.context.as_deref(), variable)?;
        // A person prefers an immediate error to retries.
        config.default_retry = false;
        let namespace = arguments.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(Error::Connect)?;
        Ok(Self { client, namespace })
    }
}

/// Finds the configuration as kubectl does. In a pod, where there is no kubeconfig, uses the ServiceAccount.
async fn configuration(arguments: &ClusterArguments) -> Result<Config, Error> {
    let options = KubeConfigOptions { context: arguments.context.clone(), ..KubeConfigOptions::default() };
    match &arguments.kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path).map_err(Error::Kubeconfig)?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(Error::Kubeconfig)
        }
        None if arguments.context.is_some() => {
            Config::from_kubeconfig(&options).await.map_err(Error::Kubeconfig)
        }
        None => Config::infer().await.map_err(Error::Infer),
    }
}

/// Runs one call under the deadline. `failed` says what failed.
pub(super) async fn call<T>(
    failed: &'static str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    within(CALL_DEADLINE, request).await.map_err(|source| Error::Call(failed, source))
}
