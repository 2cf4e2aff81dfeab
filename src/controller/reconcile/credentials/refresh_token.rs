//! Reads and writes the Secret that stores a refresh token. Must not decide whether the stored token may be used.
//!
//! Every write carries the resourceVersion that was read: a rotated refresh token is good for one use, so of two writers
//! the one that read last must win.

use k8s_openapi::api::core::v1::Secret as SecretObject;
use kube::Resource;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PostParams, Preconditions};

use crate::api::{FIELD_MANAGER, TokenSource};
use crate::controller::error::{CallError, call};
use crate::controller::reconcile::context::Context;
use crate::decide::refresh::{RefreshBinding, secret_name};
use crate::oauth::Secret;

/// The Secret that stores the refresh token, if it exists and is ours.
pub(crate) async fn read(source: &TokenSource, context: &Context) -> Result<Option<SecretObject>, CallError> {
    let api = context.secrets(&source.namespace().unwrap_or_default());
    let found = call(api.get_opt(&secret_name(&source.name_any()))).await?;
    // A foreign Secret is never used. `decide` reports that it is in the way.
    Ok(found.filter(|found| owned(found, source)))
}

/// Stores a refresh token and replaces the stored one.
pub(crate) async fn keep(
    source: &TokenSource,
    binding: &RefreshBinding,
    token: &Secret,
    context: &Context,
) -> Result<(), CallError> {
    context.ensure_leading()?;
    let api = context.secrets(&source.namespace().unwrap_or_default());
    let owner = source.controller_owner_ref(&()).unwrap_or_default();
    let mut wanted = binding.keep(&source.name_any(), owner, token);
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let written = match read(source, context).await? {
        None => call(api.create(&params, &wanted)).await?,
        Some(kept) => {
            wanted.metadata.resource_version = kept.resource_version();
            wanted.metadata.uid = kept.uid();
            let params = PatchParams { field_manager: params.field_manager, ..PatchParams::default() };
            call(api.patch(&kept.name_any(), &params, &Patch::Merge(&wanted))).await?
        }
    };
    context.view.secrets.learn(&written.metadata);
    Ok(())
}

/// Deletes a refresh token that the provider has refused.
pub(crate) async fn drop(
    source: &TokenSource,
    kept: &SecretObject,
    context: &Context,
) -> Result<(), CallError> {
    let namespace = source.namespace().unwrap_or_default();
    let version = Preconditions { uid: kept.uid(), resource_version: kept.resource_version() };
    context.delete_secret(&namespace, &kept.name_any(), version).await.map(|_| ())
}

fn owned(found: &SecretObject, source: &TokenSource) -> bool {
    let uid = source.uid();
    found
        .owner_references()
        .iter()
        .any(|owner| owner.controller == Some(true) && Some(&owner.uid) == uid.as_ref())
}
