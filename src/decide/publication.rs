//! The desired target Secret: its data, the record of its token, and the hash that reveals alterations. Knows the keys of
//! the API; must not know how a Secret is written.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sha2::{Digest, Sha256};

use super::hex::hex;
pub use super::secrets::Data;
use super::versions::Versions;
use crate::api::{Target, annotation, timestamp};

/// The record of the token in the target's annotations, which are written together with the data.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRecord {
    /// When the request for the token was sent.
    pub issued_at: DateTime<Utc>,
    /// When the token expires.
    pub expires_at: DateTime<Utc>,
    /// Fingerprint of the inputs of its request.
    pub inputs_fingerprint: String,
    /// When this token was first issued. Earlier than `issued_at` if the provider has returned the same token again and the
    /// record was written again. Not part of the hash: a change of this time costs one restart at most.
    pub since: DateTime<Utc>,
    /// The renewal request that is handled by this token. Stored with the token, so that both are written or neither is. Not
    /// part of the hash: a change of this value costs one renewal at most.
    pub handled_renew_request: Option<String>,
    /// The versions of the Secrets that are part of the fingerprint. Not part of the hash: an earlier version of the
    /// controller does not know them and would take the target for altered.
    pub versions: Versions,
}

/// SHA-256 of the data and of the times and the fingerprint in the record, in hexadecimal: an edited expiry counts as an
/// alteration. Each part is preceded by its length, so that different contents never give the same bytes.
pub fn content_hash(data: &Data, record: &TokenRecord) -> String {
    let mut digest = Sha256::new();
    for (key, value) in data {
        add(&mut digest, key.as_bytes());
        add(&mut digest, &value.0);
    }
    for line in [timestamp(record.issued_at), timestamp(record.expires_at), record.inputs_fingerprint.clone()]
    {
        add(&mut digest, line.as_bytes());
    }
    hex(&digest.finalize())
}

/// Adds one part after its length.
fn add(digest: &mut Sha256, part: &[u8]) {
    digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    digest.update(part);
}

/// The complete Secret, as it is created or applied.
pub fn target(
    name: &str,
    target: &Target,
    owner: OwnerReference,
    data: Data,
    record: &TokenRecord,
) -> Secret {
    let mut ours = vec![
        (annotation::ISSUED_AT, timestamp(record.issued_at)),
        (annotation::EXPIRES_AT, timestamp(record.expires_at)),
        // Always set: an annotation that another client has set would otherwise outlive every later token.
        (annotation::TOKEN_SINCE, timestamp(record.since)),
        (annotation::INPUTS, record.inputs_fingerprint.clone()),
        (annotation::DATA_HASH, content_hash(&data, record)),
        (annotation::METADATA_HASH, metadata_hash(target, &owner.name)),
    ];
    ours.extend(record.versions.to_json().map(|versions| (annotation::CREDENTIALS, versions)));
    ours.extend(record.handled_renew_request.iter().map(|request| (annotation::ANSWERS, request.clone())));
    secret(name, target, owner, Some(data), ours)
}

/// The Secret without its token, as it is applied when the token is withdrawn.
pub fn withdrawn(name: &str, target: &Target, owner: OwnerReference, at: DateTime<Utc>) -> Secret {
    secret(name, target, owner, None, vec![(annotation::WITHDRAWN_AT, timestamp(at))])
}

fn secret(
    name: &str,
    target: &Target,
    owner: OwnerReference,
    data: Option<Data>,
    ours: Vec<(&str, String)>,
) -> Secret {
    let users = target.annotations.iter().map(|(key, value)| (key.clone(), value.0.clone()));
    let hosts = allowed_hosts(target).map(|hosts| (annotation::ALLOWED_HOSTS.to_owned(), hosts));
    let annotations =
        users.chain(hosts).chain(ours.into_iter().map(|(key, value)| (key.to_owned(), value))).collect();
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels(target, &owner.name)),
            annotations: Some(annotations),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some(secret_type(target).to_owned()),
        data,
        ..Secret::default()
    }
}

/// The hosts that may receive the token from other TokenSources, as the value of an annotation; None if there are none.
pub fn allowed_hosts(target: &Target) -> Option<String> {
    let hosts: Vec<&str> = target.allowed_hosts.iter().map(|host| host.0.as_str()).collect();
    (!hosts.is_empty()).then(|| hosts.join(","))
}

/// Hash of the desired labels, annotations and type. A target with another hash is written again, which also removes what
/// the spec no longer names.
pub fn metadata_hash(target: &Target, source: &str) -> String {
    let mut digest = Sha256::new();
    let annotations = target.annotations.iter().map(|(key, value)| (key.as_str(), value.0.as_str()));
    let labels = labels(target, source);
    let labels = labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    // Keys are not empty, so an empty key separates labels from annotations.
    let (kind, border) = ([("type", secret_type(target))], [("", "")]);
    let hosts = allowed_hosts(target);
    let hosts = hosts.iter().map(|hosts| (annotation::ALLOWED_HOSTS, hosts.as_str()));
    for (key, value) in kind.into_iter().chain(labels).chain(border).chain(annotations).chain(hosts) {
        for part in [key, value] {
            add(&mut digest, part.as_bytes());
        }
    }
    hex(digest.finalize().get(..16).unwrap_or_default())
}

/// The desired type of the Secret.
pub fn secret_type(target: &Target) -> &str {
    target.type_.as_deref().unwrap_or("Opaque")
}

/// The desired labels: the user's and the controller's. The label with the name of the TokenSource is left out if that name
/// is longer than a label's value may be.
pub fn labels(target: &Target, source: &str) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<_, _> =
        target.labels.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    labels.insert(annotation::MANAGED_BY_LABEL.to_owned(), annotation::MANAGED_BY.to_owned());
    if source.len() <= 63 {
        labels.insert(annotation::SOURCE_LABEL.to_owned(), source.to_owned());
    }
    labels
}

impl TokenRecord {
    /// Reads the record from a target's annotations; None if a part of the hash is missing or unreadable.
    pub fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let time = |key| {
            let text = annotations.get(key)?;
            let time = DateTime::parse_from_rfc3339(text).ok()?;
            // Whole seconds, as in the status. A fraction that another client has added would never equal the recorded
            // value.
            DateTime::from_timestamp(time.timestamp(), 0)
        };
        let issued_at = time(annotation::ISSUED_AT)?;
        Some(Self {
            issued_at,
            since: time(annotation::TOKEN_SINCE).unwrap_or(issued_at),
            expires_at: time(annotation::EXPIRES_AT)?,
            inputs_fingerprint: annotations.get(annotation::INPUTS)?.clone(),
            handled_renew_request: annotations.get(annotation::ANSWERS).cloned(),
            versions: annotations
                .get(annotation::CREDENTIALS)
                .map(|text| Versions::from_json(text))
                .unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests;
