//! How long a watch waits after consecutive failures, and which failure is logged.
//! Knows counts, and the watched kind, from which it makes the jitter. Must not know a clock, nor the cause of a failure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(800);
const LONGEST: Duration = Duration::from_secs(30);
/// After this many consecutive failures, readiness does not wait for the watch any more.
const LASTING: u32 = 3;

/// Failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    failures: u32,
    is_reported: bool,
}

impl Retry {
    /// Counts a failed attempt. The wait doubles up to `LONGEST`, minus up to a fifth that differs between kinds and
    /// attempts.
    pub(crate) fn next(&mut self, what: &str) -> Duration {
        let doubled = FIRST.saturating_mul(1_u32.checked_shl(self.failures.min(16)).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let mut hash = DefaultHasher::new();
        (what, self.failures).hash(&mut hash);
        let wait = doubled.min(LONGEST);
        let thousandths = u32::try_from(hash.finish() % 1000).unwrap_or_default();
        wait.saturating_sub(wait / 5000 * thousandths)
    }

    /// Whether the last counted failure has to be logged: it is the first since the last success.
    pub(crate) fn failed(&mut self) -> bool {
        !std::mem::replace(&mut self.is_reported, true)
    }

    /// Whether a reported failure is over.
    pub(crate) fn recovered(&mut self) -> bool {
        std::mem::replace(&mut self.is_reported, false)
    }

    pub(crate) fn is_lasting(&self) -> bool {
        self.failures >= LASTING
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_minute_and_begin_anew_after_a_success() {
        let mut retry = Retry::default();
        let waits: Vec<_> = (0..40).map(|_| retry.next("Secret")).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST.mul_f64(0.8));
        assert!(waits.windows(2).take(5).all(|pair| pair[1] > pair[0]), "{waits:?}");
        assert!(waits[6..].iter().all(|wait| *wait <= LONGEST && *wait >= LONGEST.mul_f64(0.8)), "{waits:?}");
        retry.reset();
        assert!(retry.next("Secret") <= FIRST);
    }

    #[test]
    fn a_failure_is_reported_once_until_it_is_over() {
        let mut retry = Retry::default();
        assert_eq!([retry.failed(), retry.failed(), retry.failed()], [true, false, false]);
        assert_eq!([retry.recovered(), retry.recovered()], [true, false]);
        assert!(retry.failed());
    }
}
