//! The current state of the target Secret: its owner, the token that it records, and whether its data is intact.
//!
//! Uses cached metadata, and reads the Secret only if the metadata is not enough. Must not decide what follows from a flaw.

pub(crate) mod apply;
pub(crate) mod former;

use chrono::{DateTime, Utc};

use kube::ResourceExt;

use crate::api::{TARGET_KEYS, from_kubernetes};
use crate::controller::error::Error;
use crate::controller::reconcile::context::Context;
use crate::controller::view::secrets::SecretMeta;
use crate::decide::publication::{Data, TokenRecord, content_hash, labels, metadata_hash, secret_type};
use crate::decide::versions::Versions;
use crate::decide::{Observed, Published, Target, caches_may_be_stale};
use crate::oauth::Secret;

/// Why the TokenSource with this uid cannot use the Secret as its own, as the end of a sentence: the Secret has another
/// owner or none, or is being deleted.
pub(crate) fn unusable_reason(meta: &SecretMeta, uid: &str) -> Option<String> {
    if meta.deleting {
        return Some("is being deleted".to_owned());
    }
    match &meta.controller {
        Some(controller) if controller.uid == uid => None,
        Some(controller) => Some(format!("belongs to {} {}", controller.kind, controller.name)),
        None => Some("does not belong to any TokenSource".to_owned()),
    }
}

/// Whether the cached state of the target is outdated. Checked before a token is requested or withdrawn and before former
/// targets are deleted, while the caches of a new leader may be out of date.
pub(crate) async fn is_outdated(observed: &Observed<'_>, context: &Context) -> Result<bool, Error> {
    let Some(began) = context.settings.leadership.since() else { return Ok(true) };
    if !caches_may_be_stale(observed.created_at, began, context.now()) {
        return Ok(false);
    }
    let (namespace, name) = (observed.namespace, observed.target_name());
    let known = context.view.secrets.get(namespace, name).map(|meta| meta.resource_version.clone());
    let found = context.read_secret(namespace, name).await.map_err(Error::ReadTarget)?;
    let differs = found.map(|(_, meta)| meta.resource_version.clone()) != known;
    if differs {
        tracing::info!(
            namespace,
            secret = name,
            "The target is newer than in the cache; it is observed again"
        );
    }
    Ok(differs)
}

/// The target, from its cached metadata, or by reading it if the metadata is not enough.
pub(crate) async fn target(observed: &Observed<'_>, context: &Context) -> Result<Target, Error> {
    let name = observed.target_name();
    let Some(meta) = context.view.secrets.get(observed.namespace, name) else { return Ok(Target::Missing) };
    match unusable_reason(&meta, observed.uid) {
        Some(owner) => Ok(Target::Foreign(owner)),
        // The annotation alone does not count: one that another client has changed stays when the next token is written.
        None if meta.withdrawn && meta.record.is_none() => Ok(withdrawn_target(&meta)),
        None => ours(observed, &meta, context).await,
    }
}

/// The target after its token was withdrawn. Data that others have added since is ignored.
pub(crate) fn withdrawn_target(meta: &SecretMeta) -> Target {
    Target::Withdrawn { uid: meta.uid.clone(), resource_version: meta.resource_version.to_string() }
}

/// The target if it cannot be read: assumed to be as it was when it was last known to be intact.
pub(crate) fn unread_target(observed: &Observed<'_>, context: &Context) -> Target {
    let Some(meta) = context.view.secrets.get(observed.namespace, observed.target_name()) else {
        return Target::Missing;
    };
    let recorded = observed.status.target.as_ref().and_then(|target| target.resource_version.clone());
    let known = published(observed, &meta);
    Target::Ours(Published {
        intact: known.intact && recorded.is_some(),
        resource_version: recorded.unwrap_or_default(),
        ..known
    })
}

async fn ours(observed: &Observed<'_>, meta: &SecretMeta, context: &Context) -> Result<Target, Error> {
    let recorded = observed.status.target.as_ref().and_then(|target| target.resource_version.as_deref());
    if recorded == Some(meta.resource_version.as_str()) {
        return Ok(Target::Ours(published(observed, meta)));
    }
    let found =
        context.read_secret(observed.namespace, observed.target_name()).await.map_err(Error::ReadTarget)?;
    let Some((secret, meta)) = found else { return Ok(Target::Missing) };
    // The Secret may have been replaced since it was cached.
    if let Some(owner) = unusable_reason(&meta, observed.uid) {
        return Ok(Target::Foreign(owner));
    }
    let mut published = published(observed, &meta);
    published.intact = is_intact(&meta, secret.data.as_ref());
    let wanted = labels(&observed.spec.target, observed.name);
    published.metadata_in_sync &= secret_type(&observed.spec.target)
        == secret.type_.as_deref().unwrap_or("Opaque")
        && wanted.iter().all(|(key, value)| secret.labels().get(key) == Some(value))
        && observed
            .spec
            .target
            .annotations
            .iter()
            .all(|(key, value)| secret.annotations().get(key) == Some(&value.0));
    Ok(Target::Ours(published))
}

/// Whether this data is the data that was written with these annotations.
pub(crate) fn is_intact(meta: &SecretMeta, data: Option<&Data>) -> bool {
    let (Some(record), Some(data)) = (&meta.record, data) else { return false };
    meta.data_hash.as_deref() == Some(&content_hash(data, record))
}

/// The token in the target, if the target is unaltered.
pub(crate) async fn stored_token(
    observed: &Observed<'_>,
    context: &Context,
) -> Result<Option<Secret>, Error> {
    let found =
        context.read_secret(observed.namespace, observed.target_name()).await.map_err(Error::ReadTarget)?;
    let [key, ..] = TARGET_KEYS;
    Ok(found
        .filter(|(secret, meta)| {
            unusable_reason(meta, observed.uid).is_none() && is_intact(meta, secret.data.as_ref())
        })
        .and_then(|(secret, _)| secret.data?.remove(key))
        .and_then(|value| String::from_utf8(value.0).ok())
        .map(Secret::new))
}

/// The target from its metadata, assumed to be intact. Without a readable record the target counts as altered, and the times
/// in the status are used instead.
fn published(observed: &Observed<'_>, meta: &SecretMeta) -> Published {
    let metadata_in_sync =
        meta.metadata_hash.as_deref() == Some(&metadata_hash(&observed.spec.target, observed.name));
    let record = meta.record.as_deref().cloned().unwrap_or_else(|| {
        let time = |time: &Option<_>| time.as_ref().map_or(DateTime::<Utc>::UNIX_EPOCH, from_kubernetes);
        let issued_at = time(&observed.status.issued_at);
        TokenRecord {
            issued_at,
            expires_at: time(&observed.status.expires_at),
            inputs_fingerprint: String::new(),
            since: issued_at,
            handled_renew_request: None,
            versions: Versions::default(),
        }
    });
    Published { intact: meta.record.is_some(), metadata_in_sync, ..as_written(meta, record) }
}

/// The target right after this record was written.
pub(crate) fn as_written(meta: &SecretMeta, record: TokenRecord) -> Published {
    Published {
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.to_string(),
        issued_at: record.issued_at,
        expires_at: record.expires_at,
        since: record.since,
        inputs_fingerprint: record.inputs_fingerprint,
        versions: record.versions,
        handled_renew_request: record.handled_renew_request,
        intact: true,
        metadata_in_sync: true,
    }
}
