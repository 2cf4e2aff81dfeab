//! Decodes the text of one object: as much of the object as can be decoded, without the parts that the controller does
//! not use.
//!
//! Limits what is kept in memory. An error never quotes the text, which may hold another tenant's data. Must not know
//! where the text comes from.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

use super::scanner::Captured;
use crate::api::{Reason, annotation};
use crate::decide::Failure;

mod claims;
mod identity;
mod kinds;
mod salvage;

pub(crate) use identity::Finalizers;

/// A decoded object, and what could not be decoded.
#[derive(Debug)]
pub(crate) struct Decoded<K> {
    pub(crate) object: K,
    /// Where the fault is, without a quotation.
    pub(crate) fault: Option<String>,
}

/// A watched kind.
pub(crate) trait Watched:
    Resource<DynamicType = ()> + Clone + Default + std::fmt::Debug + Send + Sync + 'static
{
    /// The name of the kind, for logs and metrics.
    const KIND: &'static str;
    /// Whether only metadata is requested.
    const METADATA_ONLY: bool = false;

    /// Weights up to this one are not counted by the budget.
    const LIGHT: usize = 8 * 1024;

    /// Decodes an object, or returns a message with the position of the error.
    fn decode(text: &[u8]) -> Result<Decoded<Self>, String>;

    /// The approximate size in memory of an object whose text has this length.
    fn weight(&self, text: usize) -> usize {
        text
    }

    /// Drops the large parts. An object with a spec is marked with the reason.
    fn lighten(&mut self, why: &str);

    /// An object with nothing but its identity, to report as deleted an object that cannot be decoded.
    fn identified(captured: &Captured) -> Self {
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let mut object = Self::default();
        *object.meta_mut() = ObjectMeta {
            namespace: text(&captured.namespace),
            name: text(&captured.name),
            uid: text(&captured.uid),
            resource_version: text(&captured.resource_version),
            ..ObjectMeta::default()
        };
        object
    }
}

/// The failure to report if the spec of this object could not be decoded or kept in full.
pub(crate) fn unreadable<K: Watched>(object: &K) -> Option<Failure> {
    let fault = object.meta().annotations.as_ref()?.get(annotation::UNREADABLE)?;
    let message = format!(
        "{} {} cannot be read: {fault}. Correct it there; if it was written for a newer version, upgrade the controller.",
        K::KIND,
        object.meta().name.as_deref().unwrap_or_default()
    );
    Some(Failure::local(Reason::InvalidSpec, message))
}

#[cfg(test)]
mod tests;
