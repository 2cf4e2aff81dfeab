//! The modelled API server: a number of cores, each with one call at a time, first come first served. Knows the cost of
//! calls; must not know their callers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::clock::{Instant, MILLISECOND};

/// The time to write a Secret, measured on two slow cores (docs/growth.md).
pub(crate) const SECRET: Instant = 2 * MILLISECOND;
/// The time to write a status, measured on the same cores.
pub(crate) const STATUS: Instant = 5700;
/// The time to read the credentials: the rest of the 8 ms that a token costs in total.
pub(crate) const READ: Instant = 300;
/// The additional time for the round trip, which is assumed.
const WAY: Instant = MILLISECOND;

pub(crate) struct Plane {
    /// When each core is free.
    cores: BinaryHeap<Reverse<Instant>>,
}

impl Plane {
    pub(crate) fn new(cores: usize) -> Self {
        Self { cores: (0..cores).map(|_| Reverse(0)).collect() }
    }

    /// When a call of this cost that is made now is answered.
    pub(crate) fn call(&mut self, cost: Instant, now: Instant) -> Instant {
        let Reverse(free) = self.cores.pop().unwrap();
        let done = free.max(now) + cost;
        self.cores.push(Reverse(done));
        done + WAY
    }
}
