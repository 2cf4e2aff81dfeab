//! Writes of a status, for every kind. Must not know the content of a status.

use kube::{Client, Resource};
use serde::Serialize;
use serde_json::json;

use crate::api_calls::patch_unchanged;
use crate::controller::error::{CallError, call};
use crate::controller::settings::Settings;

/// Replaces the whole status of an object, if this process leads. Only this controller writes the status, so there is nothing to
/// merge, and a patch costs the API server less than an apply. Returns the object as text.
pub(crate) async fn write_status<K: Resource<DynamicType = ()>>(
    client: &Client,
    settings: &Settings,
    object: &K,
    status: &impl Serialize,
) -> Result<String, CallError> {
    settings.ensure_leading()?;
    call(async {
        let status = serde_json::to_value(status).map_err(kube::Error::SerdeError)?;
        let operation = json!({"op": "add", "path": "/status", "value": status});
        patch_unchanged(client, object, Some("status"), operation).await
    })
    .await
}
