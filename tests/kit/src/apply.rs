//! Server-side apply of any objects, as `kubectl apply --server-side` does it.
//!
//! Knows discovery and patches; must not know who made the objects.

use std::fmt;
use std::time::{Duration, Instant};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, Scope, pinned_kind};
use kube::{Api, Client, ResourceExt};

/// The deadline for a new CRD, which is served a second or two after it was applied.
const PATIENCE: Duration = Duration::from_secs(20);

/// An object that could not be applied.
#[derive(Debug)]
pub struct ApplyError {
    /// `TokenSource lending/ocrolus`
    pub object: String,
    /// The error of the API server or of the connection to it.
    pub source: kube::Error,
}

impl fmt::Display for ApplyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "applying {}: {}", self.object, self.source)
    }
}

impl std::error::Error for ApplyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Applies objects in order and returns them as stored; stops at the first refusal. `namespace` overrides the namespace of
/// all namespaced objects. If `namespace` is None, an object that names no namespace is created in `default`.
pub async fn all(
    client: &Client,
    namespace: Option<&str>,
    objects: &[DynamicObject],
) -> Result<Vec<DynamicObject>, ApplyError> {
    each(client, namespace, objects, &parameters()).await
}

/// Does the same as [`all`], but stores nothing, and refuses a member that the schema does not know: `kubectl apply
/// --server-side --dry-run=server --validate=strict`.
pub async fn rehearse(
    client: &Client,
    namespace: &str,
    objects: &[DynamicObject],
) -> Result<Vec<DynamicObject>, ApplyError> {
    each(client, Some(namespace), objects, &parameters().dry_run().validation_strict()).await
}

fn parameters() -> PatchParams {
    PatchParams::apply("tokensource-kit").force()
}

async fn each(
    client: &Client,
    namespace: Option<&str>,
    objects: &[DynamicObject],
    parameters: &PatchParams,
) -> Result<Vec<DynamicObject>, ApplyError> {
    let mut applied = Vec::new();
    for object in objects {
        let place = namespace.or(object.metadata.namespace.as_deref()).unwrap_or("default");
        applied.push(one(client, place, object, parameters).await.map_err(|source| ApplyError {
            object: format!("{} {place}/{}", kind_of(object).kind, object.name_any()),
            source,
        })?);
    }
    Ok(applied)
}

/// Whether a CRD among the objects is not there yet.
pub async fn brings_new_kinds(client: &Client, objects: &[DynamicObject]) -> bool {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for object in objects.iter().filter(|object| kind_of(object).kind == "CustomResourceDefinition") {
        if !matches!(api.get_opt(&object.name_any()).await, Ok(Some(_))) {
            return true;
        }
    }
    false
}

async fn one(
    client: &Client,
    namespace: &str,
    object: &DynamicObject,
    parameters: &PatchParams,
) -> kube::Result<DynamicObject> {
    let (resource, capabilities) = discover(client, &kind_of(object)).await?;
    let mut object = object.clone();
    let api: Api<DynamicObject> = if capabilities.scope == Scope::Namespaced {
        object.metadata.namespace = Some(namespace.to_owned());
        Api::namespaced_with(client.clone(), namespace, &resource)
    } else {
        object.metadata.namespace = None;
        Api::all_with(client.clone(), &resource)
    };
    // An object that was read from a cluster can be applied again without its managedFields and resourceVersion.
    object.metadata.managed_fields = None;
    object.metadata.resource_version = None;
    api.patch(&object.name_any(), parameters, &Patch::Apply(&object)).await
}

/// The resource of a kind. Waits for a kind that is not served yet.
async fn discover(client: &Client, kind: &GroupVersionKind) -> kube::Result<(ApiResource, ApiCapabilities)> {
    let start = Instant::now();
    loop {
        match pinned_kind(client, kind).await {
            Err(kube::Error::Discovery(_)) if start.elapsed() < PATIENCE => {}
            // The error is recognized by its code, because this 404 is plain text, for which kube has no reason.
            Err(kube::Error::Api(status)) if status.code == 404 && start.elapsed() < PATIENCE => {}
            outcome => return outcome,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn kind_of(object: &DynamicObject) -> GroupVersionKind {
    let types = object.types.as_ref().expect("an object from a manifest has apiVersion and kind");
    GroupVersionKind::try_from(types).unwrap_or_else(|error| panic!("`{}`: {error}", types.api_version))
}
