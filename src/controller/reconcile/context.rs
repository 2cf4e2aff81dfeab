//! The state that all reconciles share, and the permit of each reconcile. Knows handles and settings; must not hold data of
//! a single object, except in the permit.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client};

use crate::controller::error::{CallError, call};
use crate::controller::provider::Limiters;
use crate::controller::reconcile::credentials::value_key::Keyring;
use crate::controller::report::events::EventRecorder;
use crate::controller::report::log::Log;
use crate::controller::report::metrics::Metrics;
use crate::controller::settings::Settings;
use crate::controller::view::audiences::Audiences;
use crate::controller::view::cluster_scoped::ClusterScoped;
use crate::controller::view::cluster_view::ClusterView;
use crate::controller::view::secrets::SecretMeta;
use crate::controller::workqueue::permits::{Permit, Permits};
use crate::issue::caches::Caches;

/// The state that all reconciles of one view share.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) settings: Arc<Settings>,
    pub(crate) view: Arc<ClusterView>,
    pub(crate) cluster: Arc<ClusterScoped>,
    pub(crate) limiters: Arc<Limiters>,
    pub(crate) caches: Arc<Caches>,
    pub(crate) audiences: Arc<Audiences>,
    pub(crate) events: Arc<EventRecorder>,
    pub(crate) log: Arc<Log>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) permits: Permits,
    pub(crate) keyring: Arc<Keyring>,
}

impl Context {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.settings.now()
    }

    /// Fails unless this process leads.
    pub(crate) fn ensure_leading(&self) -> Result<(), CallError> {
        self.settings.ensure_leading()
    }

    pub(crate) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Reads a Secret in full, and updates its metadata in the view.
    pub(crate) async fn read_secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(Secret, Arc<SecretMeta>)>, CallError> {
        let known = self.view.secrets.get(namespace, name);
        let found = call(self.secrets(namespace).get_opt(name)).await?;
        if found.is_none() {
            self.view.secrets.lose(namespace, name, known.as_deref());
        }
        Ok(found.map(|secret| {
            let meta = self.view.secrets.learn(&secret.metadata);
            (secret, meta)
        }))
    }

    /// Reads the metadata of a Secret, and updates the view.
    pub(crate) async fn refresh_secret(&self, namespace: &str, name: &str) -> Result<(), CallError> {
        let known = self.view.secrets.get(namespace, name);
        match call(self.secrets(namespace).get_metadata_opt(name)).await? {
            Some(found) => {
                self.view.secrets.learn(&found.metadata);
            }
            None => self.view.secrets.lose(namespace, name, known.as_deref()),
        }
        Ok(())
    }

    /// Deletes a Secret if this version of it is the current one, and updates the view. Returns whether it was deleted.
    pub(crate) async fn delete_secret(
        &self,
        namespace: &str,
        name: &str,
        version: Preconditions,
    ) -> Result<bool, CallError> {
        self.ensure_leading()?;
        let known = self.view.secrets.get(namespace, name);
        let params = DeleteParams { preconditions: Some(version), ..DeleteParams::default() };
        match call(self.secrets(namespace).delete(name, &params)).await {
            Ok(_) => {
                self.view.secrets.lose(namespace, name, known.as_deref());
                Ok(true)
            }
            Err(error) if error.is_not_found() || error.is_conflict() => {
                self.refresh_secret(namespace, name).await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// The permit of one reconcile, and the context that it works in.
pub(crate) struct ReconcilePermit<'a> {
    context: &'a Context,
    namespace: &'a str,
    permit: Mutex<Option<Permit>>,
}

impl<'a> ReconcilePermit<'a> {
    /// Waits for a permit.
    pub(crate) async fn acquire(context: &'a Context, namespace: &'a str) -> Self {
        Self { context, namespace, permit: Mutex::new(context.permits.acquire(namespace).await) }
    }

    /// Releases the permit while waiting for a provider or a webhook, so that slow ones do not block other reconciles.
    /// Then waits for another permit.
    pub(crate) async fn without_permit<T>(&self, wait: impl Future<Output = T>) -> T {
        drop(self.lock().take());
        let answer = wait.await;
        let permit = self.context.permits.resume(self.namespace).await;
        *self.lock() = permit;
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Option<Permit>> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for ReconcilePermit<'_> {
    type Target = Context;

    fn deref(&self) -> &Context {
        self.context
    }
}
