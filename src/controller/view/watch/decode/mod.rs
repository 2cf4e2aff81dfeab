//! Decodes the text of one object: as much of the object as can be decoded, without the parts that the controller does
//! not use.
//!
//! Limits what is kept in memory. An error never quotes the text, which may hold another tenant's data. Must not know
//! where the text comes from.

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

/// A decoded object, and what could not be decoded.
#[derive(Debug)]
pub(crate) struct Decoded<K> {
    pub(crate) object: K,
    /// Where the fault is, without a quotation.
    pub(crate) fault: Option<String>,
}

/// A kind that is watched.
pub(crate) trait Watched:
    Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static
{
    /// The name of the kind, for logs and metrics.
    const KIND: &'static str;
    /// Whether only metadata is requested.
    const METADATA_ONLY: bool = false;

    /// Weights up to this one are not counted by the budget.
    const LIGHT: usize = 8 * 1024;

    /// Decodes an object, or returns where the fault is that makes this impossible.
    fn decode(text: &[u8]) -> Result<Decoded<Self>, String>;

    /// The approximate size in memory of an object whose text has this length.
    fn weight(&self, text: usize) -> usize {
        text
    }

    /// Drops the large parts, and keeps what a status needs to explain it.
    fn lighten(&mut self, why: &str);

    /// An object of which only the metadata is known.
    fn bare(metadata: ObjectMeta) -> Self;

    /// An object with nothing but its identity, to report that it cannot be decoded.
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

/// The failure to report if the spec of this object could not be decoded in full.
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
    /// A target weighs less than half of this.
    const LIGHT: usize = 3 * 1024;

    fn decode(text: &[u8]) -> Result<Decoded<Self>, String> {
        let mut object: Self = read(text)?;
        // Only the controlling owner is used. Freeing thousands of other owners later would delay reconciles.
        if let Some(owners) = &mut object.metadata.owner_references {
            owners.retain(|owner| owner.controller == Some(true));
            owners.truncate(1);
            owners.shrink_to_fit();
        }
        (object.metadata.labels, object.metadata.finalizers) = (None, None);
        Ok(Decoded { object, fault: None })
    }

    fn weight(&self, _: usize) -> usize {
        // Our annotations are the only part of a Secret's metadata that may be long.
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

/// An object with its parts as raw text, so that no nesting is decoded.
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

    /// The spec as far as it can be decoded, and the fault.
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

/// Where decoding failed. The error itself is not shown, since it quotes the text.
fn place(what: &str, error: &serde_json::Error) -> String {
    format!("{what} cannot be read from byte {} on", error.column())
}

/// Decodes the whole value or, if that fails, each member by itself. Returns the first fault too.
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
    // All members together may exceed the limit although none of them does.
    let rest = serde_json::value::to_raw_value(&members).ok().filter(|rest| bound.allows(rest));
    let rest = rest.and_then(|rest| serde_json::from_str(rest.get()).ok());
    unread.truncate(8);
    let fault = if unread.is_empty() { what.to_owned() } else { unread.join(", ") };
    (rest, Some(fault))
}

/// The limits for a part of an object.
#[derive(Clone, Copy, Debug)]
struct Bound {
    bytes: usize,
    depth: usize,
    /// Each of them takes hundreds of bytes in memory, however short its text is.
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

/// The claims of a provider block, for both kinds of assertion.
fn claims_of(provider: &TokenProviderSpec) -> impl Iterator<Item = &serde_json::Map<String, Value>> {
    let of_client = provider.client_authentication.assertion.as_ref().and_then(|it| it.claims.as_ref());
    let of_grant = provider.assertion_grant.as_ref().and_then(|it| it.claims.as_ref());
    of_client.into_iter().chain(of_grant)
}

/// The length of the claims as JSON.
fn length_of_claims(provider: &TokenProviderSpec) -> usize {
    let length = |claims| serde_json::to_string(claims).map_or(usize::MAX, |text| text.len());
    claims_of(provider).map(length).fold(0, usize::saturating_add)
}

/// The size of claims in memory, which is many times the length of their text.
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

/// Records in the object in memory, as an annotation, what of its spec could not be decoded. An annotation of this name
/// from the API server is dropped.
fn mark(metadata: &mut ObjectMeta, fault: Option<&str>) {
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(annotation::UNREADABLE);
    }
    if let Some(fault) = fault {
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(annotation::UNREADABLE.to_owned(), fault.to_owned());
    }
}

/// Drops unused metadata, since thousands of objects may be in memory. Lists and maps are replaced, because cleared ones
/// keep their memory. Of the annotations only one is used; kubectl's has a copy of the whole object.
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
    (metadata.labels, metadata.owner_references, metadata.managed_fields) = (None, None, None);
    metadata.finalizers = metadata.finalizers.take().map(finalizers);
    // Collections that were decoded in steps have spare capacity.
    source.spec.token.scopes.shrink_to_fit();
    if let Some(status) = &mut source.status {
        status.conditions.shrink_to_fit();
    }
}

/// The finalizers up to ours, without the names of others: only the place of ours is used, and whether there are any.
fn finalizers(mut all: Vec<String>) -> Vec<String> {
    let ours = all.iter().position(|finalizer| finalizer == annotation::FINALIZER);
    all.truncate(ours.map_or(1, |place| place + 1));
    for other in all.iter_mut().filter(|finalizer| *finalizer != annotation::FINALIZER) {
        *other = String::new();
    }
    all.shrink_to_fit();
    all
}

#[cfg(test)]
mod tests;
