//! What issuing a token needs of its surroundings. The controller answers from its caches and the API server.
//! Must not know who answers.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{ServiceAccountTokenSettings, TokenProviderSpec};
use crate::controller::error::CallError;
use crate::controller::issue::caches::Caches;
use crate::decide::publication::Data;
use crate::decide::{Credentials, Observed};
use crate::oauth::Secret;

/// Reads of the cluster, and what requests share.
pub(crate) trait Lookup {
    fn caches(&self) -> &Caches;

    fn now(&self) -> DateTime<Utc>;

    /// A text never used before; none where the system gives no random number.
    fn nonce(&self) -> Option<String>;

    /// Fails where this process may not send a request now.
    fn may_send(&self) -> Result<(), CallError>;

    /// A Secret by its metadata, and its data.
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

    /// Brings `observed` up to date with the data of the Secrets that were read: as which versions they count.
    async fn count_versions(
        &self,
        observed: &mut Observed<'_>,
        provider: &TokenProviderSpec,
        read: [&Data; 3],
    );

    /// Waits for a host outside the cluster. Nothing that others need is held meanwhile.
    async fn wait_for<T>(&self, answer: impl Future<Output = T>) -> T;

    /// A token request was answered, or failed, after this time.
    fn request_took(&self, duration: Duration);
}
