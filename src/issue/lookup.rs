//! The inputs that issuing a token needs from its environment. The controller implements this trait with its caches and the
//! API server, `tokensource check` with the manifests. Must not know an implementation.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::api::{ServiceAccountTokenSettings, TokenProviderSpec};
use crate::decide::publication::Data;
use crate::decide::versions::{Role, Versions};
use crate::decide::{Observed, ReferencedSecret, Secrets, UpstreamState};
use crate::issue::caches::Caches;
use crate::issue::error::IssueError;
use crate::oauth::{Disclosure, Secret};

/// Reads inputs of a request, and holds the shared caches. Secrets and ConfigMaps are read from the namespace of the
/// `TokenSource`.
pub(crate) trait Lookup {
    /// Why an input could not be read.
    type Error;

    fn caches(&self) -> &Caches;

    fn now(&self) -> DateTime<Utc>;

    /// A text that was never used before.
    fn nonce(&self) -> Result<String, Self::Error>;

    /// Fails if this process may not send a request now.
    fn may_send(&self) -> Result<(), Self::Error>;

    /// A Secret: its metadata and its data.
    async fn secret(
        &self,
        namespace: &str,
        name: &str,
        role: Role,
    ) -> Result<(ReferencedSecret, Data), Self::Error>;

    /// The data of the ConfigMap with the certificates to trust; None if the ConfigMap does not exist.
    async fn config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Self::Error>;

    /// Fails unless the owner of a ServiceAccount allows the hosts of the spec.
    async fn consent(
        &self,
        settings: &ServiceAccountTokenSettings,
        observed: &Observed<'_>,
        provider: &TokenProviderSpec,
    ) -> Result<(), IssueError<Self::Error>>;

    /// A new token of a ServiceAccount whose owner allows the hosts of the spec.
    async fn service_account_token(
        &self,
        settings: &ServiceAccountTokenSettings,
        observed: &Observed<'_>,
        provider: &TokenProviderSpec,
    ) -> Result<Secret, IssueError<Self::Error>>;

    /// Another TokenSource of the namespace, and its token if it has a valid one.
    async fn upstream(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<(UpstreamState, Option<Secret>), Self::Error>;

    /// The versions that represent the Secrets in the fingerprint, determined from their data.
    async fn resolve_versions(
        &self,
        observed: &Observed<'_>,
        provider: &TokenProviderSpec,
        secrets: &Secrets,
        data: &BTreeMap<Role, Data>,
    ) -> Versions;

    /// How much of an answer may be shown, if the rules allow this much.
    fn disclosure(&self, allowed: Disclosure) -> Disclosure {
        allowed
    }

    /// Waits for the answer of a provider or an issuer.
    async fn wait_for<T>(&self, answer: impl Future<Output = T>) -> T;

    /// Reports how long a token request took.
    fn request_took(&self, duration: Duration);
}
