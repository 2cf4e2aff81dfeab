//! When the Secrets that a renamed target left behind are deleted: as soon as the new target holds a valid token.
//!
//! Until then these Secrets are kept, because workloads may still use them. Must not know how a Secret is found or deleted.

use super::Observed;
use super::readiness::unusable;

/// Whether Secrets of former names can be deleted: the target holds a valid token that was requested with this spec.
pub(super) fn are_removable(observed: &Observed<'_>) -> bool {
    !observed.former_targets.is_empty() && unusable(observed).is_none()
}

#[cfg(test)]
mod tests;
