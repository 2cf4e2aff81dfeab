//! From the text of one object to the object, as much of it as can be read and as little as is needed.
//!
//! Knows the bounds of what is kept in memory, and which parts of an object nobody reads. An error never quotes the
//! text: another tenant's data may stand in it. Must not know where the text comes from.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::PartialObjectMeta;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::scanner::Captured;
use crate::api::{
    ClusterTokenProvider, ClusterTokenProviderSpec, Reason, TokenProvider, TokenProviderSpec, TokenSource,
    TokenSourceSpec, TokenSourceStatus, annotation,
};

use crate::decide::Failure;

/// The limits for decoding a spec. The limits of the definitions are lower.
const SPEC: Bound = Bound { bytes: 512 * 1024, depth: 32, values: 1024 };
/// The limits for decoding a status, which a newer version may have written.
const STATUS: Bound = Bound { bytes: 128 * 1024, depth: 16, values: 1024 };
/// The most bytes of all claims of an assertion together, as JSON.
const CLAIMS: usize = 64 * 1024;
/// The most characters of the value of `renew-requested-at`: as many as status has room for.
const RENEW_REQUEST: usize = 1024;

/// An object, and what could not be read of it.
#[derive(Debug)]
pub(crate) struct Decoded<K> {
    pub(crate) object: K,
    /// Where the fault is, without a word of what stands there.
    pub(crate) fault: Option<String>,
}

/// A kind that is watched.
pub(crate) trait Watched:
    Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static
{
    /// Its name, for logs and metrics.
    const KIND: &'static str;
    /// Whether its metadata alone is asked for.
    const METADATA_ONLY: bool = false;

    /// Weights up to this one are not counted.
    const LIGHT: usize = 8 * 1024;

    /// Reads an object, or says where the fault is that makes this impossible.
    fn decode(text: &[u8]) -> Result<Decoded<Self>, String>;

    /// About how many bytes it takes in memory, if its text has so many.
    fn weight(&self, text: usize) -> usize {
        text
    }

    /// Gives up what makes it heavy, and keeps what its author is told by.
    fn lighten(&mut self, why: &str);

    /// An object of which the metadata alone is known.
    fn bare(metadata: ObjectMeta) -> Self;

    /// The object by what identifies it: to say that it is not to be had.
    fn identified(captured: &Captured) -> Self {
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Self::bare(ObjectMeta {
            namespace: text(&captured.namespace),
            name: text(&captured.name),
            uid: text(&captured.uid),
            resource_version: text(&captured.resource_version),
            ..ObjectMeta::default()
        })
    }
}

/// The failure of whatever needs the spec of this object, if that could not be read in full.
pub(crate) fn unreadable<K: Watched>(object: &K) -> Option<Failure> {
    let fault = object.meta().annotations.as_ref()?.get(annotation::UNREADABLE)?;
    let message = format!(
        "{} {} cannot be read: {fault}. Correct it there; if it was written for a newer version, upgrade the controller.",
        K::KIND,
        object.meta().name.as_deref().unwrap_or_default()
    );
    Some(Failure::local(Reason::InvalidSpec, message))
}

impl Watched for TokenSource {
    const KIND: &'static str = "TokenSource";

    fn decode(text: &[u8]) -> Result<Decoded<Self>, String> {
        let parts = Parts::read(text)?;
        let (spec, of_spec) = parts.spec::<TokenSourceSpec>(|spec| spec.provider.as_deref());
        let (status, of_status) = match parts.status {
            Some(status) => salvage::<TokenSourceStatus>(status, "status", STATUS),
            None => (None, None),
        };
        let mut object = Self { metadata: parts.metadata, spec: spec.unwrap_or_default(), status };
        prune(&mut object);
        mark(&mut object.metadata, of_spec.as_deref());
        Ok(Decoded { object, fault: of_spec.or(of_status) })
    }

    fn weight(&self, text: usize) -> usize {
        text.saturating_add(self.spec.provider.as_deref().map_or(0, weight_of_claims))
    }

    fn lighten(&mut self, why: &str) {
        let (target, suspend) = (self.spec.target.name.take(), self.spec.suspend);
        self.spec = TokenSourceSpec { suspend, ..TokenSourceSpec::default() };
        self.spec.target.name = target;
        mark(&mut self.metadata, Some(why));
    }

    fn bare(metadata: ObjectMeta) -> Self {
        Self { metadata, spec: TokenSourceSpec::default(), status: None }
    }
}

impl Watched for TokenProvider {
    const KIND: &'static str = "TokenProvider";

    fn decode(text: &[u8]) -> Result<Decoded<Self>, String> {
        let (metadata, spec, fault) = provider::<TokenProviderSpec>(text, |spec| spec)?;
        Ok(Decoded { object: Self { metadata, spec }, fault })
    }

    fn weight(&self, text: usize) -> usize {
        text.saturating_add(weight_of_claims(&self.spec))
    }

    fn lighten(&mut self, why: &str) {
        self.spec = TokenProviderSpec::default();
        mark(&mut self.metadata, Some(why));
    }

    fn bare(metadata: ObjectMeta) -> Self {
        Self { metadata, spec: TokenProviderSpec::default() }
    }
}

impl Watched for ClusterTokenProvider {
    const KIND: &'static str = "ClusterTokenProvider";

    fn decode(text: &[u8]) -> Result<Decoded<Self>, String> {
        let (metadata, spec, fault) = provider::<ClusterTokenProviderSpec>(text, |spec| &spec.provider)?;
        Ok(Decoded { object: Self { metadata, spec }, fault })
    }

    fn weight(&self, text: usize) -> usize {
        text.saturating_add(weight_of_claims(&self.spec.provider))
    }

    fn lighten(&mut self, why: &str) {
        self.spec = ClusterTokenProviderSpec::default();
        mark(&mut self.metadata, Some(why));
    }

    fn bare(metadata: ObjectMeta) -> Self {
        Self { metadata, spec: ClusterTokenProviderSpec::default() }
    }
}

impl Watched for PartialObjectMeta<Secret> {
    const KIND: &'static str = "Secret";
    const METADATA_ONLY: bool = true;
    /// A target has less than half of this.
    const LIGHT: usize = 3 * 1024;

    fn decode(text: &[u8]) -> Result<Decoded<Self>, String> {
        let mut object: Self = read(text)?;
        // Only a controller is looked at. Freeing thousands of other owners would take the time of reconciles.
        if let Some(owners) = &mut object.metadata.owner_references {
            owners.retain(|owner| owner.controller == Some(true));
            owners.truncate(1);
            owners.shrink_to_fit();
        }
        (object.metadata.labels, object.metadata.finalizers) = (None, None);
        Ok(Decoded { object, fault: None })
    }

    fn weight(&self, _: usize) -> usize {
        // Of a Secret's metadata, what is kept of any length is annotations of ours.
        self.metadata.annotations.iter().flatten().map(|(_, value)| value.len()).sum()
    }

    fn lighten(&mut self, _: &str) {
        self.metadata.annotations = None;
    }

    fn bare(metadata: ObjectMeta) -> Self {
        Self { metadata, ..Self::default() }
    }
}

impl Watched for PartialObjectMeta<Namespace> {
    const KIND: &'static str = "Namespace";
    const METADATA_ONLY: bool = true;

    fn decode(text: &[u8]) -> Result<Decoded<Self>, String> {
        let mut object: Self = read(text)?;
        (object.metadata.annotations, object.metadata.managed_fields) = (None, None);
        Ok(Decoded { object, fault: None })
    }

    fn lighten(&mut self, _: &str) {
        self.metadata.labels = None;
    }

    fn bare(metadata: ObjectMeta) -> Self {
        Self { metadata, ..Self::default() }
    }
}

/// An object with its parts unread: text that is not read has no depth.
#[derive(Deserialize)]
struct Parts<'a> {
    metadata: ObjectMeta,
    #[serde(borrow, default)]
    spec: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
}

impl<'a> Parts<'a> {
    fn read(text: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| place("the object", &error))
    }

    /// The spec, as far as it can be read, and what cannot.
    fn spec<S: DeserializeOwned>(
        &self,
        provider: impl Fn(&S) -> Option<&TokenProviderSpec>,
    ) -> (Option<S>, Option<String>) {
        let Some(raw) = self.spec else { return (None, Some("spec is missing".to_owned())) };
        let (spec, fault) = salvage::<S>(raw, "spec", SPEC);
        let claims =
            spec.as_ref().and_then(provider).is_some_and(|provider| length_of_claims(provider) > CLAIMS);
        if claims {
            return (None, Some(format!("claims of more than {} KiB", CLAIMS / 1024)));
        }
        (spec, fault)
    }
}

fn provider<S: DeserializeOwned + Default>(
    text: &[u8],
    block: impl Fn(&S) -> &TokenProviderSpec,
) -> Result<(ObjectMeta, S, Option<String>), String> {
    let parts = Parts::read(text)?;
    let (spec, fault) = parts.spec::<S>(|spec| Some(block(spec)));
    let mut metadata = parts.metadata;
    (metadata.annotations, metadata.managed_fields) = (None, None);
    mark(&mut metadata, fault.as_deref());
    Ok((metadata, spec.unwrap_or_default(), fault))
}

fn read<K: DeserializeOwned>(text: &[u8]) -> Result<K, String> {
    serde_json::from_slice(text).map_err(|error| place("the object", &error))
}

/// Where reading ended. The error itself quotes what it found.
fn place(what: &str, error: &serde_json::Error) -> String {
    format!("{what} cannot be read from byte {} on", error.column())
}

/// All that can be read, and what cannot: member by member where not the whole.
fn salvage<T: DeserializeOwned>(raw: &RawValue, what: &str, bound: Bound) -> (Option<T>, Option<String>) {
    if bound.allows(raw)
        && let Ok(whole) = serde_json::from_str(raw.get())
    {
        return (Some(whole), None);
    }
    let Ok(mut members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw.get()) else {
        return (None, Some(format!("{what} is no object")));
    };
    let mut unread = Vec::new();
    members.retain(|name, value| {
        let alone = BTreeMap::from([(name, &*value)]);
        let is_read = bound.allows(value)
            && serde_json::to_string(&alone).is_ok_and(|alone| serde_json::from_str::<T>(&alone).is_ok());
        if !is_read {
            unread.push(format!("{what}.{}", name.chars().take(64).collect::<String>()));
        }
        is_read
    });
    // All members together may be over the bound where none is.
    let rest = serde_json::value::to_raw_value(&members).ok().filter(|rest| bound.allows(rest));
    let rest = rest.and_then(|rest| serde_json::from_str(rest.get()).ok());
    unread.truncate(8);
    let fault = if unread.is_empty() { what.to_owned() } else { unread.join(", ") };
    (rest, Some(fault))
}

/// What bounds a part of an object.
#[derive(Clone, Copy, Debug)]
struct Bound {
    bytes: usize,
    depth: usize,
    /// Each takes hundreds of bytes in memory, however short its text.
    values: usize,
}

impl Bound {
    fn allows(self, raw: &RawValue) -> bool {
        let text = raw.get();
        let (mut depth, mut deepest, mut values) = (0_usize, 0, 0_usize);
        let (mut in_string, mut escaped) = (false, false);
        for byte in text.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => {
                    depth += 1;
                    values += 1;
                    deepest = deepest.max(depth);
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' => values += 1,
                _ => {}
            }
        }
        text.len() <= self.bytes && deepest <= self.depth && values <= self.values
    }
}

/// The claims of a provider block, of both kinds of assertion.
fn claims_of(provider: &TokenProviderSpec) -> impl Iterator<Item = &serde_json::Map<String, Value>> {
    let of_client = provider.client_authentication.assertion.as_ref().and_then(|it| it.claims.as_ref());
    let of_grant = provider.assertion_grant.as_ref().and_then(|it| it.claims.as_ref());
    of_client.into_iter().chain(of_grant)
}

/// Their length as JSON.
fn length_of_claims(provider: &TokenProviderSpec) -> usize {
    let length = |claims| serde_json::to_string(claims).map_or(usize::MAX, |text| text.len());
    claims_of(provider).map(length).fold(0, usize::saturating_add)
}

/// What claims take in memory as a tree: many times the length of their text.
fn weight_of_claims(provider: &TokenProviderSpec) -> usize {
    claims_of(provider).flat_map(serde_json::Map::values).map(weight_of).sum()
}

fn weight_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 32,
        Value::String(text) => 32 + text.len(),
        Value::Array(values) => 128 + values.iter().map(weight_of).sum::<usize>(),
        // A node of a `BTreeMap` has room for eleven members.
        Value::Object(members) => {
            640 + members.iter().map(|(name, value)| 64 + name.len() + weight_of(value)).sum::<usize>()
        }
    }
}

/// Says in the object itself, as it is in memory, what of its spec could not be read. An annotation of this name that
/// somebody has written is not kept.
fn mark(metadata: &mut ObjectMeta, fault: Option<&str>) {
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(annotation::UNREADABLE);
    }
    if let Some(fault) = fault {
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(annotation::UNREADABLE.to_owned(), fault.to_owned());
    }
}

/// Takes out what nobody looks at: there may be thousands of these in memory. Clearing a list or a map would keep its
/// room; of the annotations one is ours to obey, and kubectl's holds the whole object once more.
fn prune(source: &mut TokenSource) {
    let metadata = &mut source.metadata;
    let request =
        metadata.annotations.take().and_then(|mut all| all.remove_entry(annotation::RENEW_REQUESTED_AT));
    metadata.annotations = request.map(|(key, mut value)| {
        if let Some((end, _)) = value.char_indices().nth(RENEW_REQUEST) {
            value.truncate(end);
            value.shrink_to_fit();
        }
        BTreeMap::from([(key, value)])
    });
    (metadata.labels, metadata.owner_references, metadata.finalizers) = (None, None, None);
    metadata.managed_fields = None;
    // What was read piece by piece has room for more.
    source.spec.token.scopes.shrink_to_fit();
    if let Some(status) = &mut source.status {
        status.conditions.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests;
