//! What every reconcile shares. Knows handles and settings; must not hold anything that differs by object.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use crate::api::TokenSource;
use crate::controller::error::{CallError, call};
use crate::controller::issue::metadata_cache::Issuers;
use crate::controller::issue::service_accounts::Audiences;
use crate::controller::issue::token_clients::TokenClients;
use crate::controller::leadership::Leadership;
use crate::controller::provider::Limiters;
use crate::controller::reconcile::credentials::value_key::Keyring;
use crate::controller::report::events::Announcer;
use crate::controller::report::log::Log;
use crate::controller::report::metrics::Metrics;
use crate::controller::view::cluster::Cluster;
use crate::controller::view::scope::Scope;
use crate::controller::view::secrets::Facts;
use crate::controller::workqueue::permits::Permits;
use crate::oauth::{AddressPolicy, Resolver};

/// What the operator chose on the command line.
#[derive(Clone)]
pub struct Settings {
    /// The namespaces to serve; empty for all.
    pub namespaces: Vec<String>,
    /// The `TokenSource`s to serve, by label; none for all.
    pub selector: Option<String>,
    /// Which addresses may be spoken to.
    pub addresses: AddressPolicy,
    /// How names of hosts become addresses.
    pub resolver: Arc<Resolver>,
    /// Endpoints may come from `ClusterTokenProvider`s only.
    pub only_cluster_providers: bool,
    /// How many reconciles may run at once.
    pub concurrency: u16,
    /// Namespace and name of the Secret that keeps the key for the hash of credentials.
    pub key_secret: (String, String),
    /// Whether this process may act.
    pub leadership: Leadership,
    /// Reads the clock; the one way in which time enters.
    pub clock: fn() -> DateTime<Utc>,
    /// Draws a text never used before; the one way in which chance enters. None where the system gives none.
    pub nonce: fn() -> Option<String>,
}

/// What every reconcile of one scope shares.
pub struct Context {
    pub(crate) client: Client,
    pub(crate) settings: Arc<Settings>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) token_clients: Arc<TokenClients>,
    pub(crate) limiters: Arc<Limiters>,
    pub(crate) issuers: Arc<Issuers>,
    pub(crate) audiences: Arc<Audiences>,
    pub(crate) announcer: Arc<Announcer>,
    pub(crate) log: Arc<Log>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) permits: Permits,
    pub(crate) keyring: Arc<Keyring>,
}

impl Context {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.settings.clock)()
    }

    /// Whether this process leads still: looked at before anything is asked of a provider, or written.
    pub(crate) fn lead(&self) -> Result<(), CallError> {
        if self.settings.leadership.holds(self.now()) { Ok(()) } else { Err(CallError::NotLeading) }
    }

    pub(crate) fn sources(&self, namespace: &str) -> Api<TokenSource> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(crate) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// One Secret in full, with its metadata taken in: what is known of it is never older than what was read.
    pub(crate) async fn read_secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(Secret, Arc<Facts>)>, CallError> {
        let known = self.scope.secrets.get(namespace, name);
        let found = call(self.secrets(namespace).get_opt(name)).await?;
        if found.is_none() {
            self.scope.secrets.lose(namespace, name, known.as_deref());
        }
        Ok(found.map(|secret| {
            let facts = self.scope.secrets.learn(&secret.metadata);
            (secret, facts)
        }))
    }
}
