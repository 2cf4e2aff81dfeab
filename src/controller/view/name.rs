//! The name of a `TokenSource` in the workqueue, the limiters, the log and the index.

use compact_str::CompactString;
use kube::ResourceExt;

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
