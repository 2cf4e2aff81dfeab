//! Whether this process may act, where several are run and one leads.
//!
//! Fed by whoever holds the lease, asked at the moment of asking and of writing: an election alone is no fence, for a
//! process may have slept since. Must not know how a lease is won.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

/// So long leadership is certain, by two clocks: the one stands still while a machine sleeps, the other may be set.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    /// By the monotonic clock.
    pub elapsed: Instant,
    /// By the wall clock.
    pub wall: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug)]
enum Term {
    /// Nobody else is there.
    Unlimited,
    /// Somebody else leads, or nobody yet.
    None,
    Until(Until),
}

/// Whether this process leads. Clones are one.
#[derive(Clone, Debug)]
pub struct Leadership {
    term: Arc<watch::Sender<Term>>,
    /// When it was gained.
    since: Arc<OnceLock<DateTime<Utc>>>,
}

impl Leadership {
    /// Of a process that is run alone, since this instant.
    pub fn unshared(since: DateTime<Utc>) -> Self {
        Self { term: Arc::new(watch::Sender::new(Term::Unlimited)), since: Arc::new(OnceLock::from(since)) }
    }

    /// Of one of several, which does not lead until it is granted.
    pub fn contested() -> Self {
        Self { term: Arc::new(watch::Sender::new(Term::None)), since: Arc::default() }
    }

    /// The lease has been won or renewed.
    pub fn grant(&self, since: DateTime<Utc>, until: Until) {
        self.since.get_or_init(|| since);
        self.term.send_replace(Term::Until(until));
    }

    /// Whether this process leads, for certain.
    pub fn holds(&self, wall: DateTime<Utc>) -> bool {
        match *self.term.borrow() {
            Term::Unlimited => true,
            Term::None => false,
            Term::Until(until) => Instant::now() < until.elapsed && wall < until.wall,
        }
    }

    /// When this process began to lead.
    pub(super) fn since(&self) -> Option<DateTime<Utc>> {
        self.since.get().copied()
    }

    /// Waits until this process has led for the first time.
    pub(super) async fn gained(&self) {
        // An error means that the sender is gone; it lives in `self`.
        let _ = self.term.subscribe().wait_for(|term| !matches!(term, Term::None)).await;
    }
}
