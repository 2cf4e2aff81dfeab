//! The parts of an object's metadata that every kind needs, and the place of the controller's finalizer.
//!
//! Everything else in metadata is dropped, because whoever may write an object decides how much of it there is. Must not know
//! what a kind needs in addition.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{TokenSource, annotation};

/// The metadata without labels, annotations, owners, finalizers and records of field managers.
pub(super) fn identity(metadata: ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        resource_version: metadata.resource_version,
        generation: metadata.generation,
        creation_timestamp: metadata.creation_timestamp,
        deletion_timestamp: metadata.deletion_timestamp,
        ..ObjectMeta::default()
    }
}

/// The finalizers of a `TokenSource`, as far as the controller uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finalizers {
    None,
    /// None of them is the controller's own.
    OfOthers,
    /// The controller's own is at this place in the list.
    Own(usize),
}

impl Finalizers {
    /// The finalizers of a decoded `TokenSource`.
    pub(crate) fn of(source: &TokenSource) -> Self {
        match source.metadata.finalizers.as_deref().unwrap_or_default() {
            [] => Self::None,
            [own, place] if own == annotation::FINALIZER => place.parse().map_or(Self::OfOthers, Self::Own),
            [..] => Self::OfOthers,
        }
    }

    /// Replaces all finalizers by at most two strings: the controller's own finalizer and its place, or one string for the
    /// finalizers of others. A user may add hundreds of thousands of finalizers.
    pub(super) fn shorten(all: &[String]) -> Option<Vec<String>> {
        let place = all.iter().position(|finalizer| finalizer == annotation::FINALIZER);
        match place {
            Some(place) => Some(vec![annotation::FINALIZER.to_owned(), place.to_string()]),
            None if all.is_empty() => None,
            None => Some(vec![String::new()]),
        }
    }
}
