//! The controller's `Lookup`: answers from the caches and the API server, within the permit of a reconcile.
//! Must not know what a token request looks like.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;

use crate::api::{ServiceAccountTokenSettings, TokenProviderSpec};
use crate::controller::error::{CallError, call};
use crate::controller::issue::caches::Caches;
use crate::controller::issue::lookup::Lookup;
use crate::controller::reconcile::context::ReconcilePermit;
use crate::controller::reconcile::credentials::versions;
use crate::decide::publication::Data;
use crate::decide::versions::Versions;
use crate::decide::{Credentials, Observed, Secrets};
use crate::oauth::Secret;

/// The shortest lifetime that the API server grants; one request needs less.
const LIFETIME_SECONDS: i64 = 600;

impl Lookup for ReconcilePermit<'_> {
    fn caches(&self) -> &Caches {
        &self.caches
    }

    fn now(&self) -> DateTime<Utc> {
        self.settings.now()
    }

    fn nonce(&self) -> Option<String> {
        (self.settings.nonce)()
    }

    fn may_send(&self) -> Result<(), CallError> {
        self.lead()
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<(Credentials, Data), CallError> {
        versions::read(namespace, name, self).await
    }

    async fn config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, CallError> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        Ok(call(api.get_opt(name)).await?.and_then(|map| map.data))
    }

    async fn service_account(&self, namespace: &str, name: &str) -> Result<Option<ObjectMeta>, CallError> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        Ok(call(api.get_metadata_opt(name)).await?.map(|account| account.metadata))
    }

    async fn service_account_token(
        &self,
        namespace: &str,
        settings: &ServiceAccountTokenSettings,
    ) -> Result<Secret, CallError> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let wanted = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![settings.audience.clone()],
                expiration_seconds: Some(settings.expiration_seconds.unwrap_or(LIFETIME_SECONDS)),
                bound_object_ref: None,
            },
            ..TokenRequest::default()
        };
        let issued = call(api.create_token_request(settings.name(), &PostParams::default(), &wanted)).await?;
        // With an empty token, the provider would refuse the request, and its message would mislead.
        let token = issued.status.map(|status| status.token).filter(|token| !token.is_empty());
        token.map(Secret::new).ok_or(CallError::Empty)
    }

    async fn count_versions(
        &self,
        observed: &Observed<'_>,
        provider: &TokenProviderSpec,
        secrets: &Secrets,
        data: [&Data; 3],
    ) -> Versions {
        versions::count_read(observed, provider, secrets, data, self).await
    }

    async fn wait_for<T>(&self, answer: impl Future<Output = T>) -> T {
        self.without_permit(answer).await
    }

    fn request_took(&self, duration: Duration) {
        self.metrics.request_took(duration);
    }
}
