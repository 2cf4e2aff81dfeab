//! The deletion of a `TokenSource` whose tokens are to be revoked: what is known of it, and when revoking is tried.
//!
//! Knows times and the last failure. Must not know which tokens there are. The tries are in memory; the deadline counts from
//! the object's own deletionTimestamp, so a restart does not extend it.

use chrono::{DateTime, TimeDelta, Utc};

use super::Failure;
use crate::oauth::Retry;

/// How long after its deletion an object goes at the latest, with or without a revocation.
const DEADLINE: TimeDelta = TimeDelta::minutes(2);
/// The pause after each try. A third failure is the last.
const PAUSES: [TimeDelta; 2] = [TimeDelta::seconds(10), TimeDelta::seconds(20)];
/// How long one try may take: three tries and the pauses between them fit before the deadline.
const TRY: TimeDelta = TimeDelta::seconds(25);

/// What is known of the deletion of a `TokenSource`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deletion {
    /// Our finalizer is on the object.
    pub finalizer: bool,
    /// When somebody deleted the object; None if nobody did.
    pub since: Option<DateTime<Utc>>,
    /// The whole namespace is being deleted.
    pub of_namespace: bool,
    /// A refresh token is stored for the object.
    pub refresh_token: bool,
    /// What has been tried.
    pub tries: RevocationTries,
}

/// The tries to revoke the tokens of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RevocationTries {
    /// When this process began to try, or to wait for the limiter.
    begun: Option<DateTime<Utc>>,
    count: usize,
    /// The last failure, and when to try again; None if nothing more is tried.
    failed: Option<(Failure, Option<DateTime<Utc>>)>,
}

/// What to do next with an object that has our finalizer and is being deleted.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// Try to revoke the tokens.
    Revoke,
    /// Wait until then.
    Wait(DateTime<Utc>),
    /// Remove the finalizer, and report why tokens were not revoked.
    Release(Option<Failure>),
}

impl Deletion {
    /// What to do, if there is something to revoke.
    pub(super) fn next(&self, now: DateTime<Utc>) -> Ending {
        let deadline = self.deadline(now);
        let waited = self.tries.begun.is_some() && now >= deadline;
        match &self.tries.failed {
            Some((failure, None)) => Ending::Release(Some(failure.clone())),
            Some((failure, _)) if waited => Ending::Release(Some(failure.clone())),
            Some((_, Some(next))) if now < *next => Ending::Wait((*next).min(deadline)),
            None if waited => Ending::Release(Some(Failure::not_revoked(
                "The provider was in trouble or busy with other requests for two minutes, so none was sent.",
            ))),
            _ => Ending::Revoke,
        }
    }

    /// When the object goes at the latest. The clocks of the API server and of this process may differ.
    pub fn deadline(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let begun = self.tries.begun.unwrap_or(now);
        self.since.map_or(begun, |since| since.min(begun)) + DEADLINE
    }

    /// How long a try that begins now may take. The first try of a process is made even after the deadline: the controller may
    /// have been down.
    pub fn allowance(&self, now: DateTime<Utc>) -> TimeDelta {
        let left = self.deadline(now) - now;
        if self.tries.count == 0 { TRY } else { TRY.min(left) }
    }
}

impl RevocationTries {
    /// A request waits for the provider's limiter.
    #[must_use]
    pub fn waiting(mut self, now: DateTime<Utc>) -> Self {
        self.begun.get_or_insert(now);
        self
    }

    /// One more try failed. A refusal is final, because the same request would be refused again.
    #[must_use]
    pub fn failed(self, failure: Failure, now: DateTime<Utc>) -> Self {
        let pause = PAUSES.get(self.count).filter(|_| !matches!(failure.retry, Retry::Terminal { .. }));
        let wanted = failure.retry_after.and_then(|wait| TimeDelta::from_std(wait).ok()).unwrap_or_default();
        let next = pause.map(|pause| now + (*pause).max(wanted));
        Self { begun: self.begun.or(Some(now)), count: self.count + 1, failed: Some((failure, next)) }
    }
}

#[cfg(test)]
mod tests;
