//! How much of something may be done at once, and how much a second after that. Knows nothing of what is done.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

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

    /// After so long unused it is whole again.
    fn seconds_to_fill(&self) -> i64 {
        #[allow(clippy::cast_possible_truncation)] // minutes
        let seconds = (self.most / self.per_second).ceil() as i64;
        seconds
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

/// So much for each of several parties, and so much for all of them: none of them can use up what is another's.
#[derive(Debug)]
pub struct SharedAllowance {
    each: Allowance,
    all: Allowance,
    parties: HashMap<String, Allowance>,
}

impl SharedAllowance {
    /// Nothing of it is used yet.
    pub fn new(each: Allowance, all: Allowance) -> Self {
        Self { each, all, parties: HashMap::new() }
    }

    /// Takes one for this party, if there is one for it and for all.
    pub fn take(&mut self, party: &str, now: DateTime<Utc>) -> bool {
        // Whoever has been quiet long enough has a full allowance, remembered or not.
        let quiet = TimeDelta::seconds(self.each.seconds_to_fill());
        self.parties.retain(|_, allowance| allowance.since.is_some_and(|since| (now - since).abs() < quiet));
        let own = self.parties.entry(party.to_owned()).or_insert(self.each);
        own.take(now) && self.all.take(now)
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
    fn nobody_uses_up_what_is_anothers() {
        let mut shared = SharedAllowance::new(Allowance::new(5.0, 1.0), Allowance::new(12.0, 2.0));
        let mut taken = |party: &str, seconds| (0..100).filter(|_| shared.take(party, at(seconds))).count();
        assert_eq!(taken("loud", 0), 5);
        assert_eq!(taken("quiet", 0), 5);
        assert_eq!(taken("third", 0), 2, "all of them together");
        assert_eq!(taken("loud", 2), 2);
        assert_eq!(taken("loud", 60), 5);
        assert_eq!(shared.parties.len(), 1, "who is quiet is forgotten");
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut allowance = Allowance::new(1.0, 1.0);
        assert_eq!(taken(&mut allowance, 3600), 1);
        assert_eq!(taken(&mut allowance, 0), 0);
        assert_eq!(taken(&mut allowance, 1), 1);
    }
}
