//! Writes the controller's finalizer, which keeps a deleted `TokenSource` until its tokens are revoked.
//! Must not decide whether an object needs it.

use kube::ResourceExt;
use kube::api::{Patch, PatchParams, Request};
use serde_json::json;

use crate::api::{FIELD_MANAGER, TokenSource, annotation};
use crate::controller::error::{CallError, call};
use crate::controller::reconcile::context::Context;
use crate::controller::view::name::name_of;
use crate::controller::view::watch::Watched;

/// Adds the controller's finalizer, or removes it. Other finalizers are unchanged. Fails with a conflict if the object has
/// changed. Succeeds if the object is gone.
pub(crate) async fn set(wanted: bool, source: &TokenSource, context: &Context) -> Result<(), CallError> {
    context.ensure_leading()?;
    match call(write(wanted, source, context)).await {
        Ok(answer) => {
            // An answer that cannot be decoded is no failure, since the watch delivers the object too.
            if let Ok(written) = TokenSource::decode(answer.as_bytes()) {
                context.view.local.written(written.object);
            }
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns the object as text, since its spec may be undecodable.
async fn write(wanted: bool, source: &TokenSource, context: &Context) -> kube::Result<String> {
    let api = context.sources(&name_of(source).0);
    let finalizers = source.finalizers();
    let ours = finalizers.iter().position(|finalizer| finalizer == annotation::FINALIZER);
    let change = match (wanted, ours) {
        (true, _) if finalizers.is_empty() => {
            json!({"op": "add", "path": "/metadata/finalizers", "value": [annotation::FINALIZER]})
        }
        (true, _) => json!({"op": "add", "path": "/metadata/finalizers/-", "value": annotation::FINALIZER}),
        (false, ours) => {
            json!({"op": "remove", "path": format!("/metadata/finalizers/{}", ours.unwrap_or_default())})
        }
    };
    // The version makes sure that the finalizer is still at this place.
    let version =
        json!({"op": "replace", "path": "/metadata/resourceVersion", "value": source.resource_version()});
    let patch: json_patch::Patch =
        serde_json::from_value(json!([version, change])).map_err(kube::Error::SerdeError)?;
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let request = Request::new(api.resource_url());
    let request = request
        .patch(&source.name_any(), &params, &Patch::Json::<()>(patch))
        .map_err(kube::Error::BuildRequest)?;
    context.client.request_text(request).await
}
