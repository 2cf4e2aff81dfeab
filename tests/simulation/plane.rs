//! The API server that is modelled: so many cores, each at one call at a time, first come first served.
//! Knows what calls cost; must not know who makes them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::clock::{Instant, MILLISECOND};

/// Writing a Secret. Measured on two slow cores, as are the others (docs/growth.md).
pub(crate) const SECRET: Instant = 2 * MILLISECOND;
/// Writing a status.
pub(crate) const STATUS: Instant = 5700;
/// Reading the credentials: what is left of the 8 ms that a token costs in all.
pub(crate) const READ: Instant = 300;
/// There and back, besides.
const WAY: Instant = MILLISECOND;

pub(crate) struct Plane {
    /// When each core is free.
    cores: BinaryHeap<Reverse<Instant>>,
}

impl Plane {
    pub(crate) fn new(cores: usize) -> Self {
        Self { cores: (0..cores).map(|_| Reverse(0)).collect() }
    }

    /// When a call of this cost is answered that is made now.
    pub(crate) fn call(&mut self, cost: Instant, now: Instant) -> Instant {
        let Reverse(free) = self.cores.pop().unwrap();
        let done = free.max(now) + cost;
        self.cores.push(Reverse(done));
        done + WAY
    }
}
