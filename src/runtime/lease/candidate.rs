//! What a candidate makes of a lease: pure steps, with the instant as an argument.
//! Knows the rules of the election; must not know how a lease is read or written.

use std::time::{Duration, Instant};

use super::{CERTAINTY, DURATION};

/// The lease as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// Whose it is; none if it has been given up.
    pub(super) holder: Option<String>,
    /// How long its holder may go without renewing it.
    pub(super) duration: Duration,
    /// Its resourceVersion: another one is a renewal, whatever the times in it say.
    pub(super) version: String,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// Make it ours, or renew it; bound to the version that was read.
    Write,
    /// It is somebody else's.
    Wait(Duration),
}

/// One process that would lead.
pub(super) struct Candidate {
    identity: String,
    /// The version of somebody else's lease, and since when we have seen it.
    seen: Option<(String, Instant)>,
    /// When the last successful write was begun, since we lead.
    renewed: Option<Instant>,
    /// Somebody else's lease was found after ours.
    overtaken: bool,
}

impl Candidate {
    pub(super) fn new(identity: String) -> Self {
        Self { identity, seen: None, renewed: None, overtaken: false }
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    /// What to do about the lease that was found.
    pub(super) fn look(&mut self, found: Option<&Found>, now: Instant) -> Step {
        let Some(found) = found else { return Step::Write };
        let foreign = found.holder.as_ref().filter(|holder| **holder != self.identity);
        if foreign.is_none() {
            return Step::Write;
        }
        if self.renewed.is_some() {
            self.overtaken = true;
        }
        let since = match &self.seen {
            Some((version, since)) if *version == found.version => *since,
            _ => now,
        };
        self.seen = Some((found.version.clone(), since));
        let left = found.duration.saturating_sub(now.duration_since(since));
        if left.is_zero() { Step::Write } else { Step::Wait(left) }
    }

    /// A write that was begun at this instant has succeeded; says whether leadership is new.
    pub(super) fn leads_since(&mut self, asked: Instant) -> bool {
        self.renewed.replace(asked).is_none()
    }

    /// Until when leadership is certain, once it has been won.
    pub(super) fn certain_until(&self) -> Option<Instant> {
        self.renewed.map(|renewed| renewed + CERTAINTY)
    }

    /// Whether somebody else leads after us.
    pub(super) fn is_overtaken(&self) -> bool {
        self.overtaken
    }
}

const _: () = assert!(CERTAINTY.as_secs() < DURATION.as_secs(), "a leader must know before others may lead");

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(holder: Option<&str>, version: &str) -> Found {
        Found { holder: holder.map(str::to_owned), duration: DURATION, version: version.to_owned() }
    }

    fn candidate() -> (Candidate, Instant) {
        (Candidate::new("me".to_owned()), Instant::now())
    }

    #[test]
    fn a_lease_that_is_nobodys_is_taken_at_once() {
        let (mut me, now) = candidate();
        assert_eq!(me.look(None, now), Step::Write);
        assert_eq!(me.look(Some(&lease(None, "1")), now), Step::Write);
        assert_eq!(me.look(Some(&lease(Some("me"), "1")), now), Step::Write, "ours is renewed");
    }

    #[test]
    fn somebody_elses_runs_out_by_our_own_clock_from_when_we_saw_it() {
        let (mut me, now) = candidate();
        assert_eq!(me.look(Some(&lease(Some("other"), "1")), now), Step::Wait(DURATION));
        assert_eq!(me.look(Some(&lease(Some("other"), "1")), now + 14 * SECOND), Step::Wait(SECOND));
        assert_eq!(me.look(Some(&lease(Some("other"), "1")), now + 15 * SECOND), Step::Write);
    }

    #[test]
    fn each_renewal_starts_the_wait_anew() {
        let (mut me, now) = candidate();
        for turn in 0..10 {
            let found = lease(Some("other"), &turn.to_string());
            assert_eq!(me.look(Some(&found), now + turn * 14 * SECOND), Step::Wait(DURATION));
        }
    }

    #[test]
    fn who_cannot_renew_has_lost_before_anybody_else_may_lead() {
        let (mut me, now) = candidate();
        assert_eq!(me.certain_until(), None, "who never led loses nothing");
        assert!(me.leads_since(now));
        assert!(!me.leads_since(now + 5 * SECOND), "a renewal is nothing new");
        assert_eq!(me.certain_until(), Some(now + 15 * SECOND));
    }

    #[test]
    fn who_finds_anothers_lease_after_having_led_has_lost() {
        let (mut me, now) = candidate();
        me.leads_since(now);
        me.look(Some(&lease(Some("other"), "9")), now + SECOND);
        assert!(me.is_overtaken());
    }
}
