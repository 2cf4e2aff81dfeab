//! The circuit breaker: whether requests are sent to an endpoint at all, and when one request is tried. Knows what a failure
//! proves. Must not know which TokenSources wait, nor the content of a request.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use compact_str::CompactString;

use super::Name;
use super::last_two::LastTwo;
use crate::api::Reason;

/// The number of failed requests in a row that opens the breaker. These requests must be of at least two TokenSources, and
/// of two tenants unless only one has been seen within [`AROUND`].
const FAILURES: u32 = 3;
/// The first and the longest pause before one request is tried.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(5);
const LAST_PAUSE: TimeDelta = TimeDelta::seconds(60);
/// The number of trials that may fail between two pauses: a healthy tenant must not wait long behind others that fail for
/// their own reasons.
const ROUND: u32 = 3;
/// The maximum number of failed tenants that are remembered. The limit bounds memory if credentials are recreated again and
/// again.
const TENANTS: usize = 1024;
/// How long after its last request a tenant counts as present.
const AROUND: TimeDelta = TimeDelta::hours(1);

/// A request that failed, and what its failure proves.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) name: Name,
    /// The tenant: failures of a single tenant prove nothing about an endpoint that others use.
    pub(super) tenant: CompactString,
    /// Whether a request with the same inputs has succeeded before.
    pub(super) proven: bool,
    pub(super) sent_at: DateTime<Utc>,
    pub(super) reason: Reason,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Evidence {
    failures: u32,
    /// When the first failure was known.
    first: Option<DateTime<Utc>>,
    names: LastTwo<Name>,
    tenants: BTreeSet<CompactString>,
    /// Whether one of the failed requests was made with inputs that had succeeded before.
    proven: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Open {
    until: DateTime<Utc>,
    pause: TimeDelta,
    next_pause: TimeDelta,
    reason: Reason,
    /// The number of trial requests that have failed since the last pause.
    tried: u32,
}

/// The circuit breaker of an endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Breaker {
    /// None while the breaker is closed.
    open: Option<Open>,
    /// The failures in a row, since the last success.
    evidence: Evidence,
    /// The last two tenants that made a request.
    seen: LastTwo<CompactString>,
    /// When any request last succeeded.
    last_success: Option<DateTime<Utc>>,
}

impl Breaker {
    /// Why the breaker is open; None if it is closed.
    pub(super) fn open_reason(&self) -> Option<Reason> {
        self.open.as_ref().map(|open| open.reason)
    }

    /// When any waiter may be tried; None if the breaker is closed.
    pub(super) fn until(&self) -> Option<DateTime<Utc>> {
        self.open.as_ref().map(|open| open.until)
    }

    /// Whether a TokenSource whose inputs have succeeded before may be tried immediately: so far, only requests with inputs
    /// that have never succeeded have failed.
    pub(super) fn admits_proven(&self) -> bool {
        !self.evidence.proven
    }

    /// Whether at most one tenant has failed since the last success, so that another tenant may be tried immediately.
    pub(super) fn admits_others(&self) -> bool {
        self.evidence.tenants.len() < 2
    }

    /// Whether this tenant has failed since the last success.
    pub(super) fn has_failed(&self, tenant: &str) -> bool {
        self.evidence.tenants.contains(tenant)
    }

    /// Whether a trial request has failed since the last pause.
    pub(super) fn is_in_round(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.tried > 0)
    }

    /// Notes that this tenant makes a request.
    pub(super) fn see(&mut self, tenant: &CompactString, now: DateTime<Utc>) {
        self.seen.note(tenant.clone(), now);
    }

    /// Whether no other tenant is present.
    pub(super) fn is_alone(&self, tenant: &CompactString, now: DateTime<Utc>) -> bool {
        !self.seen.has_another(tenant, now - AROUND)
    }

    /// A request that was sent at this instant succeeded. Returns whether that closes the breaker.
    pub(super) fn succeed(&mut self, was_trial: bool, sent_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        self.last_success = Some(now);
        if self.open.is_none() {
            self.evidence = Evidence::default();
            return false;
        }
        // A request that was sent before the first failure proves nothing about the time after it.
        let closes = was_trial || self.evidence.first.is_some_and(|first| sent_at > first);
        if closes {
            (self.open, self.evidence) = (None, Evidence::default());
        }
        closes
    }

    /// Whether any request has succeeded since the last failure of a TokenSource, so that a further failure of this
    /// TokenSource has a cause of its own.
    pub(super) fn is_its_own(&self, last_failure: Option<DateTime<Utc>>) -> bool {
        last_failure.zip(self.last_success).is_some_and(|(failure, success)| success > failure)
    }

    /// Counts a request that failed for a reason of the endpoint.
    pub(super) fn fail(&mut self, failed: Failed, was_trial: bool, now: DateTime<Utc>) {
        // Neither a request that was under way when the breaker opened or closed counts, nor a request that was sent before
        // the last success, which proves nothing about the time after it.
        if self.open.is_some() != was_trial
            || self.last_success.is_some_and(|success| failed.sent_at < success)
        {
            return;
        }
        let Failed { name, tenant, proven, reason, .. } = failed;
        let evidence = &mut self.evidence;
        evidence.failures += 1;
        evidence.first.get_or_insert(now);
        evidence.names.note(name, now);
        if evidence.tenants.len() < TENANTS {
            evidence.tenants.insert(tenant.clone());
        }
        evidence.proven |= proven;
        if let Some(open) = &mut self.open {
            // A request with inputs that have never succeeded may fail for its own reason, and so may all requests of one
            // tenant: such failures do not prolong the next pause.
            let is_telling = proven && evidence.tenants.len() > 1;
            open.next_pause = if is_telling { (open.pause * 2).min(LAST_PAUSE) } else { open.pause };
            (open.tried, open.reason) = (open.tried + 1, reason);
            if open.tried >= ROUND {
                self.pause(now);
            }
            return;
        }
        let is_enough = evidence.tenants.len() > 1 || self.is_alone(&tenant, now);
        let evidence = &self.evidence;
        if evidence.failures >= FAILURES && evidence.names.are_two() && is_enough {
            self.open = Some(Open {
                until: now + FIRST_PAUSE,
                pause: FIRST_PAUSE,
                next_pause: FIRST_PAUSE,
                reason,
                tried: 0,
            });
        }
    }

    /// Starts the next pause.
    pub(super) fn pause(&mut self, now: DateTime<Utc>) {
        if let Some(open) = &mut self.open {
            open.pause = open.next_pause;
            (open.until, open.tried) = (now + open.pause, 0);
        }
    }
}
