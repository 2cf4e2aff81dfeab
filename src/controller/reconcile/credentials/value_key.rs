//! The key of the hash by which the controller recognizes unchanged credentials, stored in a Secret of its own namespace.
//!
//! No reconcile fails because the key cannot be read or created. Without the Secret or the right to it, the process uses a
//! key of its own, and credentials that are rewritten across a restart cost one token. Must not know the hashed values.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::sync::Mutex;

use crate::api::{FIELD_MANAGER, annotation};
use crate::controller::error::{CallError, call};
use crate::controller::settings::Settings;
use crate::decide::versions::ValueKey;

/// The key in the Secret's data.
const DATA_KEY: &str = "key";
/// The pause before the Secret is tried again after a failure.
const RETRY_PAUSE: TimeDelta = TimeDelta::minutes(1);
/// The maximum number of attempts: if two processes create the key at the same time, one of them fails and reads the other's
/// key.
const ATTEMPTS: usize = 3;

/// The stored key, and the process's own key as its replacement.
pub(crate) struct Keyring {
    client: Client,
    settings: Arc<Settings>,
    own: Option<ValueKey>,
    stored: OnceLock<Option<ValueKey>>,
    /// When the Secret was last tried.
    tried: Mutex<Option<DateTime<Utc>>>,
}

impl Keyring {
    pub(crate) fn new(client: Client, settings: Arc<Settings>) -> Self {
        let own = draw(&settings).and_then(|key| ValueKey::new(&key));
        Self { client, settings, own, stored: OnceLock::new(), tried: Mutex::default() }
    }

    /// The key in the Secret, which is created if it does not exist. The process's own key if the Secret cannot be used;
    /// None if the system gives no random numbers.
    pub(crate) async fn get(&self) -> Option<&ValueKey> {
        if self.stored.get().is_none() {
            self.refresh().await;
        }
        self.stored.get().and_then(Option::as_ref).or(self.own.as_ref())
    }

    async fn refresh(&self) {
        let mut tried = self.tried.lock().await;
        let now = self.settings.now();
        if self.stored.get().is_some() || tried.is_some_and(|tried| (now - tried).abs() < RETRY_PAUSE) {
            return;
        }
        *tried = Some(now);
        let (namespace, name) = &self.settings.key_secret;
        match load(&self.client, &self.settings).await {
            Ok(Some(key)) => {
                let _ = self.stored.set(Some(key));
            }
            Ok(None) => {
                tracing::warn!(
                    %namespace,
                    secret = %name,
                    "The Secret of the key for credentials holds no key of 32 bytes or more; delete it, apply the \
                     manifests again and restart the controller. Until then, credentials that are rewritten across a restart cost a token"
                );
                let _ = self.stored.set(None);
            }
            Err(error) if error.is_forbidden() => {
                tracing::info!(
                    %namespace,
                    secret = %name,
                    detail = %error,
                    "The key for credentials cannot be kept; credentials that are rewritten across a restart cost a token"
                );
                let _ = self.stored.set(None);
            }
            Err(error) => {
                tracing::debug!(detail = %error, "The key for credentials could not be read or made; tried again later");
            }
        }
    }
}

/// 256 random bits as 64 hexadecimal digits.
fn draw(settings: &Settings) -> Option<Vec<u8>> {
    let (one, other) = ((settings.nonce)()?, (settings.nonce)()?);
    Some([one, other].concat().into_bytes())
}

/// The key in the Secret, which is created if there is none; None if the Secret holds something else.
async fn load(client: &Client, settings: &Settings) -> Result<Option<ValueKey>, CallError> {
    let (namespace, name) = &settings.key_secret;
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut last = CallError::Empty;
    for _ in 0..ATTEMPTS {
        let found = call(api.get_opt(name)).await?;
        let key = found.as_ref().and_then(|secret| secret.data.as_ref()?.get(DATA_KEY));
        if let Some(key) = key {
            return Ok(ValueKey::new(&key.0));
        }
        settings.ensure_leading()?;
        let drawn = draw(settings).ok_or(CallError::Random)?;
        let key = ValueKey::new(&drawn);
        let written = match &found {
            None => create(&api, name, drawn).await,
            Some(empty) => fill(&api, empty, drawn).await,
        };
        match written {
            Ok(()) => {
                tracing::info!(%namespace, secret = %name, "The key for credentials has been made");
                return Ok(key);
            }
            Err(error) if error.is_conflict() || error.is_not_found() => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

async fn create(api: &Api<Secret>, name: &str, key: Vec<u8>) -> Result<(), CallError> {
    let labels = [(annotation::MANAGED_BY_LABEL.to_owned(), annotation::MANAGED_BY.to_owned())];
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels.into()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(DATA_KEY.to_owned(), ByteString(key))])),
        immutable: Some(true),
        ..Secret::default()
    };
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    call(api.create(&params, &secret)).await.map(drop)
}

/// Writes the key into the empty Secret that the manifests contain, since RBAC cannot grant `create` for a single name.
async fn fill(api: &Api<Secret>, empty: &Secret, key: Vec<u8>) -> Result<(), CallError> {
    let patch = json!({
        "metadata": { "uid": empty.uid(), "resourceVersion": empty.resource_version() },
        "data": { DATA_KEY: ByteString(key) },
        "immutable": true,
    });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    call(api.patch(&empty.name_any(), &params, &Patch::Merge(&patch))).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use axum::http::{Request, Response};

    use super::*;
    use crate::controller::Leadership;
    use crate::oauth::{AddressPolicy, Resolver};

    /// The settings of a process that leads and that draws this text.
    fn settings(nonce: fn() -> Option<String>) -> Settings {
        Settings {
            namespaces: Vec::new(),
            selector: None,
            addresses: AddressPolicy::default(),
            proxy: None,
            resolver: Arc::new(Resolver::system().unwrap()),
            only_cluster_providers: false,
            concurrency: 1,
            key_secret: ("system".to_owned(), "tokensource-key".to_owned()),
            leadership: Leadership::unshared(DateTime::UNIX_EPOCH),
            clock: || DateTime::UNIX_EPOCH,
            nonce,
        }
    }

    /// An API server whose Secret has this data, also after a write.
    fn server(data: serde_json::Value) -> Client {
        let service = tower::service_fn(move |_: Request<kube::client::Body>| {
            let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tokensource-key"}, "data": data});
            async move { Ok::<_, Infallible>(Response::new(Body::from(secret.to_string()))) }
        });
        Client::new(service, "system")
    }

    #[tokio::test]
    async fn missing_random_numbers_do_not_pass_for_a_secret_with_a_bad_key() {
        let drawing = || Some("0123456789abcdef".repeat(2));
        let short = load(&server(json!({"key": "c2hvcnQ="})), &settings(drawing)).await;
        assert!(matches!(short, Ok(None)), "the Secret holds something else");
        assert!(matches!(load(&server(json!({})), &settings(drawing)).await, Ok(Some(_))));
        let failed = load(&server(json!({})), &settings(|| None)).await.map(|key| key.is_some()).unwrap_err();
        assert_eq!(failed.to_string(), "the system gave no random number");
    }
}
