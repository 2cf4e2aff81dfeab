//! The identity of objects: the name of a `TokenSource` in the workqueue, the limiters, the log and the index. Also the
//! properties of a provider object on which its users depend.

use compact_str::CompactString;
use kube::{Resource, ResourceExt};

use crate::api::TokenSource;

/// Namespace and name.
pub(crate) type NamespacedName = (CompactString, CompactString);

/// The uid of this object, which the API server gives to each.
pub(crate) fn uid_of(source: &TokenSource) -> &str {
    source.metadata.uid.as_deref().unwrap_or_default()
}

/// The name of this object.
pub(crate) fn name_of(source: &TokenSource) -> NamespacedName {
    (source.namespace().unwrap_or_default().into(), source.name_any().into())
}

/// Whether two states of a provider object differ in what its TokenSources depend on. Its status does not matter to them, so
/// that writing the status of a provider with thousands of users triggers no reconcile. The only annotation in memory says
/// that the spec is not known in full.
pub(crate) fn differs_for_users<K: Resource>(before: &K, after: &K) -> bool {
    let of = |object: &K| {
        let metadata = object.meta();
        let ending = metadata.deletion_timestamp.is_some();
        (metadata.uid.clone(), metadata.generation, ending, metadata.annotations.clone())
    };
    of(before) != of(after)
}
