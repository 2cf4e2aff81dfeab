//! The modelled provider: it has a latency, may be down for a while, and may have a quota per second. Knows no controller.

use std::ops::Range;

use crate::clock::{Instant, MILLISECOND, SECOND};
use crate::random::Random;

/// The answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Token,
    Unavailable,
    Limited,
}

pub(crate) struct Provider {
    down: Range<Instant>,
    /// Requests a second; None without a limit. The number of one second may arrive in a burst.
    quota: Option<f64>,
    allowance: f64,
    since: Instant,
    random: Random,
}

impl Provider {
    pub(crate) fn new(down: Range<Instant>, quota: Option<f64>, seed: u64) -> Self {
        Self { down, quota, allowance: quota.unwrap_or_default(), since: 0, random: Random::new(seed) }
    }

    /// Answers a request, and returns when the answer arrives: after 50 to 150 ms.
    pub(crate) fn ask(&mut self, now: Instant) -> (Reply, Instant) {
        let answered = now + self.random.between(50 * MILLISECOND, 150 * MILLISECOND);
        let reply = if self.down.contains(&now) {
            Reply::Unavailable
        } else if self.has_room(now) {
            Reply::Token
        } else {
            Reply::Limited
        };
        (reply, answered)
    }

    fn has_room(&mut self, now: Instant) -> bool {
        let Some(quota) = self.quota else { return true };
        #[allow(clippy::cast_precision_loss)] // hours in microseconds
        let passed = (now - self.since) as f64 / SECOND as f64;
        self.allowance = (self.allowance + passed * quota).min(quota.max(1.0));
        self.since = now;
        let room = self.allowance >= 1.0;
        if room {
            self.allowance -= 1.0;
        }
        room
    }
}
