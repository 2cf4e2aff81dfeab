//! When the Secrets that a renamed target left behind are deleted: once the target is as good as they were.
//!
//! Until then they stay, since workloads may have nothing else. Must not know how a Secret is found or deleted.

use super::Observed;
use super::readiness::unusable;

/// Whether there are such Secrets, and nobody needs them any more: the target holds a token that is good now and was asked
/// for by this spec.
pub(super) fn are_removable(observed: &Observed<'_>) -> bool {
    !observed.former_targets.is_empty() && unusable(observed).is_none()
}

#[cfg(test)]
mod tests;
