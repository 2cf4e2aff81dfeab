//! Writes of a status, for every kind. Must not know what a status says.

use kube::api::{Patch, PatchParams, Request};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde_json::json;

use crate::api::FIELD_MANAGER;
use crate::controller::error::{CallError, call};
use crate::controller::settings::Settings;

/// Replaces the status of an object, if this process leads. Returns the object as text, since its spec may be undecodable.
pub(crate) async fn write_status<K: Resource<DynamicType = ()>>(
    client: &Client,
    settings: &Settings,
    object: &K,
    status: &impl Serialize,
) -> Result<String, CallError> {
    settings.ensure_leading()?;
    call(patch(client, object, status)).await
}

async fn patch<K: Resource<DynamicType = ()>>(
    client: &Client,
    object: &K,
    status: &impl Serialize,
) -> kube::Result<String> {
    let version = object.resource_version();
    let patch = replacement(version.as_deref(), status).map_err(kube::Error::SerdeError)?;
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let request = Request::new(K::url_path(&(), object.namespace().as_deref()));
    let request = request
        .patch_subresource("status", &object.name_any(), &params, &Patch::Json::<()>(patch))
        .map_err(kube::Error::BuildRequest)?;
    client.request_text(request).await
}

/// A patch that replaces the whole status. Only this controller writes the status, so there is nothing to merge, and a patch
/// costs the API server less than an apply. The resourceVersion in the patch prevents a process with an outdated cache from
/// overwriting a newer status, or that of a later object of the same name.
fn replacement(version: Option<&str>, status: &impl Serialize) -> serde_json::Result<json_patch::Patch> {
    serde_json::from_value(json!([
        { "op": "replace", "path": "/metadata/resourceVersion", "value": version },
        { "op": "add", "path": "/status", "value": serde_json::to_value(status)? },
    ]))
}
