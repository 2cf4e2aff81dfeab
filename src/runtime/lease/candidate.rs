//! The rules of the election: pure steps, with the instant as an argument. Must not know how a lease is read or written.
//!
//! A late lease is taken in two steps, announcement and takeover. The announcement proves that the API server accepts
//! writes, and the holder then has time to renew. Without an announcement, a candidate would take the lease at the end of an
//! outage of the API server, and tokens that the former holder could not write during the outage would be lost.

use std::time::{Duration, Instant};

use super::CERTAINTY;

/// The lease as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// The holder of the lease; None if the lease was released.
    pub(super) holder: Option<String>,
    /// How long the lease is valid without a renewal by its holder.
    pub(super) duration: Duration,
    /// The spec as text. A different text is a renewal, whatever times it contains.
    pub(super) record: String,
    /// How often the lease has changed hands.
    pub(super) transitions: i32,
}

/// The next step of a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// Take or renew the lease, bound to the version that was read.
    Write,
    /// Announce that this process wants the lease, bound to the version that was read. The holder stays.
    Announce,
    /// Another process holds the lease: look again after this time.
    Wait(Duration),
    /// Another process has held the lease since this process led.
    Lost,
}

/// The state of a process in the election, for the log. `controller::leadership` decides what the process may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum CandidateState {
    /// The process has not led yet.
    Follower,
    /// The process leads, and no other process may lead.
    Leader,
    /// The process has led, but could not renew the lease in time: it may do nothing until the lease is renewed.
    Fenced,
}

/// Another process's lease.
struct Seen {
    record: String,
    /// When this record was first read.
    since: Instant,
    /// When this process announced that it wants to take the lease.
    announced: Option<Instant>,
}

/// One process of the election.
pub(super) struct Candidate {
    identity: String,
    seen: Option<Seen>,
    /// When the last successful write began; None before this process has led.
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

    /// The next step for this lease.
    pub(super) fn next(&mut self, found: Option<&Found>, now: Instant) -> Step {
        let Some(found) = found else { return Step::Write };
        if found.holder.as_ref() == Some(&self.identity) {
            return Step::Write;
        }
        // A lease that was cleared by hand still belongs to this process. A lease that another process took and released
        // does not.
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

    /// The announcement was written.
    pub(super) fn announced(&mut self, now: Instant) {
        if let Some(seen) = &mut self.seen {
            seen.announced = Some(now);
        }
    }

    /// A write that began at this instant was successful.
    pub(super) fn wrote(&mut self, begun: Instant, transitions: i32) {
        self.seen = None;
        self.renewed = Some(begun);
        self.transitions = transitions;
    }

    pub(super) fn state(&self, now: Instant) -> CandidateState {
        match self.renewed {
            None => CandidateState::Follower,
            Some(renewed) if now < renewed + CERTAINTY => CandidateState::Leader,
            Some(_) => CandidateState::Fenced,
        }
    }
}

/// A lease is late when it has not been renewed for this long: its holder is fenced already, or will be soon.
fn late_after(duration: Duration) -> Duration {
    duration * 3 / 5
}

/// How long the holder may still renew after an announcement. After a failed call, the holder tries again within a second,
/// and a call takes at most [`super::DEADLINE`].
fn grace(duration: Duration) -> Duration {
    duration * 2 / 5
}

#[cfg(test)]
mod tests;
