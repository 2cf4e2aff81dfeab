//! The rules of the election: pure steps, with the instant as an argument. Must not know how a lease is read or written.
//!
//! A lease that is late is taken over in two steps, the announcement and the takeover. The announcement shows that the API
//! server takes writes; from then on the holder has time to renew. Without it a candidate would take the lease as soon as an
//! outage of the API server ends, and with it the only copy of what the holder could not write during the outage.

use std::time::{Duration, Instant};

use super::CERTAINTY;

/// The lease as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// Its holder; none if it has been given up.
    pub(super) holder: Option<String>,
    /// How long its holder may go without renewing it.
    pub(super) duration: Duration,
    /// Its spec, as text: another one is a renewal, whatever the times in it say.
    pub(super) record: String,
    /// How often it has changed hands.
    pub(super) transitions: i32,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// Take or renew the lease, bound to the version that was read.
    Write,
    /// Write that this process wants the lease, bound to the version that was read; the holder stays.
    Announce,
    /// Another process holds the lease.
    Wait(Duration),
    /// Another process has held the lease since this one led.
    Lost,
}

/// What a process may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Standing {
    /// It has not led yet.
    Follower,
    /// It leads, and no other process can.
    Leader,
    /// It has led, and could not renew the lease in time: it may do nothing until the lease is renewed.
    Fenced,
}

/// Somebody else's lease.
struct Seen {
    record: String,
    /// When this record was first read.
    since: Instant,
    /// When this process succeeded in announcing that it wants the lease.
    announced: Option<Instant>,
}

/// One process of the election.
pub(super) struct Candidate {
    identity: String,
    seen: Option<Seen>,
    /// When the last successful write was begun; none before this process has led.
    renewed: Option<Instant>,
    /// How often the lease had changed hands when this process last wrote it.
    transitions: i32,
}

impl Candidate {
    pub(super) fn new(identity: String) -> Self {
        Self { identity, seen: None, renewed: None, transitions: 0 }
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    /// What to do about the lease that was found.
    pub(super) fn next(&mut self, found: Option<&Found>, now: Instant) -> Step {
        let Some(found) = found else { return Step::Write };
        if found.holder.as_ref() == Some(&self.identity) {
            return Step::Write;
        }
        // A lease cleared by hand still belongs to this process; a lease that another process took and released does not.
        let changed_hands = found.holder.is_some() || found.transitions != self.transitions;
        if self.renewed.is_some() && changed_hands {
            return Step::Lost;
        }
        if found.holder.is_none() {
            return Step::Write;
        }
        let seen = match self.seen.take() {
            Some(seen) if seen.record == found.record => seen,
            _ => Seen { record: found.record.clone(), since: now, announced: None },
        };
        let unrenewed = now.duration_since(seen.since);
        let left = match seen.announced {
            None => late_after(found.duration).saturating_sub(unrenewed),
            Some(at) => {
                let grace = grace(found.duration).saturating_sub(now.duration_since(at));
                grace.max(found.duration.saturating_sub(unrenewed))
            }
        };
        let step = match (left.is_zero(), seen.announced) {
            (false, _) => Step::Wait(left),
            (true, None) => Step::Announce,
            (true, Some(_)) => Step::Write,
        };
        self.seen = Some(seen);
        step
    }

    /// The announcement has been written.
    pub(super) fn announced(&mut self, now: Instant) {
        if let Some(seen) = &mut self.seen {
            seen.announced = Some(now);
        }
    }

    /// A write of the lease that was begun at this instant has succeeded.
    pub(super) fn wrote(&mut self, begun: Instant, transitions: i32) {
        self.seen = None;
        self.renewed = Some(begun);
        self.transitions = transitions;
    }

    pub(super) fn standing(&self, now: Instant) -> Standing {
        match self.renewed {
            None => Standing::Follower,
            Some(renewed) if now < renewed + CERTAINTY => Standing::Leader,
            Some(_) => Standing::Fenced,
        }
    }
}

/// A lease that has not been renewed for so long is late: its holder must be fenced by now, or soon.
fn late_after(duration: Duration) -> Duration {
    duration * 3 / 5
}

/// How long the holder may still renew after an announcement. It tries once a second, and a call takes at most
/// [`super::DEADLINE`].
fn grace(duration: Duration) -> Duration {
    duration * 2 / 5
}

#[cfg(test)]
mod tests;
