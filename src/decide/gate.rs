//! The way to one provider, shared by all `TokenSource`s that ask it: who may ask now, and who after whom.
//!
//! Knows that a provider in trouble is asked by one at a time, that it is asked gently when it comes back, and that
//! whose token expires soonest goes first. Must not know what a request is, nor how anybody waits. Time is an
//! argument.

mod order;
mod queue;
mod speed;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::Failure;
use crate::api::Reason;
use queue::Queue;
pub use queue::{Need, UNTOLD};
use speed::{Pace, Recent};

/// So many requests in a row must have failed, those of more than one `TokenSource` among them.
const STRIKES: u32 = 3;
/// The first pause before one request is tried; each further one doubles it.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(5);
/// The longest. What a provider asks of one requester is that one's to obey.
const LAST_PAUSE: TimeDelta = TimeDelta::seconds(60);
/// Whose turn it is may have gone for good; after so long the next one takes it.
const PATIENCE: TimeDelta = TimeDelta::seconds(3);
/// After a pause, or while one is tried, the next one looks so much later.
const SHORTLY: TimeDelta = TimeDelta::milliseconds(100);
const TRIAL: TimeDelta = TimeDelta::seconds(1);
/// At the latest everybody looks again within this, or within [`SPACING`] for each of those before them: of ten thousand
/// who wait, those whose turn is near look often, and the last ones once a minute.
const LOOK: TimeDelta = TimeDelta::seconds(2);
const SPACING: TimeDelta = TimeDelta::milliseconds(5);
/// But nobody sleeps much longer than this: what was not foreseen must not cost them their token.
const SLEEP: TimeDelta = TimeDelta::minutes(8);

/// The way to one provider.
#[derive(Debug, Default)]
pub struct Gate {
    /// Who has entered and not left, in which epoch and when.
    inside: HashMap<String, (u64, DateTime<Utc>)>,
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

/// Whether somebody may ask now.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// They may, and must leave afterwards.
    Enter,
    /// They may not yet.
    Later(Wait),
}

/// What who may not ask is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    /// Not before this instant.
    pub until: DateTime<Utc>,
    /// They have stood in line so long that somebody should be told.
    pub tell: bool,
    /// What is wrong with the provider, if anything.
    pub trouble: Option<Reason>,
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
            reason if Failure::is_trouble(reason) => Self::Badly(reason),
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
    pub fn enter(&mut self, who: &str, need: Need, places: usize, now: DateTime<Utc>) -> Entry {
        let behind = matches!(&self.state, State::Troubled { tried, .. } if tried.contains(who));
        let need = if behind { Need::Last } else { need };
        let (rank, places) = (self.queue.line_up(who, need, now), places.max(1));
        let later = match &mut self.state {
            State::Troubled { until, pause, trying, reason, .. } => {
                // Of a clock that was set back, nobody waits longer than they were to.
                *until = (*until).min(now + *pause);
                let turn = rank == 0 || now > *until + PATIENCE;
                if now >= *until && trying.is_none() && turn {
                    *trying = Some(who.to_owned());
                    None
                } else {
                    let pause = if trying.is_some() { TRIAL } else { SHORTLY };
                    Some(((*until).max(now) + pause + spaced(rank), Some(*reason)))
                }
            }
            // Of those in front anybody may take the place that is free: who is before them may be asleep.
            State::Passing { .. } => {
                let full = self.inside.len() >= places;
                let has_place = !full && rank < places * 2;
                if has_place && self.pace.as_mut().is_none_or(|pace| pace.permits(rank, now)) {
                    None
                } else {
                    let turn = match &self.pace {
                        Some(pace) => pace.turn(rank).max(spaced(rank).min(pace.turn_at_this_rate(rank))),
                        None => self.recent.turn(rank, places, full, now),
                    };
                    Some((now + turn.min(LOOK.max(spaced(rank))), None))
                }
            }
        };
        if let Some((until, trouble)) = later {
            let tell = if trouble.is_some() {
                self.queue.promise_in_trouble(who, until, now);
                false
            } else {
                self.queue.promise(who, until, now)
            };
            return Entry::Later(Wait { until, tell, trouble });
        }
        self.queue.leave(who);
        self.inside.insert(who.to_owned(), (self.epoch, now));
        self.recent.count(now);
        Entry::Enter
    }

    /// `who`, of this party, has asked, and was met so. One party alone is never evidence against a provider.
    pub fn leave(&mut self, who: &str, party: &str, met: &Met, now: DateTime<Utc>) {
        let entered = self.inside.remove(who);
        let is_news = entered.is_some_and(|(epoch, _)| epoch == self.epoch);
        if let (Some((_, since)), false) = (entered, *met == Met::NotAtAll) {
            self.recent.took(now - since);
        }
        let tried = matches!(&self.state, State::Troubled { trying: Some(trying), .. } if trying == who);
        match met {
            Met::Well if tried => {
                self.epoch += 1;
                self.state = State::default();
                self.pace = Some(Pace::gentle(now));
            }
            Met::Well => {
                if let State::Passing { .. } = self.state {
                    self.state = State::default();
                }
                // Of what was under way before, nothing is known of this pace.
                if is_news {
                    self.pace = self.pace.take().and_then(Pace::faster);
                }
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

    /// Somebody will not come any more.
    pub fn forget(&mut self, who: &str) {
        self.queue.leave(who);
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

    fn slow_down(&mut self, now: DateTime<Utc>) {
        self.epoch += 1;
        self.pace = Some(match self.pace.take() {
            Some(pace) => pace.slower(now),
            None => Pace::below(self.recent.rate(now), now),
        });
    }
}

/// How much later somebody looks for whom so many come first.
fn spaced(rank: usize) -> TimeDelta {
    (SPACING * i32::try_from(rank).unwrap_or(i32::MAX)).min(SLEEP)
}

#[cfg(test)]
mod tests;
