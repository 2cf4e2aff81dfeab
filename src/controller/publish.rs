//! Writing the target Secret, in one request wherever that is possible.
//!
//! Created by POST, which alone can refuse to touch a Secret that somebody else made a moment ago; from then on by
//! server-side apply, bound to the uid that was seen to be ours. Must not know where a token comes from.

use std::sync::Arc;

use chrono::TimeDelta;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::context::Context;
use super::error::{CallError, call};
use super::memory::HeldToken;
use super::observe::stranger;
use super::secrets::Facts;
use crate::api::{FIELD_MANAGER, TokenSource};
use crate::decide::publication::{Data, Memo, content_hash, target};
use crate::decide::render::render;
use crate::decide::{Observed, Published};
use crate::oauth::Token;

/// Within this two expiries are one: a rest of life is given in whole seconds, and the answer takes its time.
const SAME_EXPIRY: TimeDelta = TimeDelta::seconds(60);

/// What became of a token.
pub(super) enum Written {
    /// It stands in the target.
    New(Published),
    /// It stood there before: the provider has returned the same one again, and nothing was written.
    Unchanged(Published),
}

/// Writes a token as `data`, its rendering, unless it is the one that stands there.
pub(super) async fn token(
    held: &HeldToken,
    data: Data,
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &Context,
) -> Result<Written, CallError> {
    let namespace = source.namespace().unwrap_or_default();
    if let (Some(published), Some(facts)) =
        (observed.published(), context.scope.secrets.get(&namespace, observed.target_name()))
        && is_same(held, source, published, &facts)
    {
        return Ok(Written::Unchanged(Published { answers: held.answers.clone(), ..published.clone() }));
    }
    let memo = Memo {
        issued_at: held.token.issued_at,
        expires_at: held.token.expires_at,
        asked: held.asked.clone(),
        answers: held.answers.clone(),
    };
    dress(source, observed, data, memo, context).await.map(Written::New)
}

/// Whether rendering this token with the times of the published one gives the published data.
fn is_same(held: &HeldToken, source: &TokenSource, published: &Published, facts: &Facts) -> bool {
    // The same token with a longer life is news: an expiry that stood still would pass while the token is good.
    let extended = held.token.expires_at - published.expires_at > SAME_EXPIRY;
    let expired = held.token.issued_at >= published.expires_at;
    if !published.intact || published.asked != held.asked || extended || expired {
        return false;
    }
    let memo = Memo {
        issued_at: published.issued_at,
        expires_at: published.expires_at,
        asked: published.asked.clone(),
        answers: published.answers.clone(),
    };
    let as_before = Token { issued_at: memo.issued_at, expires_at: memo.expires_at, ..held.token.clone() };
    render(&source.spec.target, &as_before)
        .is_ok_and(|data| facts.data_hash.as_deref() == Some(&content_hash(&data, &memo)))
}

/// Writes data and memo with the labels, annotations and type that the spec wants.
pub(super) async fn dress(
    source: &TokenSource,
    observed: &Observed<'_>,
    data: Data,
    memo: Memo,
    context: &Context,
) -> Result<Published, CallError> {
    let namespace = source.namespace().unwrap_or_default();
    let name = observed.target_name();
    let api = context.secrets(&namespace);
    // Metadata without a uid cannot be owned; objects from the API server always have one.
    let owner = source.controller_owner_ref(&()).unwrap_or_default();
    let wanted = target(name, &observed.spec.target, owner, data, &memo);
    let written = match observed.published() {
        None => create(&api, &wanted).await,
        Some(published) => match standing(published, observed, &namespace, context) {
            Some(facts) => replace(&api, &wanted, &facts).await,
            None => Err(CallError::Replaced),
        },
    };
    if let Err(error) = &written
        && (error.is_conflict() || error.is_not_found())
    {
        // What was known of this Secret is out of date: have it looked at again before the next try.
        refresh(&api, &namespace, name, context).await?;
    }
    let facts = context.scope.secrets.learn(&written?.metadata);
    Ok(Published {
        uid: facts.uid.clone(),
        resource_version: facts.resource_version.clone(),
        issued_at: memo.issued_at,
        expires_at: memo.expires_at,
        asked: memo.asked,
        answers: memo.answers,
        intact: true,
        dressed: true,
    })
}

/// The target as it is known now, if it is still the one that was observed, and still ours.
fn standing(
    published: &Published,
    observed: &Observed<'_>,
    namespace: &str,
    context: &Context,
) -> Option<Arc<Facts>> {
    let facts = context.scope.secrets.get(namespace, observed.target_name())?;
    (facts.uid == published.uid && stranger(&facts, observed.uid).is_none()).then_some(facts)
}

async fn create(api: &Api<Secret>, wanted: &Secret) -> Result<Secret, CallError> {
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    call(api.create(&params, wanted)).await
}

async fn replace(api: &Api<Secret>, wanted: &Secret, standing: &Facts) -> Result<Secret, CallError> {
    if !standing.applied {
        claim(api, wanted, standing).await?;
    }
    match apply(api, wanted, standing).await {
        Ok(written) => prune(api, wanted, written).await,
        Err(error) if error.is_invalid() && is_of_another_type(api, wanted).await? => {
            recreate(api, wanted, standing).await
        }
        Err(error) => Err(error),
    }
}

/// The type of a Secret cannot be changed; everything else that the API server finds wrong is no reason to delete.
async fn is_of_another_type(api: &Api<Secret>, wanted: &Secret) -> Result<bool, CallError> {
    Ok(call(api.get_opt(&wanted.name_any())).await?.is_some_and(|standing| standing.type_ != wanted.type_))
}

/// Deletes and creates, once the API server has said that it would take the new one: a working target is not given
/// up for one that cannot be.
async fn recreate(api: &Api<Secret>, wanted: &Secret, standing: &Facts) -> Result<Secret, CallError> {
    let mut rehearsed = wanted.clone();
    rehearsed.metadata.name = None;
    rehearsed.metadata.generate_name = Some("tokensource-rehearsal-".to_owned());
    let rehearsal = PostParams { dry_run: true, ..PostParams::default() };
    call(api.create(&rehearsal, &rehearsed)).await?;
    let ours = Preconditions { uid: Some(standing.uid.clone()), resource_version: None };
    let params = DeleteParams { preconditions: Some(ours), ..DeleteParams::default() };
    call(api.delete(&wanted.name_any(), &params)).await?;
    create(api, wanted).await
}

/// Applies by force: the uid says that it is ours, so whatever others have done to our fields is undone.
async fn apply(api: &Api<Secret>, wanted: &Secret, standing: &Facts) -> Result<Secret, CallError> {
    let mut wanted = wanted.clone();
    wanted.metadata.uid = Some(standing.uid.clone());
    let params = PatchParams::apply(FIELD_MANAGER).force();
    call(api.patch(&wanted.name_any(), &params, &Patch::Apply(&wanted))).await
}

/// Makes the fields we created ours by apply. Until then they belong to us as an *update*, and an apply that no
/// longer names one of them would leave it standing.
async fn claim(api: &Api<Secret>, wanted: &Secret, standing: &Facts) -> Result<(), CallError> {
    let metadata = call(api.get_metadata(&wanted.name_any())).await?;
    if metadata.uid().as_deref() != Some(&standing.uid) {
        return Ok(()); // Not the one that was seen to be ours: the apply will fail on the uid.
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
    // Two of these operations cannot fail to be a patch.
    let patch: json_patch::Patch = serde_json::from_value(patch).unwrap_or_default();
    call(api.patch_metadata(&wanted.name_any(), &PatchParams::default(), &Patch::Json::<()>(patch))).await?;
    Ok(())
}

/// Removes keys that others have added: the target has exactly the keys it is to have.
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

async fn refresh(api: &Api<Secret>, namespace: &str, name: &str, context: &Context) -> Result<(), CallError> {
    match call(api.get_metadata_opt(name)).await? {
        Some(found) => {
            context.scope.secrets.learn(&found.metadata);
        }
        None => context.scope.secrets.lose(namespace, name),
    }
    Ok(())
}
