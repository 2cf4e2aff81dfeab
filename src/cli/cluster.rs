//! The connection to a cluster: kubeconfig, context, namespace, user, and calls with a deadline.
//! Must not know what is called.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config};

use serde_json::Value;

use super::arguments::ClusterArguments;
use super::error::Error;
use super::proxy::{self, ReadVariable};
use crate::api::TokenSource;
use crate::api_calls::within;

/// The field manager of every patch, as `kubectl get --show-managed-fields` shows it.
const FIELD_MANAGER: &str = "kubectl-tokensource";

/// Namespace and name of an object.
pub(super) type ObjectKey = (String, String);

/// A cluster, and the selected namespace in it.
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) namespace: String,
    /// The deadline for one call to the API server.
    deadline: Duration,
}

impl Cluster {
    pub(super) async fn connect(arguments: &ClusterArguments, variable: ReadVariable) -> Result<Self, Error> {
        let mut config = configuration(arguments).await?;
        // In a pod there is no kubeconfig.
        let kubeconfig = kubeconfig(arguments).ok();
        proxy::set(&mut config, kubeconfig.as_ref(), arguments.context.as_deref(), variable)?;
        // A person prefers an immediate error to retries.
        config.default_retry = false;
        if arguments.as_user.is_some() {
            config.auth_info.impersonate.clone_from(&arguments.as_user);
            config.auth_info.impersonate_groups =
                Some(arguments.as_groups.clone()).filter(|groups| !groups.is_empty());
        }
        let namespace = arguments.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(Error::Connect)?;
        let deadline = match arguments.request_timeout.get() {
            Duration::ZERO => Duration::MAX,
            deadline => deadline,
        };
        Ok(Self { client, namespace, deadline })
    }

    /// Runs one call under the deadline. `failed` says what failed.
    pub(super) async fn call<T>(
        &self,
        failed: &'static str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        within(self.deadline, request).await.map_err(|source| Error::Call(failed, source))
    }

    /// Changes a TokenSource by a JSON merge patch (RFC 7396). `failed` says what failed.
    pub(super) async fn patch(
        &self,
        failed: &'static str,
        (namespace, name): &ObjectKey,
        patch: &Value,
    ) -> Result<TokenSource, Error> {
        let api: Api<TokenSource> = Api::namespaced(self.client.clone(), namespace);
        let field_manager = Some(FIELD_MANAGER.to_owned());
        let params = PatchParams { field_manager, ..PatchParams::default() };
        self.call(failed, api.patch(name, &params, &Patch::Merge(patch))).await
    }

    /// The TokenSources of the namespace, or of all namespaces.
    pub(super) fn sources(&self, all_namespaces: bool) -> Api<TokenSource> {
        if all_namespaces {
            Api::all(self.client.clone())
        } else {
            Api::namespaced(self.client.clone(), &self.namespace)
        }
    }
}

/// Finds the configuration as kubectl does. In a pod, where there is no kubeconfig, uses the ServiceAccount.
async fn configuration(arguments: &ClusterArguments) -> Result<Config, Error> {
    if arguments.kubeconfig.is_none() && arguments.context.is_none() {
        return Config::infer().await.map_err(Error::Infer);
    }
    let options = KubeConfigOptions { context: arguments.context.clone(), ..KubeConfigOptions::default() };
    let kubeconfig = kubeconfig(arguments).map_err(Error::Kubeconfig)?;
    Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(Error::Kubeconfig)
}

/// The kubeconfig that the flags name, or else the one that kubectl finds.
pub(super) fn kubeconfig(arguments: &ClusterArguments) -> Result<Kubeconfig, KubeconfigError> {
    arguments.kubeconfig.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from)
}
