//! What issuing a token needs from its environment. The controller implements it with its caches and the API server.
//! Must not know an implementation.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{ServiceAccountTokenSettings, TokenProviderSpec};
use crate::controller::error::CallError;
use crate::controller::issue::caches::Caches;
use crate::decide::publication::Data;
use crate::decide::versions::Versions;
use crate::decide::{Credentials, Observed, Secrets};
use crate::oauth::Secret;

/// Reads from the cluster, and the shared caches.
pub(crate) trait Lookup {
    fn caches(&self) -> &Caches;

    fn now(&self) -> DateTime<Utc>;

    /// A text that was never used before; None if the system gives no random numbers.
    fn nonce(&self) -> Option<String>;

    /// Fails if this process may not send a request now.
    fn may_send(&self) -> Result<(), CallError>;

    /// A Secret: its metadata and its data.
    async fn secret(&self, namespace: &str, name: &str) -> Result<(Credentials, Data), CallError>;

    /// The data of a ConfigMap; none if the ConfigMap does not exist.
    async fn config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, CallError>;

    /// The metadata of a ServiceAccount, if it exists.
    async fn service_account(&self, namespace: &str, name: &str) -> Result<Option<ObjectMeta>, CallError>;

    /// A new token of a ServiceAccount.
    async fn service_account_token(
        &self,
        namespace: &str,
        settings: &ServiceAccountTokenSettings,
    ) -> Result<Secret, CallError>;

    /// The versions as which the Secrets count, determined from their data.
    async fn count_versions(
        &self,
        observed: &Observed<'_>,
        provider: &TokenProviderSpec,
        secrets: &Secrets,
        data: [&Data; 3],
    ) -> Versions;

    /// Waits for a host outside the cluster, without a reconcile permit.
    async fn wait_for<T>(&self, answer: impl Future<Output = T>) -> T;

    /// Reports how long a token request took.
    fn request_took(&self, duration: Duration);
}
