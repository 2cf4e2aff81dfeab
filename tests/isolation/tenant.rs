//! The calls of the hostile tenant to the API server: raw requests, whose refusals are counted and are no failure. Knows
//! paths and verbs; must not know the purpose of a write.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Request};
use serde_json::{Value, json};

use crate::random::Random;
use crate::world::{World, block};

/// The kinds that the hostile namespace may write, with the path of each collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Source,
    Provider,
    Secret,
    ConfigMap,
    ServiceAccount,
    Namespace,
    Webhook,
}

impl Kind {
    fn path(self, namespace: &str) -> String {
        let (group, plural) = match self {
            Self::Source => ("/apis/tokensource.dev/v1alpha1", "tokensources"),
            Self::Provider => ("/apis/tokensource.dev/v1alpha1", "tokenproviders"),
            Self::Secret => ("/api/v1", "secrets"),
            Self::ConfigMap => ("/api/v1", "configmaps"),
            Self::ServiceAccount => ("/api/v1", "serviceaccounts"),
            Self::Namespace => return "/api/v1/namespaces".to_owned(),
            Self::Webhook => {
                return "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations".to_owned();
            }
        };
        format!("{group}/namespaces/{namespace}/{plural}")
    }
}

/// The number of requests by attack and answer.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<&'static str, BTreeMap<String, usize>>>);

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (attack, answers) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let answers: Vec<_> = answers.iter().map(|(answer, count)| format!("{count} {answer}")).collect();
            writeln!(f, "  {attack}: {}", answers.join(", "))?;
        }
        Ok(())
    }
}

/// The client of one attack.
pub(crate) struct Tenant {
    pub(crate) world: Arc<World>,
    pub(crate) attack: &'static str,
    pub(crate) random: Random,
    client: Client,
    tally: Arc<Tally>,
}

impl Tenant {
    pub(crate) fn new(world: Arc<World>, attack: &'static str, random: Random, tally: Arc<Tally>) -> Self {
        let client = world.plane.admin();
        Self { world, attack, random, client, tally }
    }

    /// The number of objects, scaled from the full number.
    pub(crate) fn crowd(&self, full: usize) -> usize {
        (full * self.world.scale.crowd / 100).max(1)
    }

    /// The name of this attack's object with this number.
    pub(crate) fn name(&self, number: usize) -> String {
        format!("{}-{number}", self.attack.replace('_', "-"))
    }

    /// The name of one of this attack's objects, chosen at random.
    pub(crate) fn any(&mut self, count: usize) -> String {
        let number = self.random.between(0, u64::try_from(count).expect("a count"));
        self.name(usize::try_from(number).expect("a count"))
    }

    /// A `TokenSource` at the namespace's own provider, with the namespace's credentials; `more` is merged into its spec.
    pub(crate) fn source(&self, number: usize, more: &Value) -> Value {
        let name = self.name(number);
        let mut spec = json!({
            "provider": block(&self.world.wild), "clientId": name, "credentialsRef": {"name": "client"},
            "target": {"name": format!("{name}-token"), "labels": {"attack": self.attack}},
        });
        json_patch::merge(&mut spec, more);
        json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
            "metadata": {"name": name}, "spec": spec,
        })
    }

    /// Creates this number of such `TokenSource`s.
    pub(crate) async fn sources(&self, count: usize, more: &Value) {
        for number in 0..count {
            self.create(Kind::Source, &self.source(number, more)).await;
        }
    }

    pub(crate) async fn create(&self, kind: Kind, object: &Value) {
        let mut object = object.clone();
        object["metadata"]["labels"]["attack"] = json!(self.attack);
        let body = serde_json::to_vec(&object).expect("JSON");
        let request = Request::new(self.path(kind)).create(&PostParams::default(), body);
        self.send("created", request.expect("a request")).await;
    }

    /// A merge patch.
    pub(crate) async fn patch(&self, kind: Kind, name: &str, patch: &Value) {
        let patch = Patch::Merge(patch);
        let request = Request::new(self.path(kind)).patch(name, &PatchParams::default(), &patch);
        self.send("patched", request.expect("a request")).await;
    }

    /// A merge patch of a `TokenSource`'s status.
    pub(crate) async fn patch_status(&self, name: &str, patch: &Value) {
        let (request, patch) = (Request::new(self.path(Kind::Source)), Patch::Merge(patch));
        let request = request.patch_subresource("status", name, &PatchParams::default(), &patch);
        self.send("patched", request.expect("a request")).await;
    }

    pub(crate) async fn delete(&self, kind: Kind, name: &str) {
        let request = Request::new(self.path(kind)).delete(name, &DeleteParams::default());
        self.send("deleted", request.expect("a request")).await;
    }

    pub(crate) async fn pause(&self, milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds * self.world.scale.pause)).await;
    }

    pub(crate) fn count(&self, what: &str) {
        let mut tally = self.tally.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tally.entry(self.attack).or_default().entry(what.to_owned()).or_default() += 1;
    }

    fn path(&self, kind: Kind) -> String {
        kind.path(&self.world.hostile)
    }

    /// The answer is not decoded, because that is impossible for some objects.
    async fn send(&self, done: &str, request: axum::http::Request<Vec<u8>>) {
        match self.client.request_text(request).await {
            Ok(_) => self.count(done),
            Err(kube::Error::Api(status)) => self.count(&format!("answered {}", status.code)),
            Err(_) => self.count("without an answer"),
        }
    }
}

/// Deletes the objects of all attacks, and makes the namespace itself readable.
pub(crate) async fn clean_up(client: &Client, namespace: &str) {
    let of_attacks = ListParams::default().labels("attack");
    for kind in
        [Kind::Webhook, Kind::Source, Kind::Provider, Kind::Secret, Kind::ConfigMap, Kind::ServiceAccount]
    {
        let request =
            Request::new(kind.path(namespace)).delete_collection(&DeleteParams::default(), &of_attacks);
        let deleted = client.request_text(request.expect("a request")).await;
        deleted.unwrap_or_else(|error| panic!("deleting what the attacks left ({kind:?}): {error}"));
    }
    let plain = Patch::Merge(json!({"metadata": {"managedFields": [{}]}}));
    let request = Request::new(Kind::Namespace.path("")).patch(namespace, &PatchParams::default(), &plain);
    client.request_text(request.expect("a request")).await.expect("the namespace");
}
