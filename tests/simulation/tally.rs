//! Counters for each second. Must not know causes.

use std::ops::Range;

use crate::clock::{Instant, SECOND};

/// The counted events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// A token request arrives at the provider.
    Request,
    /// The answer is a token.
    Token,
    /// The answer is 503.
    Unavailable,
    /// The answer is 429.
    Limited,
    /// A Secret or a status is written.
    Write,
    /// The decide layer decides for a TokenSource.
    Look,
    /// A token is published that was requested with other credentials than the previous token.
    Rotated,
}

const COUNTS: usize = 7;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The length of the run in seconds; later events are not counted.
    length: usize,
    counts: [Vec<u32>; COUNTS],
    /// The change of the number of TokenSources without a valid token, for each second.
    changes: Vec<i64>,
    /// The number of TokenSources without a valid token at the end of each second.
    without: Vec<i64>,
    /// The durations without a token, in seconds.
    pub(crate) gaps: Vec<u32>,
    /// The delays of requests after a renewal was due, in seconds.
    pub(crate) lateness: Vec<u32>,
}

impl Tally {
    pub(crate) fn new(length: Instant) -> Self {
        let length = usize::try_from(length / SECOND).unwrap();
        Self {
            length,
            counts: std::array::from_fn(|_| vec![0; length]),
            changes: vec![0; length],
            without: Vec::new(),
            gaps: Vec::new(),
            lateness: Vec::new(),
        }
    }

    pub(crate) fn count(&mut self, what: Count, how_many: u32, now: Instant) {
        if let Some(slot) = self.second(now).and_then(|second| self.counts[what as usize].get_mut(second)) {
            *slot += how_many;
        }
    }

    /// Records that there is no valid token from then on, unless another token is written before.
    pub(crate) fn missing_from(&mut self, when: Instant) {
        self.change(when, 1);
    }

    /// Records that there is a valid token again, or still.
    pub(crate) fn replaced(&mut self, missing_from: Instant, now: Instant) {
        self.change(missing_from.max(now), -1);
        if now > missing_from {
            self.gaps.push(u32::try_from((now - missing_from) / SECOND).unwrap());
        }
    }

    /// Ends the counting.
    pub(crate) fn close(&mut self) {
        let mut missing = 0;
        self.without = self
            .changes
            .iter()
            .map(|change| {
                missing += change;
                missing
            })
            .collect();
        self.gaps.sort_unstable();
        self.lateness.sort_unstable();
    }

    pub(crate) fn total(&self, what: Count) -> u64 {
        self.counts[what as usize].iter().copied().map(u64::from).sum()
    }

    /// The counts for each second.
    pub(crate) fn each(&self, what: Count) -> &[u32] {
        &self.counts[what as usize]
    }

    /// The number without a valid token, for each second.
    pub(crate) fn without(&self) -> &[i64] {
        &self.without
    }

    fn second(&self, now: Instant) -> Option<usize> {
        usize::try_from(now / SECOND).ok().filter(|second| *second < self.length)
    }

    /// An event before the start of the run counts at the start.
    fn change(&mut self, when: Instant, change: i64) {
        if let Some(second) = self.second(when.max(0)) {
            self.changes[second] += change;
        }
    }
}

impl Tally {
    /// The highest mean over this number of consecutive seconds within this range.
    pub(crate) fn peak(&self, what: Count, over: usize, within: Range<usize>) -> f64 {
        let counts = &self.each(what)[within.start.min(self.length)..within.end.min(self.length)];
        let sums = counts.windows(over).map(|window| window.iter().copied().map(f64::from).sum::<f64>());
        #[allow(clippy::cast_precision_loss)] // seconds
        let over = over as f64;
        sums.fold(0.0, f64::max) / over
    }

    /// The last second in which at least this number had no valid token.
    pub(crate) fn last_without(&self, at_least: i64) -> usize {
        self.without.iter().rposition(|without| *without >= at_least).unwrap_or_default()
    }

    /// The number of these events up to each second.
    pub(crate) fn so_far(&self, what: Count) -> Vec<f64> {
        let mut sum = 0.0;
        self.each(what)
            .iter()
            .map(|count| {
                sum += f64::from(*count);
                sum
            })
            .collect()
    }
}

/// The percentile; 0 without values.
pub(crate) fn percentile(sorted: &[u32], percent: usize) -> u32 {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}
