//! The way to one provider, shared by all `TokenSource`s that ask it: who may ask now, and who after whom.
//!
//! Knows that a provider in trouble is asked by one at a time, that it is asked gently when it comes back, and that
//! whose token expires soonest goes first. Must not know what a request is, nor how anybody waits. Time is an
//! argument.

mod queue;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Failure;
use crate::api::Reason;
use queue::Queue;

/// So many requests in a row must have failed, those of more than one `TokenSource` among them.
const STRIKES: u32 = 3;
/// The first pause before one request is tried; each further one doubles it.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(5);
/// The longest, unless the provider itself asks for more.
const LAST_PAUSE: TimeDelta = TimeDelta::seconds(60);
/// Requests a second after a recovery; each success adds one, which doubles it within a second.
const FIRST_RATE: f64 = 2.0;
/// From here on nothing is held back any more.
const FULL_RATE: f64 = 200.0;
/// At least so many requests a second are expected to end, of a provider of which nothing better is known.
const SLOW_RATE: f64 = 4.0;
/// Whose turn it is may have gone for good; after so long the next one takes it.
const PATIENCE: TimeDelta = TimeDelta::seconds(3);
/// Where only a place is missing, it is free again in no time.
const SHORTLY: TimeDelta = TimeDelta::milliseconds(100);

/// The way to one provider.
#[derive(Debug, Default)]
pub struct Gate {
    in_flight: usize,
    state: State,
    /// Requests a second, while they are held back.
    pace: Option<Pace>,
    queue: Queue,
    recent: Recent,
}

#[derive(Debug)]
enum State {
    /// Requests pass. So many have failed in a row, the first of them this `TokenSource`'s, and others too or not.
    Passing { strikes: u32, first: Option<String>, several: bool },
    /// The provider is in trouble: from `until` on one request at a time is tried.
    Troubled { until: DateTime<Utc>, pauses: u32, trying: Option<String>, reason: Reason },
}

impl Default for State {
    fn default() -> Self {
        Self::Passing { strikes: 0, first: None, several: false }
    }
}

#[derive(Debug)]
struct Pace {
    rate: f64,
    /// How many requests may be made now; what is not used adds up for a second.
    allowance: f64,
    since: DateTime<Utc>,
}

/// How many requests passed within the last second or so.
#[derive(Debug, Default)]
struct Recent {
    second: i64,
    passed: u32,
    before: u32,
}

/// Whether somebody may ask now.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// They may, and must leave afterwards.
    Enter,
    /// Not before this instant; the reason is there while the provider is in trouble.
    Later(DateTime<Utc>, Option<Reason>),
}

/// How the provider met a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Met {
    /// It is there: it gave a token, or refused this very request.
    Well,
    /// It is in trouble, whoever asks.
    Badly(Reason, Option<Duration>),
    /// Nothing was sent.
    NotAtAll,
}

impl Met {
    /// What a failure says of the provider as a whole.
    pub fn of(failure: &Failure) -> Self {
        match failure.reason {
            Reason::EndpointUnreachable
            | Reason::ProviderUnavailable
            | Reason::RateLimited
            | Reason::TLSVerificationFailed
            | Reason::ProxyError => Self::Badly(failure.reason, failure.retry_after),
            Reason::DiscoveryFailed | Reason::ServiceAccountTokenFailed => Self::NotAtAll,
            _ => Self::Well,
        }
    }
}

impl Gate {
    /// Whether `who` may ask now, where at most `places` may at once. Who has a token that expires soon goes first; who
    /// has none at all counts as one whose token expires in a minute, from when they first came.
    pub fn enter(
        &mut self,
        who: &str,
        expires_at: Option<DateTime<Utc>>,
        places: usize,
        now: DateTime<Utc>,
    ) -> Entry {
        let rank = self.queue.line_up(who, expires_at, now);
        let later = match &mut self.state {
            State::Troubled { until, trying, reason, .. } => {
                let turn = rank == 0 || now > *until + PATIENCE;
                if now >= *until && trying.is_none() && turn {
                    *trying = Some(who.to_owned());
                    None
                } else {
                    Some((
                        (*until).max(now) + SHORTLY * i32::try_from(rank + 1).unwrap_or(i32::MAX),
                        Some(*reason),
                    ))
                }
            }
            State::Passing { .. } if self.in_flight >= places.max(1) => {
                let rate = self.recent.rate(now).max(SLOW_RATE);
                Some((now + SHORTLY.max(seconds((precise(rank) + 1.0) / rate)), None))
            }
            State::Passing { .. } => {
                self.pace.as_mut().and_then(|pace| pace.wait(rank, now)).map(|until| (until, None))
            }
        };
        if let Some((until, reason)) = later {
            let until = until.min(self.queue.latest(now).max(self.open_at(now)));
            self.queue.promise(who, until);
            return Entry::Later(until, reason);
        }
        self.queue.leave(who);
        self.in_flight += 1;
        self.recent.count(now);
        Entry::Enter
    }

    /// `who` has asked, and was met so.
    pub fn leave(&mut self, who: &str, met: &Met, now: DateTime<Utc>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let tried = matches!(&self.state, State::Troubled { trying: Some(trying), .. } if trying == who);
        match met {
            Met::Well if tried => {
                self.state = State::default();
                self.pace = Some(Pace { rate: FIRST_RATE, allowance: FIRST_RATE, since: now });
            }
            Met::Well => {
                if let State::Passing { .. } = self.state {
                    self.state = State::default();
                }
                self.pace = self.pace.take().and_then(Pace::faster);
            }
            Met::Badly(reason, retry_after) => {
                if *reason == Reason::RateLimited {
                    self.slow_down(now);
                }
                self.strike(who, tried, *reason, *retry_after, now);
            }
            Met::NotAtAll => {
                if let (State::Troubled { trying, .. }, true) = (&mut self.state, tried) {
                    *trying = None;
                }
            }
        }
    }

    /// How many wait before it.
    pub fn waiting(&self, now: DateTime<Utc>) -> usize {
        self.queue.waiting(now)
    }

    /// How many are under way.
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether the provider is in trouble, as far as anybody has found out.
    pub const fn is_troubled(&self) -> bool {
        matches!(self.state, State::Troubled { .. })
    }

    /// Nobody is under way, and nobody has come for an hour.
    pub fn is_idle(&self, now: DateTime<Utc>) -> bool {
        self.in_flight == 0 && self.queue.is_empty() && now.timestamp() - self.recent.second > 3600
    }

    fn strike(
        &mut self,
        who: &str,
        tried: bool,
        reason: Reason,
        retry_after: Option<Duration>,
        now: DateTime<Utc>,
    ) {
        let pauses = match &mut self.state {
            State::Passing { strikes, first, several } => {
                *strikes += 1;
                *several |= first.as_deref().is_some_and(|first| first != who);
                first.get_or_insert_with(|| who.to_owned());
                if *strikes < STRIKES || !*several {
                    return;
                }
                0
            }
            // Those who were under way when the trouble began say nothing new.
            State::Troubled { .. } if !tried => return,
            State::Troubled { pauses, .. } => pauses.saturating_add(1),
        };
        let pause = (FIRST_PAUSE * 2_i32.saturating_pow(pauses.min(16))).min(LAST_PAUSE);
        let asked = retry_after.and_then(|wait| TimeDelta::from_std(wait).ok()).unwrap_or_default();
        let until = now + pause.max(asked);
        self.state = State::Troubled { until, pauses, trying: None, reason };
    }

    /// Half of what has been too fast.
    fn slow_down(&mut self, now: DateTime<Utc>) {
        let rate = self.pace.as_ref().map_or_else(|| self.recent.rate(now), |pace| pace.rate);
        self.pace = Some(Pace { rate: (rate / 2.0).max(1.0), allowance: 0.0, since: now });
    }

    /// When one may be tried again, if the provider is in trouble.
    fn open_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        match &self.state {
            State::Troubled { until, .. } => (*until).max(now) + SHORTLY,
            State::Passing { .. } => now,
        }
    }
}

impl Pace {
    /// None where the one of this rank may pass; else when it may be its turn.
    fn wait(&mut self, rank: usize, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        #[allow(clippy::cast_precision_loss)] // milliseconds since the last look
        let elapsed = (now - self.since).num_milliseconds().max(0) as f64 / 1000.0;
        let rank = precise(rank);
        self.allowance = (self.allowance + elapsed * self.rate).min(self.rate.max(1.0));
        self.since = self.since.max(now);
        if self.allowance >= rank + 1.0 {
            self.allowance -= 1.0;
            return None;
        }
        Some(now + seconds((rank + 1.0 - self.allowance) / self.rate))
    }

    fn faster(mut self) -> Option<Self> {
        self.rate += 1.0;
        (self.rate < FULL_RATE).then_some(self)
    }
}

/// A place in a queue, as a number to divide.
fn precise(rank: usize) -> f64 {
    f64::from(u32::try_from(rank).unwrap_or(u32::MAX))
}

/// So long, a millisecond at least.
fn seconds(seconds: f64) -> TimeDelta {
    #[allow(clippy::cast_possible_truncation)] // a short wait
    TimeDelta::milliseconds(((seconds * 1000.0).ceil() as i64).max(1))
}

impl Recent {
    fn count(&mut self, now: DateTime<Utc>) {
        self.turn(now);
        self.passed = self.passed.saturating_add(1);
    }

    fn rate(&mut self, now: DateTime<Utc>) -> f64 {
        self.turn(now);
        f64::from(self.passed.max(self.before))
    }

    fn turn(&mut self, now: DateTime<Utc>) {
        let second = now.timestamp();
        if second != self.second {
            self.before = if second == self.second + 1 { self.passed } else { 0 };
            (self.second, self.passed) = (second, 0);
        }
    }
}

#[cfg(test)]
mod tests;
