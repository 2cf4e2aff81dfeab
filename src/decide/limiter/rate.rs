//! The rate of requests, adapted to the answers: additive increase, multiplicative decrease, as in TCP. Knows no names.

use chrono::{DateTime, TimeDelta, Utc};

use crate::decide::token_bucket::TokenBucket;

/// The minimum rate, in requests a second.
const LEAST: f64 = 1.0;
/// Requests a second after a recovery. Each success adds one until a limit is near, which doubles the rate within a second.
const AFTER_RECOVERY: f64 = 2.0;
/// The rate, in requests a second, from which the limit ends if no limit of the provider is known.
const ENOUGH: f64 = 200.0;
/// A 429 below this rate, in requests a second, has other causes than the rate and shows no limit of the provider: slow
/// growth after it would delay a client for minutes.
const TELLING: f64 = 10.0;
/// The factor by which a 429 reduces the rate.
const DECREASE: f64 = 0.7;
/// The growth of the rate in a second close to the limit, as a share of the limit.
const INCREASE: f64 = 0.01;
/// How long a limit is remembered after its last 429, or after a recovery. The limits of clients that no longer exist end in
/// this way.
const FORGOTTEN: TimeDelta = TimeDelta::minutes(10);
/// The pause after a 429, in seconds: a provider that counts by the second refuses everything until the next second.
const PAUSE: f64 = 0.5;

/// A limited rate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rate {
    pub(super) bucket: TokenBucket,
    /// Above this value, the rate increases slowly. None if no limit of the provider is known.
    threshold: Option<f64>,
    /// Answers to requests that were sent before this instant do not change the current rate.
    since: DateTime<Utc>,
    /// Whether a request has succeeded since that instant. Before a success, a provider that counts by the minute may refuse
    /// everything, and another 429 does not show where the limit is.
    succeeded: bool,
}

impl Rate {
    /// The rate after a recovery, with the limit that was known before.
    pub(super) fn after_recovery(before: Option<&Self>, now: DateTime<Utc>) -> Self {
        let bucket = TokenBucket::holding(1.0, AFTER_RECOVERY, AFTER_RECOVERY, now);
        Self { bucket, threshold: before.and_then(|rate| rate.threshold), since: now, succeeded: true }
    }

    /// The rate after the first 429, which was received at this rate.
    pub(super) fn below(rate: f64, now: DateTime<Utc>) -> Self {
        let mut begun = Self::after_recovery(None, now);
        begun.reduce(rate, true, now);
        begun
    }

    /// Reduces the rate after a 429 to a request that was sent at this instant.
    pub(super) fn decrease(&mut self, sent_at: DateTime<Utc>, now: DateTime<Utc>) {
        if sent_at >= self.since {
            self.reduce(self.bucket.rate(), self.succeeded, now);
        }
    }

    /// Increases the rate after the success of a request that was sent at this instant.
    pub(super) fn increase(&mut self, sent_at: DateTime<Utc>, now: DateTime<Utc>) {
        if sent_at < self.since {
            return;
        }
        self.succeeded = true;
        let rate = self.bucket.rate();
        let near = self.threshold.filter(|threshold| rate >= *threshold);
        self.bucket.set_rate(rate + near.map_or(1.0, |threshold| threshold * INCREASE / rate), now);
    }

    /// Whether a limit of the provider is known.
    pub(super) fn knows_limit(&self) -> bool {
        self.threshold.is_some()
    }

    /// Whether the limit has ended.
    pub(super) fn is_over(&self, now: DateTime<Utc>) -> bool {
        now - self.since >= FORGOTTEN || self.threshold.is_none() && self.bucket.rate() >= ENOUGH
    }

    fn reduce(&mut self, rate: f64, is_telling: bool, now: DateTime<Utc>) {
        let reduced = (rate * DECREASE).max(LEAST);
        self.bucket = TokenBucket::holding(1.0 - reduced * PAUSE, reduced, reduced, now);
        if rate >= TELLING && (is_telling || self.threshold.is_none()) {
            self.threshold = Some(reduced);
        }
        (self.since, self.succeeded) = (now, false);
    }
}

/// Counts the requests of the current second and of the previous one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Meter {
    second: i64,
    count: u32,
    before: u32,
}

impl Meter {
    pub(super) fn count(&mut self, now: DateTime<Utc>) {
        self.pass_to(now);
        self.count = self.count.saturating_add(1);
    }

    pub(super) fn rate(&mut self, now: DateTime<Utc>) -> f64 {
        self.pass_to(now);
        f64::from(self.count.max(self.before))
    }

    fn pass_to(&mut self, now: DateTime<Utc>) {
        let second = now.timestamp();
        if second != self.second {
            self.before = if second == self.second + 1 { self.count } else { 0 };
            (self.second, self.count) = (second, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::at;

    /// The rate after a 429 at this rate and twenty successes, one a second.
    fn after_twenty_successes(rate: f64) -> f64 {
        let mut rate = Rate::below(rate, at(0));
        (1..=20).for_each(|second| rate.increase(at(second), at(second)));
        rate.bucket.rate()
    }

    #[test]
    fn a_429_at_a_low_rate_shows_no_limit() {
        assert!(after_twenty_successes(1.0) > 20.0);
        assert!((70.0..71.0).contains(&after_twenty_successes(100.0)));
    }
}
