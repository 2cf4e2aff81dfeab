//! The deletion of a `TokenSource` whose tokens must be revoked: its progress, and the times of the attempts.
//!
//! Knows times and the last failure. Must not know the tokens. The attempts are in memory; the deadline counts from the
//! object's deletionTimestamp, so that a restart does not extend it.

use chrono::{DateTime, TimeDelta, Utc};

use super::Failure;
use crate::oauth::Retry;

/// The maximum time from the request to delete the object until the controller removes its finalizer, with or without a
/// revocation. A controller that was down meanwhile still makes one attempt.
const DEADLINE: TimeDelta = TimeDelta::minutes(2);
/// The pauses after the first and the second attempt. The third attempt is the last.
const PAUSES: [TimeDelta; 2] = [TimeDelta::seconds(10), TimeDelta::seconds(20)];
/// The maximum time of one attempt: three attempts with their pauses fit before the deadline.
const TRY: TimeDelta = TimeDelta::seconds(25);

/// The progress of the deletion of a `TokenSource`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deletion {
    /// Whether the object has the controller's finalizer.
    pub finalizer: bool,
    /// The object's deletionTimestamp; None if the object is not being deleted.
    pub since: Option<DateTime<Utc>>,
    /// Whether the whole namespace is being deleted.
    pub of_namespace: bool,
    /// Whether a refresh token is stored for the object.
    pub refresh_token: bool,
    /// The attempts so far.
    pub tries: RevocationTries,
}

/// The attempts to revoke the tokens of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RevocationTries {
    /// When this process began to try or to wait for the limiter.
    begun: Option<DateTime<Utc>>,
    count: usize,
    /// The last failure, and the time of the next attempt; no time if the failure is final.
    failed: Option<(Failure, Option<DateTime<Utc>>)>,
    /// Whether everything was revoked.
    succeeded: bool,
}

/// The next step for an object with the controller's finalizer that is being deleted.
#[derive(Clone, Debug, PartialEq)]
pub enum DeletionStep {
    /// Revoke the tokens.
    Revoke,
    /// Wait until this instant.
    Wait(DateTime<Utc>),
    /// Remove the finalizer, and report why tokens were not revoked; None if there is nothing to report.
    RemoveFinalizer(Option<Failure>),
}

impl Deletion {
    /// The next step if there is a token to revoke.
    pub(super) fn next(&self, now: DateTime<Utc>) -> DeletionStep {
        let deadline = self.deadline(now);
        let waited = self.tries.begun.is_some() && now >= deadline;
        if self.tries.succeeded {
            return DeletionStep::RemoveFinalizer(None);
        }
        match &self.tries.failed {
            Some((failure, None)) => DeletionStep::RemoveFinalizer(Some(failure.clone())),
            Some((failure, _)) if waited => DeletionStep::RemoveFinalizer(Some(failure.clone())),
            Some((_, Some(next))) if now < *next => DeletionStep::Wait((*next).min(deadline)),
            None if waited => DeletionStep::RemoveFinalizer(Some(Failure::not_revoked(
                "The provider failed or was busy for two minutes, so no revocation request was sent.",
            ))),
            _ => DeletionStep::Revoke,
        }
    }

    /// When the controller removes its finalizer at the latest, counted from the deletionTimestamp or from the first
    /// attempt, whichever is earlier: the clocks of the API server and of this process may differ.
    pub fn deadline(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let begun = self.tries.begun.unwrap_or(now);
        self.since.map_or(begun, |since| since.min(begun)) + DEADLINE
    }

    /// The maximum time of an attempt that begins now. The first attempt of a process is made even after the deadline,
    /// because the controller may have been down.
    pub fn allowance(&self, now: DateTime<Utc>) -> TimeDelta {
        let left = self.deadline(now) - now;
        if self.tries.begun.is_none() { TRY } else { TRY.min(left) }
    }
}

impl RevocationTries {
    /// Records that a request waits for the provider's limiter.
    #[must_use]
    pub fn waiting(mut self, now: DateTime<Utc>) -> Self {
        self.begun.get_or_insert(now);
        self
    }

    /// Records that the provider has confirmed everything. The provider receives no further revocation request if the
    /// finalizer cannot be removed.
    #[must_use]
    pub fn succeeded(self) -> Self {
        Self { succeeded: true, ..self }
    }

    /// Records a failed attempt. A refusal is final, because the same request would be refused again.
    #[must_use]
    pub fn failed(self, failure: Failure, now: DateTime<Utc>) -> Self {
        let pause = PAUSES.get(self.count).filter(|_| !matches!(failure.retry, Retry::Terminal { .. }));
        let wanted = failure.retry_after.and_then(|wait| TimeDelta::from_std(wait).ok()).unwrap_or_default();
        let next = pause.map(|pause| now + (*pause).max(wanted));
        Self {
            begun: self.begun.or(Some(now)),
            count: self.count + 1,
            failed: Some((failure, next)),
            succeeded: false,
        }
    }
}

#[cfg(test)]
mod tests;
