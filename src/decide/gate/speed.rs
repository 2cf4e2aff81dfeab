//! How fast a provider is asked, and how fast it is expected to answer. Knows no names and no order.

use chrono::{DateTime, TimeDelta, Utc};

/// Requests a second after a recovery; each success adds one, which doubles it within a second.
const FIRST_RATE: f64 = 2.0;
/// From here on nothing is held back any more; and so many at least are told to look each second, where nothing is
/// known to be slower.
const FULL_RATE: f64 = 200.0;
/// A provider that says "too many" to fewer than this has other reasons than their number, and that tells of no limit.
const TELLING_RATE: f64 = 10.0;
/// Of a rate that has been too fast: here it grows slowly, and faster again where it turns out not to be too fast any more.
const NEAR: std::ops::Range<f64> = 0.9..1.1;
/// What is left of a rate that was right until a moment ago, and of one that has never been.
const SLOWER: f64 = 0.7;
const MUCH_SLOWER: f64 = 0.5;
/// For so long nothing is sent after a refusal: a provider that counts by the second refuses everything until the next.
const HOLD: f64 = 0.5;
/// Who waits looks somewhat before their turn, by the one measure or the other. Were they told their turn by the present
/// rate, the rate could never rise: nobody would be there for the place that is free sooner.
const AHEAD_OF_PLACES: f64 = 1.25;
const AHEAD_OF_RATE: f64 = 1.5;
/// Those in front look again after this, or after half of what a request takes, if that is shorter.
const SHORTLY: TimeDelta = TimeDelta::milliseconds(100);
const AT_ONCE: TimeDelta = TimeDelta::milliseconds(10);

/// Requests a second, while they are held back.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) rate: f64,
    /// How many requests may be made now; what is not used adds up for a second.
    pub(super) allowance: f64,
    pub(super) since: DateTime<Utc>,
    /// The rate that has been too fast, if it is known.
    limit: Option<f64>,
    /// Some request has gone well at this rate or a lower one. As long as none has, a provider that counts by the second
    /// or the minute may just be waiting for the next one, and a further refusal tells nothing of the rate.
    proved: bool,
}

impl Pace {
    /// After a recovery.
    pub(super) fn gentle(now: DateTime<Utc>) -> Self {
        Self { rate: FIRST_RATE, allowance: FIRST_RATE, since: now, limit: None, proved: true }
    }

    /// Somewhat less than what has been too fast.
    pub(super) fn below(rate: f64, now: DateTime<Utc>) -> Self {
        let limit = Some(rate).filter(|rate| *rate >= TELLING_RATE);
        Self::after_refusal(rate * SLOWER, limit, now)
    }

    /// This has been too fast, too.
    pub(super) fn slower(self, now: DateTime<Utc>) -> Self {
        if self.proved {
            Self::below(self.rate, now)
        } else {
            Self::after_refusal(self.rate * MUCH_SLOWER, self.limit, now)
        }
    }

    fn after_refusal(rate: f64, limit: Option<f64>, now: DateTime<Utc>) -> Self {
        let rate = rate.max(1.0);
        Self { rate, allowance: 1.0 - rate * HOLD, since: now, limit, proved: false }
    }

    /// Whether the one of this rank may pass; then one request less may be made.
    pub(super) fn permits(&mut self, rank: usize, now: DateTime<Utc>) -> bool {
        let elapsed = in_seconds(now - self.since);
        self.allowance = (self.allowance + elapsed * self.rate).min(self.rate.max(1.0));
        self.since = now;
        let may = self.allowance >= precise(rank) + 1.0;
        self.allowance -= if may { 1.0 } else { 0.0 };
        may
    }

    /// After what time it may be the turn of this rank. While all goes well each request adds one to the rate, which
    /// therefore grows by its own measure each second.
    pub(super) fn turn(&self, rank: usize) -> TimeDelta {
        seconds((1.0 - self.allowance) / self.rate + (precise(rank) / self.rate).ln_1p())
    }

    /// The same if the rate stays as it is. Nobody needs to look sooner, and nobody should look later.
    pub(super) fn turn_at_this_rate(&self, rank: usize) -> TimeDelta {
        seconds(precise(rank) / self.rate / AHEAD_OF_RATE)
    }

    /// One has gone well; none where nothing is held back any more. Near a limit the rate grows by a hundredth of that in
    /// a second, so that few requests find out where it is now.
    pub(super) fn faster(mut self) -> Option<Self> {
        self.proved = true;
        let near = self.limit.filter(|limit| NEAR.contains(&(self.rate / limit)));
        self.rate += near.map_or(1.0, |limit| limit / 100.0 / self.rate);
        let enough = self.limit.map_or(FULL_RATE, |limit| limit * 2.0);
        (self.rate < enough).then_some(self)
    }
}

/// How many requests passed within the last second or so, and how long they take.
#[derive(Debug, Default)]
pub(super) struct Recent {
    pub(super) second: i64,
    passed: u32,
    before: u32,
    /// In seconds, the last ones counting most; none before the first has ended.
    stay: Option<f64>,
}

impl Recent {
    pub(super) fn count(&mut self, now: DateTime<Utc>) {
        self.pass_to(now);
        self.passed = self.passed.saturating_add(1);
    }

    /// One has ended that took so long.
    pub(super) fn took(&mut self, stay: TimeDelta) {
        let stay = in_seconds(stay);
        self.stay = Some(self.stay.map_or(stay, |before| before + (stay - before) / 8.0));
    }

    pub(super) fn rate(&mut self, now: DateTime<Utc>) -> f64 {
        self.pass_to(now);
        f64::from(self.passed.max(self.before))
    }

    /// After what time there may be a place for somebody of this rank, where so many may be inside, and whether they are.
    /// Where places are free, it is something else that makes it slow.
    pub(super) fn turn(&mut self, rank: usize, places: usize, full: bool, now: DateTime<Utc>) -> TimeDelta {
        let by_rate = (self.rate(now) * AHEAD_OF_RATE).max(FULL_RATE);
        let stay = self.stay.unwrap_or(0.0).max(0.001);
        let by_places = self.stay.map_or(by_rate, |_| precise(places) * AHEAD_OF_PLACES / stay);
        let soonest = self.stay.map_or(SHORTLY, |_| seconds(stay / 2.0).clamp(AT_ONCE, SHORTLY));
        let rate = if full { by_places } else { by_rate.min(by_places) };
        seconds((precise(rank) + 1.0) / rate).max(soonest)
    }

    fn pass_to(&mut self, now: DateTime<Utc>) {
        let second = now.timestamp();
        if second != self.second {
            self.before = if second == self.second + 1 { self.passed } else { 0 };
            (self.second, self.passed) = (second, 0);
        }
    }
}

/// A place in a queue, as a number to divide.
fn precise(rank: usize) -> f64 {
    f64::from(u32::try_from(rank).unwrap_or(u32::MAX))
}

/// So long, a millisecond at least and a year at most.
fn seconds(seconds: f64) -> TimeDelta {
    #[allow(clippy::cast_possible_truncation)] // a year in milliseconds
    TimeDelta::milliseconds((seconds.min(31_536_000.0) * 1000.0).ceil().max(1.0) as i64)
}

/// What has passed, in seconds. Microseconds, for looks may come more often than each millisecond: cut to those, each
/// would find that no time had passed, and no allowance would ever grow.
fn in_seconds(passed: TimeDelta) -> f64 {
    #[allow(clippy::cast_precision_loss)] // since the last look
    let microseconds = passed.num_microseconds().unwrap_or(i64::MAX).max(0) as f64;
    microseconds / 1_000_000.0
}
