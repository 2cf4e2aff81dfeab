//! Whether this process leads, where several replicas run and one of them may act.
//!
//! `runtime::lease` updates the leadership. Each request for a token or a revocation, and each write except of Events,
//! checks the leadership first, because the process may have been suspended since it won the election. Must not know how a
//! lease is won.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

/// Until when leadership is certain, by two clocks: the monotonic clock stops while a machine sleeps, and the wall clock
/// may be set.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    /// The end by the monotonic clock.
    pub elapsed: Instant,
    /// The end by the wall clock.
    pub wall: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug)]
enum Term {
    /// There is only one replica.
    Unlimited,
    /// Another process leads, or no process yet.
    None,
    Until(Until),
}

impl Term {
    fn holds(self, wall: DateTime<Utc>) -> bool {
        match self {
            Term::Unlimited => true,
            Term::None => false,
            Term::Until(until) => Instant::now() < until.elapsed && wall < until.wall,
        }
    }
}

#[derive(Debug)]
struct State {
    term: Term,
    /// The process shuts down: nothing waits for leadership any more.
    ending: bool,
}

/// Whether this process leads. Clones share one state.
#[derive(Clone, Debug)]
pub struct Leadership {
    state: Arc<watch::Sender<State>>,
    /// When this process began to lead.
    since: Arc<OnceLock<DateTime<Utc>>>,
}

impl Leadership {
    /// The leadership of a single replica, held since this instant.
    pub fn unshared(since: DateTime<Utc>) -> Self {
        Self::new(Term::Unlimited, OnceLock::from(since))
    }

    /// The leadership of one of several replicas, which has to be granted.
    pub fn contested() -> Self {
        Self::new(Term::None, OnceLock::new())
    }

    fn new(term: Term, since: OnceLock<DateTime<Utc>>) -> Self {
        Self { state: Arc::new(watch::Sender::new(State { term, ending: false })), since: Arc::new(since) }
    }

    /// The lease has been won or renewed.
    pub fn grant(&self, since: DateTime<Utc>, until: Until) {
        self.since.get_or_init(|| since);
        self.state.send_modify(|state| state.term = Term::Until(until));
    }

    /// Another process holds the lease.
    pub fn revoke(&self) {
        self.state.send_modify(|state| state.term = Term::None);
    }

    /// The process shuts down: nothing waits for leadership any more. Reconciles in flight may finish while the process
    /// leads for certain.
    pub fn end(&self) {
        self.state.send_modify(|state| state.ending = true);
    }

    /// Whether this process leads, for certain.
    pub fn holds(&self, wall: DateTime<Utc>) -> bool {
        self.state.borrow().term.holds(wall)
    }

    /// When this process began to lead.
    pub(super) fn since(&self) -> Option<DateTime<Utc>> {
        self.since.get().copied()
    }

    /// Waits until this process has led for the first time.
    pub(super) async fn wait_for_first_term(&self) {
        // There is no error: `self` keeps the sender.
        let _ = self.state.subscribe().wait_for(|state| !matches!(state.term, Term::None)).await;
    }

    /// Waits until this process leads for certain. A leader that could not renew its lease in time waits here too. Returns
    /// false if the process shuts down and does not lead.
    pub(super) async fn wait_until_leading(&self, clock: fn() -> DateTime<Utc>) -> bool {
        let mut states = self.state.subscribe();
        let Ok(state) = states.wait_for(|state| state.ending || state.term.holds(clock())).await else {
            return false;
        };
        state.term.holds(clock())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeDelta;
    use futures::FutureExt;

    use super::*;

    fn noon() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(12)
    }

    fn until(seconds: i64) -> Until {
        let now = Instant::now();
        let span = Duration::from_secs(seconds.unsigned_abs());
        let elapsed = if seconds < 0 { now.checked_sub(span).unwrap() } else { now + span };
        Until { elapsed, wall: noon() + TimeDelta::seconds(seconds) }
    }

    #[test]
    fn fenced_process_waits_and_goes_on_when_its_lease_is_renewed() {
        let leadership = Leadership::contested();
        leadership.grant(noon(), until(-1));
        assert!(!leadership.holds(noon()));
        assert_eq!(leadership.wait_until_leading(noon).now_or_never(), None, "fenced");
        leadership.wait_for_first_term().now_or_never().expect("it has led");
        leadership.grant(noon(), until(60));
        assert_eq!(leadership.wait_until_leading(noon).now_or_never(), Some(true));
    }

    #[test]
    fn process_that_ends_waits_for_no_leadership_but_keeps_the_one_it_has() {
        let leadership = Leadership::contested();
        leadership.grant(noon(), until(60));
        leadership.end();
        assert!(leadership.holds(noon()), "reconciles in flight may write");
        leadership.revoke();
        assert_eq!(leadership.wait_until_leading(noon).now_or_never(), Some(false));
    }

    #[test]
    fn leadership_is_uncertain_where_either_clock_has_passed_its_end() {
        let leadership = Leadership::contested();
        for (elapsed, wall, holds) in [(60, 60, true), (-1, 60, false), (60, -1, false)] {
            leadership.grant(noon(), Until { elapsed: until(elapsed).elapsed, wall: until(wall).wall });
            assert_eq!(leadership.holds(noon()), holds, "{elapsed} {wall}");
        }
    }
}
