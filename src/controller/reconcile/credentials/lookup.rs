//! The controller's `Lookup`: answers from the caches and the API server, within the permit of a reconcile.
//! Must not know the fields of a token request.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use crate::api::{ServiceAccountTokenSettings, TokenProviderSpec};
use crate::controller::error::{Error, IssueError, call};
use crate::controller::reconcile::context::ReconcilePermit;
use crate::controller::reconcile::credentials::{service_accounts, upstream, versions};
use crate::decide::publication::Data;
use crate::decide::versions::{Role, Versions};
use crate::decide::{Observed, ReferencedSecret, Secrets, UpstreamState};
use crate::issue::caches::Caches;
use crate::issue::lookup::Lookup;
use crate::oauth::Secret;

impl Lookup for ReconcilePermit<'_> {
    type Error = Error;

    fn caches(&self) -> &Caches {
        &self.caches
    }

    fn now(&self) -> DateTime<Utc> {
        self.settings.now()
    }

    fn nonce(&self) -> Result<String, Error> {
        (self.settings.nonce)().ok_or(Error::Random)
    }

    fn may_send(&self) -> Result<(), Error> {
        self.ensure_leading().map_err(Error::Ask)
    }

    async fn secret(
        &self,
        namespace: &str,
        name: &str,
        role: Role,
    ) -> Result<(ReferencedSecret, Data), Error> {
        versions::read(namespace, name, self).await.map_err(versions::error_of(role))
    }

    async fn config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let found = call(api.get_opt(name)).await.map_err(Error::ReadTrust)?;
        Ok(found.and_then(|map| map.data))
    }

    async fn consent(
        &self,
        settings: &ServiceAccountTokenSettings,
        observed: &Observed<'_>,
        provider: &TokenProviderSpec,
    ) -> Result<(), IssueError> {
        service_accounts::consent(settings, observed, provider, self).await
    }

    async fn service_account_token(
        &self,
        settings: &ServiceAccountTokenSettings,
        observed: &Observed<'_>,
        provider: &TokenProviderSpec,
    ) -> Result<Secret, IssueError> {
        service_accounts::token(settings, observed, provider, self).await
    }

    async fn upstream(&self, namespace: &str, name: &str) -> Result<(UpstreamState, Option<Secret>), Error> {
        upstream::read(namespace, name, self).await
    }

    async fn resolve_versions(
        &self,
        observed: &Observed<'_>,
        provider: &TokenProviderSpec,
        secrets: &Secrets,
        data: &BTreeMap<Role, Data>,
    ) -> Versions {
        versions::resolve_read(observed, provider, secrets, data, self).await
    }

    async fn wait_for<T>(&self, answer: impl Future<Output = T>) -> T {
        self.without_permit(answer).await
    }

    fn request_took(&self, duration: Duration) {
        self.metrics.request_took(duration);
    }
}
