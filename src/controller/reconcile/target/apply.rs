//! Writes the target Secret, with one request where that is possible.
//!
//! The Secret is created with POST, the only call that cannot overwrite a Secret that another client has just created. Later
//! writes are server-side applies that carry the uid of the target. Must not know where a token comes from.

use std::sync::Arc;

use chrono::TimeDelta;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::api::{FIELD_MANAGER, Target as Described};
use crate::controller::error::{CallError, call};
use crate::controller::reconcile::context::Context;
use crate::controller::reconcile::target::{as_written, unusable_reason, withdrawn_target};
use crate::controller::view::local_state::IssuedToken;
use crate::controller::view::secrets::{OwnWrite, SecretMeta};
use crate::decide::publication::{Data, TokenRecord, content_hash, secret_type, target, withdrawn};
use crate::decide::render::{placeholder, render};
use crate::decide::versions::Versions;
use crate::decide::{Observed, Published, Target};
use crate::oauth::Token;

/// Expiries that differ by less are equal: lifetimes are given in whole seconds, and answers take time.
const SAME_EXPIRY: TimeDelta = TimeDelta::seconds(60);

/// The result of writing a token.
pub(crate) enum Written {
    /// The target holds the token.
    New(Published),
    /// The target held the token and a current record already: the provider returned the same token again, or an earlier
    /// write of this token succeeded and only its response was lost. Nothing was written.
    Unchanged(Published),
    /// The target held the token already, and the provider says that it has expired. Nothing was written.
    Expired,
}

/// Writes a token, rendered as `data`, unless the target holds that token with a current record already.
pub(crate) async fn token(
    issued: &IssuedToken,
    data: Data,
    observed: &Observed<'_>,
    context: &Context,
) -> Result<Written, CallError> {
    let meta = context.view.secrets.get(observed.namespace, observed.target_name());
    let same = observed
        .published()
        .filter(|published| meta.is_some_and(|meta| is_same(issued, observed, published, &meta)));
    // A write whose answer was lost does not make this a token that the provider returned again.
    let seen_before = same.is_some_and(|published| published.issued_at < issued.token.issued_at);
    if seen_before && issued.token.declared_zero {
        return Ok(Written::Expired);
    }
    if let Some(published) = same
        && record_is_current(issued, published)
    {
        return Ok(Written::Unchanged(Published {
            handled_renew_request: issued.handled_renew_request.clone(),
            ..published.clone()
        }));
    }
    let record = TokenRecord {
        issued_at: issued.token.issued_at,
        expires_at: issued.token.expires_at,
        since: same.map_or(issued.token.issued_at, |published| published.since),
        inputs_fingerprint: issued.inputs_fingerprint.clone(),
        handled_renew_request: issued.handled_renew_request.clone(),
        versions: issued.versions.clone(),
    };
    write(observed, data, record, context).await.map(Written::New)
}

/// Whether rendering this token with the times of the published one gives the published data.
fn is_same(issued: &IssuedToken, observed: &Observed<'_>, published: &Published, meta: &SecretMeta) -> bool {
    if !published.intact {
        return false;
    }
    let record = TokenRecord {
        issued_at: published.issued_at,
        expires_at: published.expires_at,
        since: published.since,
        inputs_fingerprint: published.inputs_fingerprint.clone(),
        handled_renew_request: published.handled_renew_request.clone(),
        versions: Versions::default(),
    };
    let as_before =
        Token { issued_at: record.issued_at, expires_at: record.expires_at, ..issued.token.clone() };
    render(&observed.spec.target, &as_before)
        .is_ok_and(|data| meta.data_hash.as_deref() == Some(&content_hash(&data, &record)))
}

/// Whether the published record of the same token needs no update.
fn record_is_current(issued: &IssuedToken, published: &Published) -> bool {
    // The provider has extended the token. The recorded expiry would pass while the token is valid.
    let extended = issued.token.expires_at - published.expires_at > SAME_EXPIRY;
    let expired = issued.token.issued_at >= published.expires_at;
    // Times that were recorded before the clock was set back would cause renewals forever.
    let misdated = published.issued_at > issued.token.issued_at;
    !(extended || expired || misdated) && published.inputs_fingerprint == issued.inputs_fingerprint
}

/// Writes data and record with the labels, annotations and type that the spec wants.
pub(crate) async fn write(
    observed: &Observed<'_>,
    data: Data,
    record: TokenRecord,
    context: &Context,
) -> Result<Published, CallError> {
    let name = observed.target_name();
    context.ensure_leading()?;
    let api = context.secrets(observed.namespace);
    let owner = observed.owner();
    let wanted = target(name, &observed.spec.target, owner, data, &record);
    let written = match observed.target_uid() {
        None => create(&api, &wanted).await,
        Some(uid) => match owned_meta((name, uid), observed, context) {
            Some(meta) => replace(&api, &wanted, &meta).await,
            None => Err(CallError::Replaced),
        },
    };
    Ok(as_written(&*update_view(written, observed.namespace, name, context).await?, record))
}

/// Checks with a dry run and a placeholder for the token whether the API server would accept the target that the spec
/// describes. Done until the target holds a token of these inputs, and not for a target with no more than a name and
/// workloads to restart, in which nothing can be invalid.
pub(crate) async fn dry_run(observed: &Observed<'_>, context: &Context) -> Result<(), CallError> {
    let spec = &observed.spec.target;
    let plain = Described {
        name: spec.name.clone(),
        rollout_restart: spec.rollout_restart.clone(),
        ..Described::default()
    };
    let inputs_fingerprint = observed.fingerprints.as_ref().map(|fingerprints| fingerprints.token.as_str());
    let published = observed.published().map(|published| published.inputs_fingerprint.as_str());
    if *spec == plain || published.is_some() && published == inputs_fingerprint {
        return Ok(());
    }
    let Ok(provider) = &observed.provider else { return Ok(()) };
    let token = placeholder(None, &provider.response.keep);
    // Templates were checked before.
    let Ok(data) = render(spec, &token) else { return Ok(()) };
    let record = TokenRecord {
        issued_at: token.issued_at,
        expires_at: token.expires_at,
        since: token.issued_at,
        inputs_fingerprint: String::new(),
        handled_renew_request: None,
        versions: Versions::default(),
    };
    let owner = observed.owner();
    let api = context.secrets(observed.namespace);
    dry_run_creation(&api, target(observed.target_name(), spec, owner, data, &record)).await
}

/// Uses a generated name, so that an existing target does not make the dry run fail.
async fn dry_run_creation(api: &Api<Secret>, mut wanted: Secret) -> Result<(), CallError> {
    wanted.metadata.name = None;
    wanted.metadata.generate_name = Some("tokensource-rehearsal-".to_owned());
    let params = PostParams { dry_run: true, ..PostParams::default() };
    call(api.create(&params, &wanted)).await.map(|_| ())
}

/// Removes the token from the current target or a former one, and keeps the Secret. Mounted volumes then lose the token,
/// while they would keep the content of a deleted Secret. If the Secret's type requires keys, the Secret is deleted.
pub(crate) async fn withdraw(
    (name, uid): (&str, &str),
    observed: &Observed<'_>,
    context: &Context,
) -> Result<Target, CallError> {
    context.ensure_leading()?;
    let api = context.secrets(observed.namespace);
    let owner = observed.owner();
    let wanted = withdrawn(name, &observed.spec.target, owner, context.now());
    let meta = owned_meta((name, uid), observed, context).ok_or(CallError::Replaced)?;
    let written = match replace(&api, &wanted, &meta).await {
        // The type requires keys.
        Err(error) if error.is_invalid() && secret_type(&observed.spec.target) != "Opaque" => {
            delete(&api, name, &meta).await?;
            context.view.secrets.lose(observed.namespace, name, Some(&meta));
            return Ok(Target::Missing);
        }
        written => written,
    };
    Ok(withdrawn_target(&*update_view(written, observed.namespace, name, context).await?))
}

/// Puts the metadata that a write returned into the view, and returns the metadata. If the write failed because the known
/// metadata is outdated, the metadata is read again.
async fn update_view(
    written: Result<Secret, CallError>,
    namespace: &str,
    name: &str,
    context: &Context,
) -> Result<Arc<SecretMeta>, CallError> {
    if let Err(error) = &written
        && (error.is_conflict() || error.is_not_found())
    {
        context.refresh_secret(namespace, name).await?;
    }
    Ok(context.view.secrets.learn(&written?.metadata))
}

/// The known metadata of the target, if it is still the observed Secret and this TokenSource still owns it.
fn owned_meta(
    (name, uid): (&str, &str),
    observed: &Observed<'_>,
    context: &Context,
) -> Option<Arc<SecretMeta>> {
    let meta = context.view.secrets.get(observed.namespace, name)?;
    (meta.uid == uid && unusable_reason(&meta, observed.uid).is_none()).then_some(meta)
}

async fn create(api: &Api<Secret>, wanted: &Secret) -> Result<Secret, CallError> {
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    call(api.create(&params, wanted)).await
}

async fn replace(api: &Api<Secret>, wanted: &Secret, current: &SecretMeta) -> Result<Secret, CallError> {
    if current.own_write != OwnWrite::Applied {
        take_apply_ownership(api, wanted, current).await?;
    }
    match apply(api, wanted, current).await {
        Ok(written) => prune(api, wanted, written).await,
        Err(error) if error.is_invalid() && is_of_another_type(api, wanted).await? => {
            recreate(api, wanted, current).await
        }
        Err(error) => Err(error),
    }
}

/// Whether the target has another type. A type cannot be changed; no other refusal is a reason to delete a Secret.
async fn is_of_another_type(api: &Api<Secret>, wanted: &Secret) -> Result<bool, CallError> {
    Ok(call(api.get_opt(&wanted.name_any())).await?.is_some_and(|current| current.type_ != wanted.type_))
}

/// Deletes the target and creates it again. A dry run first checks that the API server would accept the new Secret, so that a
/// working target is not lost.
async fn recreate(api: &Api<Secret>, wanted: &Secret, current: &SecretMeta) -> Result<Secret, CallError> {
    dry_run_creation(api, wanted.clone()).await?;
    delete(api, &wanted.name_any(), current).await?;
    create(api, wanted).await
}

async fn delete(api: &Api<Secret>, name: &str, current: &SecretMeta) -> Result<(), CallError> {
    let ours = Preconditions { uid: Some(current.uid.clone()), resource_version: None };
    let params = DeleteParams { preconditions: Some(ours), ..DeleteParams::default() };
    call(api.delete(name, &params)).await.map(|_| ())
}

/// Applies with force, which undoes changes that others have made to the controller's fields. Because of the uid, the apply
/// fails if the Secret has been deleted or replaced.
async fn apply(api: &Api<Secret>, wanted: &Secret, current: &SecretMeta) -> Result<Secret, CallError> {
    let mut wanted = wanted.clone();
    wanted.metadata.uid = Some(current.uid.clone());
    let params = PatchParams::apply(FIELD_MANAGER).force();
    call(api.patch(&wanted.name_any(), &params, &Patch::Apply(&wanted))).await
}

/// Changes the controller's ownership of created fields from *update* to *apply*. Without this, an apply that omits one of
/// these fields would not remove it.
async fn take_apply_ownership(
    api: &Api<Secret>,
    wanted: &Secret,
    current: &SecretMeta,
) -> Result<(), CallError> {
    let metadata = call(api.get_metadata(&wanted.name_any())).await?;
    if metadata.uid().as_deref() != Some(&current.uid) {
        return Ok(()); // Another Secret has the name now: the apply will fail because of the uid.
    }
    let entries = metadata.metadata.managed_fields.clone().unwrap_or_default();
    let position = entries.iter().position(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Update")
    });
    let Some(position) = position else { return Ok(()) };
    let patch = json!([
        { "op": "test", "path": "/metadata/resourceVersion", "value": metadata.resource_version() },
        { "op": "replace", "path": format!("/metadata/managedFields/{position}/operation"), "value": "Apply" },
    ]);
    // These two operations are always a valid patch.
    let patch: json_patch::Patch = serde_json::from_value(patch).unwrap_or_default();
    call(api.patch_metadata(&wanted.name_any(), &PatchParams::default(), &Patch::Json::<()>(patch))).await?;
    Ok(())
}

/// Removes keys that others have added, so that the target has exactly the wanted keys.
async fn prune(api: &Api<Secret>, wanted: &Secret, written: Secret) -> Result<Secret, CallError> {
    let ours = wanted.data.clone().unwrap_or_default();
    let strays: serde_json::Map<_, _> = written
        .data
        .iter()
        .flatten()
        .filter(|(key, _)| !ours.contains_key(*key))
        .map(|(key, _)| (key.clone(), serde_json::Value::Null))
        .collect();
    if strays.is_empty() {
        return Ok(written);
    }
    let patch = json!({ "metadata": { "resourceVersion": written.resource_version() }, "data": strays });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    call(api.patch(&wanted.name_any(), &params, &Patch::Merge(&patch))).await
}
