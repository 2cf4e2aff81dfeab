//! The watched kinds: the parts of each that are kept, and its size in memory.
//! Must not know how a part is decoded.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::claims::{length_of_claims, weight_of_claims};
use super::identity::{Finalizers, identity};
use super::salvage::{Bound, place, salvage};
use super::{Decoded, Watched};
use crate::api::{
    ClusterTokenProvider, ClusterTokenProviderSpec, ConditionType, TokenProvider, TokenProviderSpec,
    TokenProviderStatus, TokenSource, TokenSourceSpec, TokenSourceStatus, annotation,
};

/// The limits for decoding a spec. The limits of the CRDs are lower, except for the contents of additional claims.
const SPEC: Bound = Bound { bytes: 512 * 1024, depth: 32, values: 1024 };
/// The limits for decoding a status, which a newer version may have written.
const STATUS: Bound = Bound { bytes: 128 * 1024, depth: 16, values: 1024 };
/// The limits for decoding the status of a provider object, which has one condition.
const PROVIDER_STATUS: Bound = Bound { bytes: 16 * 1024, depth: 8, values: 128 };
/// The most bytes of the claims of all assertions of a provider block together, as JSON.
const CLAIMS: usize = 64 * 1024;
/// The most characters of the value of `renew-requested-at`: as many as status has room for.
const RENEW_REQUEST: usize = 1024;

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
}

/// Declares a kind of provider objects as watched. The field of its spec that has the provider block is named, unless the
/// spec is the block.
macro_rules! watched_provider {
    ($kind:ident, $spec:ident $(, $block:ident)?) => {
        impl Watched for $kind {
            const KIND: &'static str = stringify!($kind);

            fn decode(text: &[u8]) -> Result<Decoded<Self>, String> {
                let (metadata, spec, status, fault) = provider::<$spec>(text, |spec| &spec$(.$block)?)?;
                Ok(Decoded { object: Self { metadata, spec, status }, fault })
            }

            fn weight(&self, text: usize) -> usize {
                text.saturating_add(weight_of_claims(&self.spec$(.$block)?))
            }

            fn lighten(&mut self, why: &str) {
                self.spec = $spec::default();
                mark(&mut self.metadata, Some(why));
            }
        }
    };
}

watched_provider!(TokenProvider, TokenProviderSpec);
watched_provider!(ClusterTokenProvider, ClusterTokenProviderSpec, provider);

impl Watched for PartialObjectMeta<Secret> {
    const KIND: &'static str = "Secret";
    const METADATA_ONLY: bool = true;
    /// Several times the usual weight of a target.
    const LIGHT: usize = 3 * 1024;

    fn decode(text: &[u8]) -> Result<Decoded<Self>, String> {
        let mut object: Self = read(text)?;
        // Only the controlling owner is used. Freeing thousands of other owners later would delay reconciles.
        let owners = object.metadata.owner_references.take().unwrap_or_default();
        let controller = owners.into_iter().find(|owner| owner.controller == Some(true));
        let (annotations, managers) =
            (object.metadata.annotations.take(), object.metadata.managed_fields.take());
        object.metadata = ObjectMeta {
            annotations,
            owner_references: controller.map(|owner| vec![owner]),
            // The managed fields show whether this controller has written the Secret. The view keeps only that result.
            managed_fields: managers,
            ..identity(object.metadata)
        };
        Ok(Decoded { object, fault: None })
    }

    fn weight(&self, _: usize) -> usize {
        // The scanner has emptied the annotations of others, so only the values of this controller's annotations may be
        // long.
        self.metadata.annotations.iter().flatten().map(|(_, value)| value.len()).sum()
    }

    fn lighten(&mut self, _: &str) {
        self.metadata.annotations = None;
    }
}

impl Watched for PartialObjectMeta<Namespace> {
    const KIND: &'static str = "Namespace";
    const METADATA_ONLY: bool = true;

    fn decode(text: &[u8]) -> Result<Decoded<Self>, String> {
        let mut object: Self = read(text)?;
        let labels = object.metadata.labels.take();
        object.metadata = ObjectMeta { labels, ..identity(object.metadata) };
        Ok(Decoded { object, fault: None })
    }

    fn lighten(&mut self, _: &str) {
        self.metadata.labels = None;
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

/// A provider object in parts: its spec, and of its status only what the controller itself writes.
type ProviderParts<S> = (ObjectMeta, S, Option<TokenProviderStatus>, Option<String>);

fn provider<S: DeserializeOwned + Default>(
    text: &[u8],
    block: impl Fn(&S) -> &TokenProviderSpec,
) -> Result<ProviderParts<S>, String> {
    let parts = Parts::read(text)?;
    let (spec, of_spec) = parts.spec::<S>(|spec| Some(block(spec)));
    let (mut status, of_status) = match parts.status {
        Some(status) => salvage::<TokenProviderStatus>(status, "status", PROVIDER_STATUS),
        None => (None, None),
    };
    if let Some(status) = &mut status {
        status.conditions.retain(|condition| condition.type_ == ConditionType::Ready.as_str());
        status.conditions.shrink_to_fit();
    }
    let mut metadata = identity(parts.metadata);
    mark(&mut metadata, of_spec.as_deref());
    Ok((metadata, spec.unwrap_or_default(), status, of_spec.or(of_status)))
}

fn read<K: DeserializeOwned>(text: &[u8]) -> Result<K, String> {
    serde_json::from_slice(text).map_err(|error| place("the object", &error))
}

/// Records the fault of the spec in the object in memory, as an annotation. An annotation of this name from the API server
/// is dropped.
fn mark(metadata: &mut ObjectMeta, fault: Option<&str>) {
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(annotation::UNREADABLE);
    }
    if let Some(fault) = fault {
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(annotation::UNREADABLE.to_owned(), fault.to_owned());
    }
}

/// Drops unused parts, since thousands of objects may be in memory. The controller uses only one of the annotations.
fn prune(source: &mut TokenSource) {
    let mut metadata = std::mem::take(&mut source.metadata);
    let finalizers = Finalizers::shorten(metadata.finalizers.as_deref().unwrap_or_default());
    let request =
        metadata.annotations.take().and_then(|mut all| all.remove_entry(annotation::RENEW_REQUESTED_AT));
    let annotations = request.map(|(key, mut value)| {
        if let Some((end, _)) = value.char_indices().nth(RENEW_REQUEST) {
            value.truncate(end);
            value.shrink_to_fit();
        }
        BTreeMap::from([(key, value)])
    });
    source.metadata = ObjectMeta { annotations, finalizers, ..identity(metadata) };
    // Collections that were decoded in steps have spare capacity.
    source.spec.token.scopes.shrink_to_fit();
    if let Some(status) = &mut source.status {
        status.conditions.shrink_to_fit();
    }
}
