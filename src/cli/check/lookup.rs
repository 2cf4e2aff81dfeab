//! The `Lookup` of `check`: answers from the manifests. Tokens of ServiceAccounts and of other TokenSources have stand-ins,
//! because such tokens exist only in a cluster. Must not know the fields of a token request.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::manifests::data;
use super::offline::OfflineContext;
use super::report::Fault;
use crate::api::{ServiceAccountTokenSettings, TokenProviderSpec};
use crate::cli::Error;
use crate::decide::publication::Data;
use crate::decide::versions::{Role, Versions};
use crate::decide::{Observed, ReferencedSecret, Secrets, UpstreamState};
use crate::issue::caches::Caches;
use crate::issue::error::IssueError;
use crate::issue::lookup::Lookup;
use crate::oauth::{Disclosure, Secret};

/// Replaces the token of a ServiceAccount.
const SERVICE_ACCOUNT_TOKEN: &str = "SERVICE-ACCOUNT-TOKEN";
/// Replaces the token of another `TokenSource`.
const TOKEN_OF_TOKEN_SOURCE: &str = "TOKEN-OF-TOKEN-SOURCE";

impl Lookup for OfflineContext<'_> {
    type Error = Fault;

    fn caches(&self) -> &Caches {
        &self.caches
    }

    fn now(&self) -> DateTime<Utc> {
        (self.environment.now)()
    }

    fn nonce(&self) -> Result<String, Fault> {
        (self.environment.nonce)().ok_or_else(|| Fault::not_sent(&Error::Random.to_string()))
    }

    fn may_send(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn secret(&self, _: &str, name: &str, _: Role) -> Result<(ReferencedSecret, Data), Fault> {
        Ok((self.facts(name), self.secret(name).map(data).unwrap_or_default()))
    }

    async fn config_map(&self, _: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, Fault> {
        Ok(self.config_map(name).and_then(|map| map.data.clone()))
    }

    async fn consent(
        &self,
        _: &ServiceAccountTokenSettings,
        _: &Observed<'_>,
        _: &TokenProviderSpec,
    ) -> Result<(), IssueError<Fault>> {
        Ok(())
    }

    async fn service_account_token(
        &self,
        _: &ServiceAccountTokenSettings,
        _: &Observed<'_>,
        _: &TokenProviderSpec,
    ) -> Result<Secret, IssueError<Fault>> {
        Ok(Secret::new(SERVICE_ACCOUNT_TOKEN.to_owned()))
    }

    async fn upstream(&self, _: &str, name: &str) -> Result<(UpstreamState, Option<Secret>), Fault> {
        Ok((self.upstream_state(name), Some(Secret::new(TOKEN_OF_TOKEN_SOURCE.to_owned()))))
    }

    async fn resolve_versions(
        &self,
        _: &Observed<'_>,
        _: &TokenProviderSpec,
        secrets: &Secrets,
        _: &BTreeMap<Role, Data>,
    ) -> Versions {
        secrets.versions.clone()
    }

    /// A person who sends their own credentials may see the whole answer.
    fn disclosure(&self, _: Disclosure) -> Disclosure {
        Disclosure::Full
    }

    async fn wait_for<T>(&self, answer: impl Future<Output = T>) -> T {
        answer.await
    }

    fn request_took(&self, _: Duration) {}
}
