//! The part of a Secret's metadata that the controller needs: never a byte of its data. Knows the controller's annotations;
//! must not know where a Secret was read.

use std::collections::BTreeMap;
use std::sync::Arc;

use compact_str::CompactString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::api::{FIELD_MANAGER, annotation};
use crate::decide::publication::TokenRecord;
use crate::decide::{LONGEST_HOSTS, ReferencedSecret};

/// The metadata of one Secret. Boxes hold what only targets have, since most Secrets are no target.
#[derive(Clone, Debug, Default)]
pub(crate) struct SecretMeta {
    pub(crate) uid: String,
    pub(crate) resource_version: CompactString,
    pub(crate) deleting: bool,
    pub(crate) controller: Option<Box<Controller>>,
    pub(crate) allowed_hosts: Option<String>,
    pub(crate) record: Option<Box<TokenRecord>>,
    pub(crate) data_hash: Option<Box<str>>,
    pub(crate) metadata_hash: Option<Box<str>>,
    pub(crate) withdrawn: bool,
    pub(crate) own_write: OwnWrite,
}

/// How this controller has written a Secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OwnWrite {
    /// The controller has not written the Secret. A copy of a target has all its annotations, but this controller did not write
    /// it.
    #[default]
    Never,
    /// The controller wrote the Secret by create or update.
    Updated,
    /// The controller wrote the Secret by server-side apply, so that another apply can remove fields.
    Applied,
}

/// The owner that controls a Secret.
#[derive(Clone, Debug)]
pub(crate) struct Controller {
    pub(crate) kind: CompactString,
    pub(crate) name: CompactString,
    pub(crate) uid: String,
}

impl From<&OwnerReference> for Controller {
    fn from(owner: &OwnerReference) -> Self {
        // The API server does not check the lengths.
        let short = |text: &str| text.chars().take(253).collect();
        Self { kind: short(&owner.kind), name: short(&owner.name), uid: owner.uid.chars().take(64).collect() }
    }
}

impl SecretMeta {
    pub(crate) fn of(metadata: &ObjectMeta) -> Self {
        let none = BTreeMap::new();
        let annotations = metadata.annotations.as_ref().unwrap_or(&none);
        // Anyone who may update the Secret may write these. A longer value was not written by the controller.
        let text = |key| {
            let text: Option<&String> = annotations.get(key);
            text.filter(|text| text.len() <= LONGEST_ANNOTATION).map(|text| text.as_str().into())
        };
        let controller =
            metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let mut own_write = OwnWrite::Never;
        for entry in metadata.managed_fields.iter().flatten() {
            if entry.manager.as_deref() == Some(FIELD_MANAGER) && own_write != OwnWrite::Applied {
                let is_apply = entry.operation.as_deref() == Some("Apply");
                own_write = if is_apply { OwnWrite::Applied } else { OwnWrite::Updated };
            }
        }
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.as_deref().unwrap_or_default().into(),
            deleting: metadata.deletion_timestamp.is_some(),
            controller: controller.map(|owner| Box::new(owner.into())),
            allowed_hosts: annotations.get(annotation::ALLOWED_HOSTS).map(|hosts| bounded_hosts(hosts)),
            record: is_ours(annotations).then(|| TokenRecord::read(annotations)).flatten().map(Box::new),
            data_hash: text(annotation::DATA_HASH),
            metadata_hash: text(annotation::METADATA_HASH),
            withdrawn: annotations.contains_key(annotation::WITHDRAWN_AT),
            own_write,
        }
    }
}

/// The metadata of the Secret with this name, as decisions read it. `meta` is None if the Secret does not exist.
pub(crate) fn referenced_secret(name: &str, meta: Option<Arc<SecretMeta>>) -> ReferencedSecret {
    match meta {
        None => ReferencedSecret::Missing(name.to_owned()),
        Some(meta) => ReferencedSecret::Present {
            name: name.to_owned(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.to_string(),
            allowed_hosts: meta.allowed_hosts.clone(),
        },
    }
}

/// The longest annotation value that is kept in memory, in bytes, except the value of `allowed-hosts`. The longest value
/// that the controller itself writes is a handled renewal request.
const LONGEST_ANNOTATION: usize = 4096;

/// The hosts, cut to a length that is still refused for being too long.
fn bounded_hosts(hosts: &str) -> String {
    match hosts.char_indices().find(|(at, _)| *at > LONGEST_HOSTS) {
        Some((end, _)) => hosts.get(..end).unwrap_or_default().to_owned(),
        None => hosts.to_owned(),
    }
}

/// Whether the annotations are short enough to have been written by the controller.
fn is_ours(annotations: &BTreeMap<String, String>) -> bool {
    let ours = annotations.iter().filter(|(key, _)| key.starts_with(annotation::PREFIX));
    ours.filter(|(key, _)| *key != annotation::ALLOWED_HOSTS)
        .all(|(_, value)| value.len() <= LONGEST_ANNOTATION)
}

/// A resourceVersion as a number, comparable within the storage of one API server. Anything else counts as oldest.
pub(crate) fn version(resource_version: Option<&str>) -> u64 {
    resource_version.and_then(|version| version.parse().ok()).unwrap_or_default()
}

/// Whether the first state of a Secret is newer than the second.
pub(super) fn is_newer(one: &SecretMeta, other: &SecretMeta) -> bool {
    version(Some(&one.resource_version)) > version(Some(&other.resource_version))
}
