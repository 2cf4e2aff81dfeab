//! The way to one provider, shared by all `TokenSource`s that ask it: who may ask now, and who after whom.
//!
//! Knows that a provider in trouble is asked by one at a time, that it is asked gently when it comes back, and that
//! whose token expires soonest goes first. Must not know what a request is, nor how anybody waits. Time is an
//! argument.

mod queue;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::Failure;
use crate::api::Reason;
use queue::Queue;

/// So many requests in a row must have failed, those of more than one `TokenSource` among them.
const STRIKES: u32 = 3;
/// The first pause before one request is tried; each further one doubles it.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(5);
/// The longest. What a provider asks of one requester is that one's to obey.
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
    /// Who has entered and not left, and in which epoch.
    inside: HashMap<String, u64>,
    /// Each turn for the worse or the better begins a new one: what was under way before says nothing of it.
    epoch: u64,
    state: State,
    /// Requests a second, while they are held back.
    pace: Option<Pace>,
    queue: Queue,
    recent: Recent,
}

#[derive(Debug)]
enum State {
    /// Requests pass. So many have failed in a row, the first of them this party's, and others too or not.
    Passing { strikes: u32, first: Option<String>, several: bool },
    /// The provider is in trouble: from `until` on one request at a time is tried.
    Troubled {
        until: DateTime<Utc>,
        pause: TimeDelta,
        trying: Option<String>,
        reason: Reason,
        /// Who has tried in vain: they let the others go first.
        tried: HashSet<String>,
    },
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
    Badly(Reason),
    /// It wants fewer requests (429).
    TooFast,
    /// Nothing was sent.
    NotAtAll,
}

impl Met {
    /// What a failure says of the provider as a whole.
    pub fn of(failure: &Failure) -> Self {
        match failure.reason {
            Reason::EndpointUnreachable
            | Reason::ProviderUnavailable
            | Reason::TLSVerificationFailed
            | Reason::ProxyError => Self::Badly(failure.reason),
            Reason::RateLimited => Self::TooFast,
            Reason::DiscoveryFailed
            | Reason::IssuerMismatch
            | Reason::ServiceAccountTokenFailed
            | Reason::EndpointNotAllowed => Self::NotAtAll,
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
        let behind = matches!(&self.state, State::Troubled { tried, .. } if tried.contains(who));
        let expires_at = if behind { Some(now + TimeDelta::days(3650)) } else { expires_at };
        let rank = self.queue.line_up(who, expires_at, now);
        let later = match &mut self.state {
            State::Troubled { until, pause, trying, reason, .. } => {
                // Of a clock that was set back, nobody waits longer than they were to.
                *until = (*until).min(now + *pause);
                let turn = rank == 0 || now > *until + PATIENCE;
                if now >= *until && trying.is_none() && turn {
                    *trying = Some(who.to_owned());
                    None
                } else {
                    let step = if trying.is_some() { TimeDelta::seconds(1) } else { SHORTLY };
                    let steps = i32::try_from(rank + 1).unwrap_or(i32::MAX);
                    Some(((*until).max(now) + step * steps, Some(*reason)))
                }
            }
            State::Passing { .. } if self.inside.len() + rank >= places.max(1) => {
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
        self.inside.insert(who.to_owned(), self.epoch);
        self.recent.count(now);
        Entry::Enter
    }

    /// `who`, of this party, has asked, and was met so. One party alone is never evidence against a provider.
    pub fn leave(&mut self, who: &str, party: &str, met: &Met, now: DateTime<Utc>) {
        let entered = self.inside.remove(who);
        let is_news = entered == Some(self.epoch);
        let tried = matches!(&self.state, State::Troubled { trying: Some(trying), .. } if trying == who);
        match met {
            Met::Well if tried => {
                self.epoch += 1;
                self.state = State::default();
                self.pace = Some(Pace { rate: FIRST_RATE, allowance: FIRST_RATE, since: now });
            }
            Met::Well => {
                if let State::Passing { .. } = self.state {
                    self.state = State::default();
                }
                self.pace = self.pace.take().and_then(Pace::faster);
            }
            // Limits are mostly a client's own: they slow everybody down, and close the way to nobody.
            Met::TooFast => {
                if is_news {
                    self.slow_down(now);
                }
                self.let_go(tried);
            }
            Met::Badly(reason) if tried || is_news => self.strike(who, party, tried, *reason, now),
            Met::Badly(_) => {}
            Met::NotAtAll => self.let_go(tried),
        }
    }

    /// Who is to come at once since a place is free: the first in line, so that nobody need wait until they look again by
    /// themselves. None where it is not places that are short.
    pub fn call(&mut self, places: usize, now: DateTime<Utc>) -> Option<String> {
        let held_back = self.is_troubled() || self.pace.is_some() || self.inside.len() >= places.max(1);
        if held_back { None } else { self.queue.call(places.max(1), now) }
    }

    /// How many wait before it.
    pub fn waiting(&self, now: DateTime<Utc>) -> usize {
        self.queue.waiting(now)
    }

    /// How many are under way.
    pub fn in_flight(&self) -> usize {
        self.inside.len()
    }

    /// Whether the provider is in trouble, as far as anybody has found out.
    pub const fn is_troubled(&self) -> bool {
        matches!(self.state, State::Troubled { .. })
    }

    /// Nobody is under way, and nobody has come for an hour.
    pub fn is_idle(&mut self, now: DateTime<Utc>) -> bool {
        self.queue.drop_the_gone(now);
        self.inside.is_empty() && self.queue.is_empty() && (now.timestamp() - self.recent.second).abs() > 3600
    }

    /// The try said nothing of the provider: it is the next one's.
    fn let_go(&mut self, tried: bool) {
        if let (State::Troubled { trying, .. }, true) = (&mut self.state, tried) {
            *trying = None;
        }
    }

    fn strike(&mut self, who: &str, party: &str, was_try: bool, reason: Reason, now: DateTime<Utc>) {
        let (pause, mut tried) = match &mut self.state {
            State::Passing { strikes, first, several } => {
                *strikes += 1;
                *several |= first.as_deref().is_some_and(|first| first != party);
                first.get_or_insert_with(|| party.to_owned());
                if *strikes < STRIKES || !*several {
                    return;
                }
                (FIRST_PAUSE, HashSet::new())
            }
            State::Troubled { .. } if !was_try => return,
            State::Troubled { pause, tried, .. } => ((*pause * 2).min(LAST_PAUSE), std::mem::take(tried)),
        };
        tried.insert(who.to_owned());
        self.epoch += 1;
        self.state = State::Troubled { until: now + pause, pause, trying: None, reason, tried };
    }

    /// Half of what has been too fast.
    fn slow_down(&mut self, now: DateTime<Utc>) {
        self.epoch += 1;
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
        self.since = now;
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
