//! A token bucket: a burst, then a constant rate. Knows nothing about what is counted.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenBucket {
    /// The capacity.
    burst: f64,
    per_second: f64,
    tokens: f64,
    since: Option<DateTime<Utc>>,
}

impl TokenBucket {
    /// A full bucket.
    pub const fn full(burst: f64, per_second: f64) -> Self {
        Self { burst, per_second, tokens: burst, since: None }
    }

    /// A bucket with this content at this instant.
    pub const fn holding(tokens: f64, burst: f64, per_second: f64, now: DateTime<Utc>) -> Self {
        Self { burst, per_second, tokens, since: Some(now) }
    }

    /// The number of tokens that are added per second.
    pub const fn rate(&self) -> f64 {
        self.per_second
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, now: DateTime<Utc>) -> bool {
        self.refill(now);
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }

    /// When a token is available.
    pub fn available_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let mut then = *self;
        then.refill(now);
        #[allow(clippy::cast_possible_truncation)]
        // at most the seconds that a bucket takes to fill, in microseconds
        let wait = ((1.0 - then.tokens).max(0.0) / self.per_second * 1_000_000.0).ceil() as i64;
        now + TimeDelta::microseconds(wait)
    }

    /// Sets the number of tokens that are added per second.
    pub fn set_rate(&mut self, per_second: f64, now: DateTime<Utc>) {
        self.refill(now);
        (self.burst, self.per_second) = (per_second.max(1.0), per_second);
        self.tokens = self.tokens.min(self.burst);
    }

    /// Whether the bucket is full, so that dropping it changes nothing.
    pub fn is_full(&self, now: DateTime<Utc>) -> bool {
        let mut then = *self;
        then.refill(now);
        then.tokens >= then.burst
    }

    fn refill(&mut self, now: DateTime<Utc>) {
        // Nothing is added or removed if the clock was set back.
        let elapsed = self.since.map_or(0.0, |since| (now - since).as_seconds_f64().max(0.0));
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.burst);
        self.since = Some(now);
    }
}

/// A bucket for each namespace and one for all, so that no namespace can use up the share of another.
#[derive(Debug)]
pub struct SharedBuckets {
    each: TokenBucket,
    all: TokenBucket,
    namespaces: HashMap<String, TokenBucket>,
}

impl SharedBuckets {
    /// Starts with these buckets, both full.
    pub fn new(each: TokenBucket, all: TokenBucket) -> Self {
        Self { each, all, namespaces: HashMap::new() }
    }

    /// Takes a token for this namespace, if there is one both for the namespace and for all.
    pub fn take(&mut self, namespace: &str, now: DateTime<Utc>) -> bool {
        self.namespaces.retain(|_, bucket| !bucket.is_full(now));
        let own = self.namespaces.entry(namespace.to_owned()).or_insert(self.each);
        own.take(now) && self.all.take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::at;

    fn taken(bucket: &mut TokenBucket, seconds: i64) -> usize {
        (0..100).filter(|_| bucket.take(at(seconds))).count()
    }

    #[test]
    fn a_burst_and_then_a_rate() {
        let mut bucket = TokenBucket::full(10.0, 2.0);
        assert_eq!(taken(&mut bucket, 0), 10);
        assert_eq!(taken(&mut bucket, 0), 0);
        assert_eq!(bucket.available_at(at(0)), at(0) + TimeDelta::milliseconds(500));
        assert_eq!(taken(&mut bucket, 3), 6);
        assert_eq!(taken(&mut bucket, 3600), 10, "no more than the burst");
    }

    #[test]
    fn no_namespace_uses_up_what_is_anothers() {
        let mut buckets = SharedBuckets::new(TokenBucket::full(5.0, 1.0), TokenBucket::full(12.0, 2.0));
        let mut taken =
            |namespace: &str, seconds| (0..100).filter(|_| buckets.take(namespace, at(seconds))).count();
        assert_eq!(taken("loud", 0), 5);
        assert_eq!(taken("quiet", 0), 5);
        assert_eq!(taken("third", 0), 2, "all of them together");
        assert_eq!(taken("loud", 2), 2);
        assert_eq!(taken("loud", 60), 5);
        assert_eq!(buckets.namespaces.len(), 1, "those whose bucket is full are forgotten");
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut bucket = TokenBucket::full(1.0, 1.0);
        assert_eq!(taken(&mut bucket, 3600), 1);
        assert_eq!(taken(&mut bucket, 0), 0);
        assert_eq!(taken(&mut bucket, 1), 1);
    }
}
