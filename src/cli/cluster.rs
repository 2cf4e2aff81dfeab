//! The way to a cluster: kubeconfig, context, namespace, and calls that end.
//! Must not know what is asked there.

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::arguments::ClusterArguments;
use super::error::{CALL_DEADLINE, Error};
use super::proxy::{self, Environment};

/// A cluster, and the namespace that is meant there.
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) namespace: String,
}

impl Cluster {
    pub(super) async fn connect(
        arguments: &ClusterArguments,
        environment: Environment,
    ) -> Result<Self, Error> {
        let mut config = configuration(arguments).await?;
        let kubeconfig = match &arguments.kubeconfig {
            Some(path) => Kubeconfig::read_from(path).ok(),
            // There is none in a pod.
            None => Kubeconfig::read().ok(),
        };
        proxy::set(&mut config, kubeconfig.as_ref(), arguments.context.as_deref(), environment)?;
        // A person would rather know at once.
        config.default_retry = false;
        let namespace = arguments.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(Error::Connect)?;
        Ok(Self { client, namespace })
    }
}

/// As kubectl does; in a pod, where there is no kubeconfig, by its ServiceAccount.
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

/// Runs one call under the deadline.
pub(super) async fn call<T>(
    what: &'static str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(CALL_DEADLINE, request).await {
        Ok(answer) => answer.map_err(|error| Error::call(what, &error)),
        Err(_) => Err(Error::Call(
            what,
            format!("the API server did not answer within {} s", CALL_DEADLINE.as_secs()),
        )),
    }
}
