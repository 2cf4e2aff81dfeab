//! The lower bound: a client that does only the necessary work for a token, with the controller's concurrency. The necessary
//! work is one token request, one write of a Secret and one write of a status.
//!
//! Runs on threads of its own, so that its CPU time is measured separately. Has no cache, no watch and no checks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokensource_kit::authority::https_client;
use tokensource_kit::control_plane::ControlPlane;
use tokensource_kit::token_sources;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use crate::fleet::Place;
use crate::measure::cpu_of_threads;
use crate::provider::Provider;

/// The name of the bare client's threads; the kernel keeps 15 characters.
const THREADS: &str = "bench-bare";
/// The controller's default.
const CONCURRENCY: usize = 16;
const MANAGER: &str = "tokensource";

/// How a status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    JsonPatch,
    MergePatch,
    Apply,
    Put,
}

/// The work for each TokenSource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A token, a new Secret, the status.
    First(Verb),
    /// A token, the same Secret again, the status.
    Renewal(Verb),
    /// A token and a new Secret, so that pods could have it.
    Publish,
    /// The status alone.
    Status(Verb),
}

pub(crate) struct Bare {
    runtime: Runtime,
    shared: Arc<Shared>,
}

struct Shared {
    kube: Client,
    https: reqwest::Client,
    url: String,
    /// The TokenSources as last seen.
    sources: Vec<(Place, Mutex<DynamicObject>)>,
}

impl Bare {
    /// A client for these stored TokenSources. Uses the rights of an administrator, because the controller may not PUT.
    pub(crate) fn new(
        plane: &ControlPlane,
        provider: &Provider,
        sources: Vec<(Place, DynamicObject)>,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(THREADS)
            .enable_all()
            .build()
            .expect("a runtime for the bare client");
        // A client belongs to the runtime that it is made on.
        let kube = {
            let _on = runtime.enter();
            plane.admin()
        };
        let https = https_client(provider.ca_pem());
        let sources = sources.into_iter().map(|(place, source)| (place, Mutex::new(source))).collect();
        Self { runtime, shared: Arc::new(Shared { kube, https, url: provider.url(), sources }) }
    }

    /// Does the work for all TokenSources, as fast as possible or at a rate. Returns the time it took.
    pub(crate) async fn run(&self, work: Work, per_second: Option<f64>) -> Duration {
        let next = Arc::new(AtomicUsize::new(0));
        let began = Instant::now();
        let workers: Vec<_> = (0..CONCURRENCY)
            .map(|_| {
                let (shared, next) = (Arc::clone(&self.shared), Arc::clone(&next));
                self.runtime.spawn(async move {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= shared.sources.len() {
                            return;
                        }
                        if let Some(rate) = per_second {
                            let share = f64::from(u32::try_from(number).unwrap_or_default()) / rate;
                            tokio::time::sleep_until((began + Duration::from_secs_f64(share)).into()).await;
                        }
                        shared.perform(number, work).await;
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.expect("the bare client's work");
        }
        began.elapsed()
    }

    /// Replaces the stored object of one TokenSource.
    pub(crate) async fn adopt(&self, number: usize, source: DynamicObject) {
        *self.shared.sources[number].1.lock().await = source;
    }

    /// The CPU time of the running bare clients so far.
    pub(crate) fn cpu() -> Duration {
        cpu_of_threads(THREADS)
    }

    /// Does the work for one TokenSource alone. Returns the time it took.
    pub(crate) async fn one(&self, number: usize, work: Work) -> Duration {
        let shared = Arc::clone(&self.shared);
        let began = Instant::now();
        self.runtime.spawn(async move { shared.perform(number, work).await }).await.expect("its work");
        began.elapsed()
    }

    /// Ends its threads.
    pub(crate) fn end(self) {
        self.runtime.shutdown_background();
    }
}

impl Shared {
    async fn perform(&self, number: usize, work: Work) {
        let (place, source) = &self.sources[number];
        let mut source = source.lock().await;
        let mut version = String::from("1");
        let now = Utc::now();
        if !matches!(work, Work::Status(_)) {
            let token = self.token(place).await;
            let secret = target(place, &source, &token, now);
            let api: Api<Secret> = Api::namespaced(self.kube.clone(), &place.namespace);
            let written = if let Work::Renewal(_) = work {
                let params = PatchParams::apply(MANAGER).force();
                api.patch(&place.target(), &params, &Patch::Apply(&secret)).await
            } else {
                api.create(&PostParams::default(), &secret).await
            };
            version = written.expect("the Secret is written").resource_version().unwrap_or_default();
        }
        if let Work::First(verb) | Work::Renewal(verb) | Work::Status(verb) = work {
            let status = status(place, &version, now);
            let api = token_sources(self.kube.clone(), &place.namespace);
            let name = &place.name;
            let written = match verb {
                Verb::MergePatch => {
                    let patch = Patch::Merge(json!({"status": status}));
                    api.patch_status(name, &PatchParams::default(), &patch).await
                }
                Verb::JsonPatch => {
                    let patch = json!([{"op": "add", "path": "/status", "value": status}]);
                    let patch = serde_json::from_value(patch).expect("a patch");
                    api.patch_status(name, &PatchParams::default(), &Patch::Json::<()>(patch)).await
                }
                Verb::Apply => {
                    let object = json!({
                        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource", "metadata": {"name": name},
                        "status": status,
                    });
                    let params = PatchParams::apply(MANAGER).force();
                    api.patch_status(name, &params, &Patch::Apply(object)).await
                }
                Verb::Put => {
                    source.data["status"] = status;
                    api.replace_status(name, &PostParams::default(), &source).await
                }
            };
            *source = written.expect("the status is written");
        }
    }

    async fn token(&self, place: &Place) -> String {
        let secret = format!("the-secret-of-{}", place.name);
        let request = self.https.post(&self.url).basic_auth(&place.name, Some(secret));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let answer = request.body("grant_type=client_credentials&scope=read").send().await;
        let body = answer.expect("the provider answers").bytes().await.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        body["access_token"].as_str().expect("a token").to_owned()
    }
}

/// A target like those that the controller writes.
fn target(place: &Place, source: &DynamicObject, token: &str, now: DateTime<Utc>) -> Secret {
    let expires_at = timestamp(now + TimeDelta::hours(1));
    let object = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": place.target(),
            "labels": {
                "app.kubernetes.io/managed-by": "tokensource", "tokensource.dev/token-source": place.name,
            },
            "annotations": {
                "tokensource.dev/issued-at": timestamp(now),
                "tokensource.dev/expires-at": expires_at,
                "tokensource.dev/inputs": "0123456789abcdef0123456789abcdef",
                "tokensource.dev/data-hash": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                "tokensource.dev/dressing": "0123456789abcdef0123456789abcdef",
            },
            "ownerReferences": [{
                "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource", "name": place.name,
                "uid": source.uid(), "controller": true,
            }],
        },
        "type": "Opaque",
    });
    let mut secret: Secret = serde_json::from_value(object).expect("a Secret");
    let data = [("access_token", token), ("token_type", "Bearer"), ("expires_at", &expires_at)];
    secret.data = Some(
        data.map(|(key, value)| (key.to_owned(), k8s_openapi::ByteString(value.as_bytes().to_vec()))).into(),
    );
    secret
}

/// A status like those that the controller writes.
fn status(place: &Place, version: &str, now: DateTime<Utc>) -> Value {
    let condition = |kind: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": "True", "reason": reason, "message": message, "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    json!({
        "observedGeneration": 1,
        "issuedAt": timestamp(now),
        "expiresAt": timestamp(now + TimeDelta::hours(1)),
        // A value that changes each time, so that every write is a change.
        "renewAt": now.to_rfc3339_opts(SecondsFormat::Micros, true),
        "tokenType": "Bearer",
        "scope": "read",
        "target": {"name": place.target(), "resourceVersion": version},
        "conditions": [
            condition("Ready", "TokenIssued", "The Secret holds a token that is valid now."),
            condition("Renewed", "TokenRenewed", "The token was replaced by a new token."),
        ],
    })
}

fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
