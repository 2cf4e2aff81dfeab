//! Events: one for each transition that a person wants to know, none for a routine renewal.

use super::{Cause, Failure, Outcome, ProbeVerdict, Probed, notices};
use crate::api::{ConditionType, Reason, TokenSourceStatus};

/// A transition that an Event reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// Whether an operator may have to act.
    pub warning: bool,
    /// The reason of the Event.
    pub reason: Reason,
    /// The text of the Event: what happened.
    pub note: String,
}

impl Transition {
    /// A warning with the sentence of its reason.
    fn warning(reason: Reason) -> Self {
        Self { warning: true, reason, note: reason.sentence().to_owned() }
    }
}

/// The transition between two statuses; the most severe if there are several, None if there is none.
pub fn transition(
    before: &TokenSourceStatus,
    after: &TokenSourceStatus,
    outcome: &Outcome,
) -> Option<Transition> {
    expired(before, after)
        .or_else(|| withdrawn(outcome))
        .or_else(|| rejected(before, after, outcome))
        .or_else(|| failed(before, outcome))
        .or_else(|| fell_back(outcome))
        .or_else(|| former_targets_deleted(outcome))
        .or_else(|| restarted(before, after, outcome))
        .or_else(|| succeeded(before, outcome))
}

/// The Event of tokens that were not revoked.
pub fn revocation_failed(failure: &Failure) -> Transition {
    let reason = Reason::RevocationFailed;
    Transition { warning: true, reason, note: format!("{} {}", reason.sentence(), failure.message) }
}

fn expired(before: &TokenSourceStatus, after: &TokenSourceStatus) -> Option<Transition> {
    let expired = |status: &TokenSourceStatus| {
        ConditionType::Ready
            .find(&status.conditions)
            .is_some_and(|ready| ready.reason == Reason::TokenExpired.as_str())
    };
    (expired(after) && !expired(before)).then(|| Transition::warning(Reason::TokenExpired))
}

fn withdrawn(outcome: &Outcome) -> Option<Transition> {
    matches!(outcome, Outcome::Withdrawn(_)).then(|| Transition::warning(Reason::TokenWithdrawn))
}

/// The probe's first rejection of a token.
fn rejected(before: &TokenSourceStatus, after: &TokenSourceStatus, outcome: &Outcome) -> Option<Transition> {
    let news = matches!(outcome, Outcome::Probed(Probed { verdict: ProbeVerdict::Rejected, .. }))
        && is_new(Reason::ProbeRejected, before, after);
    news.then(|| Transition::warning(Reason::ProbeRejected))
}

fn former_targets_deleted(outcome: &Outcome) -> Option<Transition> {
    let Outcome::FormerTargetsDeleted(names) = outcome else { return None };
    let reason = Reason::FormerTargetDeleted;
    let note = format!("{} Deleted: {}.", reason.sentence(), names.join(", "));
    Some(Transition { warning: false, reason, note })
}

/// A restart of the workloads, reported each time; a failed restart, reported once.
fn restarted(before: &TokenSourceStatus, after: &TokenSourceStatus, outcome: &Outcome) -> Option<Transition> {
    match outcome {
        Outcome::Restarted(workloads) if !workloads.is_empty() => {
            let reason = Reason::WorkloadsRestarted;
            let note = format!("{} Restarted: {}.", reason.sentence(), workloads.join(", "));
            Some(Transition { warning: false, reason, note })
        }
        Outcome::NotRestarted(failure) if is_new(Reason::RestartFailed, before, after) => {
            Some(Transition { warning: true, reason: failure.reason, note: failure.message.clone() })
        }
        _ => None,
    }
}

/// Whether the notice is new.
fn is_new(reason: Reason, before: &TokenSourceStatus, after: &TokenSourceStatus) -> bool {
    notices::has(&after.notices, reason) && !notices::has(&before.notices, reason)
}

fn failed(before: &TokenSourceStatus, outcome: &Outcome) -> Option<Transition> {
    let (Outcome::Refused(failure) | Outcome::Failed(_, failure) | Outcome::Unwritten(_, failure)) = outcome
    else {
        return None;
    };
    let known = ConditionType::Renewed
        .find_false(&before.conditions)
        .is_some_and(|renewed| renewed.reason == failure.reason.as_str());
    (!known).then(|| Transition { warning: true, reason: failure.reason, note: failure.message.clone() })
}

/// A renewal for which the configured grant replaced the stored refresh token. The renewal is reported because that grant
/// may use a password.
fn fell_back(outcome: &Outcome) -> Option<Transition> {
    let Outcome::Published(publication) = outcome else { return None };
    publication.fell_back.then(|| Transition::warning(Reason::RefreshTokenRejected))
}

fn succeeded(before: &TokenSourceStatus, outcome: &Outcome) -> Option<Transition> {
    let Outcome::Published(publication) = outcome else { return None };
    let recovered = ConditionType::Renewed.find_false(&before.conditions).is_some();
    let routine = publication.cause == Cause::RenewalDue && !recovered;
    let reason = publication.cause.success();
    (!routine).then(|| Transition { warning: false, reason, note: reason.sentence().to_owned() })
}

#[cfg(test)]
mod tests;
