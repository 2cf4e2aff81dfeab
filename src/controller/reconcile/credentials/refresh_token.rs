//! Reads and writes the Secret that stores a refresh token. Must not decide whether the stored token may be used.
//!
//! Every update and deletion carries the uid and the resourceVersion that were read, so that a writer with an outdated copy
//! fails: after a rotation, only the newest refresh token is valid.

use k8s_openapi::api::core::v1::Secret as SecretObject;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PostParams, Preconditions};

use crate::api::FIELD_MANAGER;
use crate::controller::error::{CallError, call};
use crate::controller::reconcile::context::Context;
use crate::controller::view::local_state::IssuedToken;
use crate::decide::Observed;
use crate::decide::refresh::secret_name;

/// The Secret that stores the refresh token, if it exists and this TokenSource owns it.
pub(crate) async fn read(
    observed: &Observed<'_>,
    context: &Context,
) -> Result<Option<SecretObject>, CallError> {
    let api = context.secrets(observed.namespace);
    let found = call(api.get_opt(&secret_name(observed.name))).await?;
    // A foreign Secret is never used. `decide` reports it as a conflict.
    Ok(found.filter(|found| owned(found, observed.uid)))
}

/// If the issued token has a refresh token, stores it in place of the stored refresh token and removes it from the issued
/// token.
pub(crate) async fn store(
    issued: &mut IssuedToken,
    observed: &Observed<'_>,
    context: &Context,
) -> Result<(), CallError> {
    let (Some(binding), Some(token)) = (&issued.binding, &issued.token.refresh_token) else { return Ok(()) };
    context.ensure_leading()?;
    let api = context.secrets(observed.namespace);
    let owner = observed.owner();
    let mut wanted = binding.to_secret(observed.name, owner, token);
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let written = match read(observed, context).await? {
        None => call(api.create(&params, &wanted)).await?,
        Some(stored) => {
            wanted.metadata.resource_version = stored.resource_version();
            wanted.metadata.uid = stored.uid();
            let params = PatchParams { field_manager: params.field_manager, ..PatchParams::default() };
            call(api.patch(&stored.name_any(), &params, &Patch::Merge(&wanted))).await?
        }
    };
    context.view.secrets.learn(&written.metadata);
    issued.token.refresh_token = None;
    Ok(())
}

/// Deletes a refresh token with which no token could be obtained.
pub(crate) async fn drop(
    observed: &Observed<'_>,
    stored: &SecretObject,
    context: &Context,
) -> Result<(), CallError> {
    let version = Preconditions { uid: stored.uid(), resource_version: stored.resource_version() };
    context.delete_secret(observed.namespace, &stored.name_any(), version).await.map(|_| ())
}

fn owned(found: &SecretObject, uid: &str) -> bool {
    found.owner_references().iter().any(|owner| owner.controller == Some(true) && owner.uid == uid)
}
