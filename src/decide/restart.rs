//! When workloads must be restarted. Knows what `target.rolloutRestart` promises: one restart for each different token,
//! none for the first, and a second one for the same token only if its record was edited. Must not know how a workload is
//! restarted.

use chrono::{DateTime, Utc};

use super::{Observed, Outcome, former_target, probe};
use crate::api::{TokenSourceStatus, annotation, from_kubernetes, timestamp, to_kubernetes};

/// Whether the workloads must be restarted for the token in the target, according to `status`.
pub(super) fn is_needed(observed: &Observed<'_>, status: &TokenSourceStatus) -> bool {
    let restarted_for = status.restarted_for.as_ref().map(from_kubernetes);
    let published =
        observed.published().filter(|published| published.intact && published.expires_at > observed.now);
    !observed.spec.target.rollout_restart.is_empty()
        && restarted_for
            .is_some_and(|restarted_for| published.is_some_and(|published| published.since != restarted_for))
}

/// When the next action other than a renewal is due for the token in the target; None if no action is due. `status` is the
/// status to be recorded.
pub fn next_follow_up(observed: &Observed<'_>, status: &TokenSourceStatus) -> Option<DateTime<Utc>> {
    let needed = is_needed(observed, status) || former_target::are_removable(observed);
    let now = needed.then_some(observed.now);
    let replaced = observed.replaced_token.as_ref().map(|replaced| replaced.due);
    now.into_iter().chain(probe::next_probe(observed)).chain(replaced).min()
}

/// The name and value of the annotation that restarts a workload's pods. The value is the same for the same token, so that a
/// second attempt changes nothing.
pub fn restart_annotation(observed: &Observed<'_>) -> Option<(String, String)> {
    let name = if observed.name.len() <= 63 { observed.name } else { observed.uid };
    let published = observed.published()?;
    Some((format!("{}{name}", annotation::RESTARTED_FOR), timestamp(published.since)))
}

/// Records the token for which the workloads were restarted.
pub(super) fn record_restart(status: &mut TokenSourceStatus, observed: &Observed<'_>, outcome: &Outcome) {
    if observed.spec.target.rollout_restart.is_empty() {
        status.restarted_for = None;
        return;
    }
    let Some(published) = observed.published() else { return };
    let since = Some(to_kubernetes(published.since));
    match outcome {
        Outcome::Restarted(_) => status.restarted_for = since,
        // The workload was added in the reconcile that published a new token, so its pods have the previous token.
        Outcome::Published(_) if status.restarted_for.is_none() && observed.status.issued_at.is_some() => {
            status.restarted_for.clone_from(&observed.status.issued_at);
        }
        // A workload that starts with the first token, or is added later, is not restarted.
        _ if status.restarted_for.is_none() => status.restarted_for = since,
        _ => {}
    }
}

#[cfg(test)]
mod tests;
