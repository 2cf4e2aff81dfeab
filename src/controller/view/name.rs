//! The name by which the workqueue, the limiters, the log and the index know a `TokenSource`.

use compact_str::CompactString;
use kube::ResourceExt;

use crate::api::TokenSource;

/// Namespace and name.
pub(crate) type NamespacedName = (CompactString, CompactString);

/// The name of this object.
pub(crate) fn name_of(source: &TokenSource) -> NamespacedName {
    (source.namespace().unwrap_or_default().into(), source.name_any().into())
}
