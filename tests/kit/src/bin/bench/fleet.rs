//! The measured TokenSources: each is a client of the same provider, with its own credentials and target, a hundred in a
//! namespace. Knows objects; must not know the measurements.

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{DynamicObject, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokensource_kit::token_sources;

use crate::provider::Provider;

/// The number of TokenSources in a namespace.
const NEIGHBOURS: usize = 100;
/// The provider object.
pub(crate) const PROVIDER: &str = "bench";
/// The number of objects that are created at the same time.
const CREATORS: usize = 32;

/// The namespace and the name of a TokenSource.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Place {
    pub(crate) fn target(&self) -> String {
        format!("{}-token", self.name)
    }

    fn credentials(&self) -> String {
        format!("{}-client", self.name)
    }
}

/// The places of `count` TokenSources, which are unique for each prefix.
pub(crate) fn places(prefix: &str, count: usize) -> Vec<Place> {
    (0..count)
        .map(|number| Place {
            namespace: format!("{prefix}-{:03}", number / NEIGHBOURS),
            name: format!("{prefix}-{number:05}"),
        })
        .collect()
}

/// The provider object, as an administrator would write it.
pub(crate) fn provider_object(provider: &Provider) -> Value {
    json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "ClusterTokenProvider", "metadata": {"name": PROVIDER},
        "spec": {"tokenEndpoint": provider.url()},
    })
}

/// Creates namespaces and credentials.
pub(crate) async fn prepare(client: &Client, places: &[Place], provider: &Provider) {
    let mut namespaces: Vec<_> = places.iter().map(|place| place.namespace.clone()).collect();
    namespaces.dedup();
    each(namespaces, |name: String| async move {
        let object = json!({"metadata": {"name": name}});
        let object: Namespace = serde_json::from_value(object).expect("a Namespace");
        Api::all(client.clone()).create(&PostParams::default(), &object).await.map(|_: Namespace| ())
    })
    .await;
    each(places.to_vec(), |place: Place| async move {
        let object = json!({
            "metadata": {
                "name": place.credentials(),
                "annotations": {"tokensource.dev/allowed-hosts": provider.host()},
            },
            "stringData": {"client_id": place.name, "client_secret": format!("the-secret-of-{}", place.name)},
        });
        let object: Secret = serde_json::from_value(object).expect("a Secret");
        let api: Api<Secret> = Api::namespaced(client.clone(), &place.namespace);
        api.create(&PostParams::default(), &object).await.map(|_| ())
    })
    .await;
}

/// Creates the TokenSources.
pub(crate) async fn populate(client: &Client, places: &[Place]) {
    each(places.to_vec(), |place: Place| async move { create(client, &place).await.map(|_| ()) }).await;
}

/// Creates the TokenSource of `place`, and returns the stored object.
pub(crate) async fn create(client: &Client, place: &Place) -> kube::Result<DynamicObject> {
    token_sources(client.clone(), &place.namespace).create(&PostParams::default(), &object(place)).await
}

/// The TokenSource with the namespace and the name of `place`.
pub(crate) fn object(place: &Place) -> DynamicObject {
    let object = json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
        "metadata": {"name": place.name, "namespace": place.namespace},
        "spec": {
            "providerRef": {"kind": "ClusterTokenProvider", "name": PROVIDER},
            "token": {"scopes": ["read"]},
            "credentialsRef": {"name": place.credentials()},
            "target": {"name": place.target()},
        },
    });
    serde_json::from_value(object).expect("a TokenSource")
}

async fn each<T, W: Future<Output = kube::Result<()>>>(items: Vec<T>, work: impl Fn(T) -> W) {
    let mut done = futures::stream::iter(items).map(work).buffer_unordered(CREATORS);
    while let Some(result) = done.next().await {
        result.unwrap_or_else(|error| panic!("making the fleet: {error}"));
    }
}
