//! How much of something may be done at once, and how much a second after that. Knows nothing of what is done.

use chrono::{DateTime, Utc};

/// So many at once, and so many a second from then on.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    most: f64,
    per_second: f64,
    left: f64,
    since: Option<DateTime<Utc>>,
}

impl Allowance {
    /// Nothing of it is used yet.
    pub const fn new(most: f64, per_second: f64) -> Self {
        Self { most, per_second, left: most, since: None }
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: DateTime<Utc>) -> bool {
        // Of a clock that was set back, nothing is gained, and nothing lost.
        let elapsed = self.since.map_or(0.0, |since| (now - since).as_seconds_f64().max(0.0));
        self.left = (self.left + elapsed * self.per_second).min(self.most);
        self.since = Some(now);
        let granted = self.left >= 1.0;
        if granted {
            self.left -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::at;

    fn taken(allowance: &mut Allowance, seconds: i64) -> usize {
        (0..100).filter(|_| allowance.take(at(seconds))).count()
    }

    #[test]
    fn a_burst_and_then_a_rate() {
        let mut allowance = Allowance::new(10.0, 2.0);
        assert_eq!(taken(&mut allowance, 0), 10);
        assert_eq!(taken(&mut allowance, 0), 0);
        assert_eq!(taken(&mut allowance, 3), 6);
        assert_eq!(taken(&mut allowance, 3600), 10, "what is not used does not add up for ever");
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut allowance = Allowance::new(1.0, 1.0);
        assert_eq!(taken(&mut allowance, 3600), 1);
        assert_eq!(taken(&mut allowance, 0), 0);
        assert_eq!(taken(&mut allowance, 1), 1);
    }
}
