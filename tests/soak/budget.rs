//! The second rule: every token request has a cause, and none is too early (the head of `main` lists the causes). Knows
//! the causes of requests; must not know whether a token was needed.

use std::collections::HashSet;

use chrono::TimeDelta;

use crate::history::{Answered, Cause, Fact, Held, History, Kind, Source, Time, Token, clock};

/// The minimum interval of two requests for one `TokenSource`, 5 s, less a second, because times in status and annotations
/// are whole seconds.
const PACE: TimeDelta = TimeDelta::seconds(4);
/// The time until the controller knows of a change: a request in this time may have another cause.
const UNTIL_KNOWN: TimeDelta = TimeDelta::seconds(3);
/// The tolerance of a due time: the time of issue is cut to a whole second, half of the lifetime and the jitter are rounded, and a
/// request takes time to reach the provider.
const DUE_ROUNDING: TimeDelta = TimeDelta::milliseconds(2500);
/// The tolerance of an interval, for whole seconds and the time of a request to the provider.
const ROUNDING: TimeDelta = TimeDelta::milliseconds(1500);

/// The result of the rule.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Spending {
    pub(crate) requests: usize,
    pub(crate) due: usize,
    pub(crate) retries: usize,
    pub(crate) caused: usize,
    pub(crate) lost: usize,
    pub(crate) violations: Vec<String>,
}

pub(crate) fn check(history: &History) -> Spending {
    let mut spending = Spending::default();
    for (name, source) in &history.sources {
        Account { history, name, source, before: None, failures: 0, credits: Vec::new(), alive: false }
            .settle(&mut spending);
    }
    spending
}

/// The requests of one `TokenSource` and their causes.
struct Account<'a> {
    history: &'a History,
    name: &'a str,
    source: &'a Source,
    before: Option<(Time, Answered)>,
    /// Failures in a row that the provider has seen, with unchanged inputs.
    failures: u32,
    /// The changes that may cause the next request: those since the last request, and those of a few seconds before it.
    credits: Vec<(Time, Cause)>,
    alive: bool,
}

impl Account<'_> {
    fn settle(mut self, spending: &mut Spending) {
        let stored: HashSet<u64> = self.source.facts.iter().filter_map(|(_, fact)| stored(fact)).collect();
        for (at, fact) in &self.source.facts {
            match fact {
                Fact::Created => {
                    (self.before, self.failures, self.alive) = (None, 0, true);
                    self.credits.clear();
                }
                Fact::Deleted => self.alive = false,
                Fact::Cause(cause) => {
                    self.credits.push((*at, *cause));
                    if cause.changes_inputs() {
                        self.failures = 0;
                    }
                }
                // A request in flight is not cancelled when its TokenSource is deleted.
                Fact::Asked(answered) if self.alive => {
                    spending.requests += 1;
                    match self.justify(*at, &stored, spending) {
                        Ok(true) => drop(self.credits.remove(0)),
                        Ok(false) => {}
                        Err(why) => {
                            spending.violations.push(format!(
                                "{}: asked at {}: {why}",
                                self.name,
                                clock(*at)
                            ));
                        }
                    }
                    self.book(*at, *answered);
                }
                Fact::Asked(_) | Fact::Holds(_) | Fact::Ready(_) => {}
            }
        }
    }

    fn book(&mut self, at: Time, answered: Answered) {
        if self.before.is_some_and(|(then, _)| self.trouble(Kind::ControllerDead, then, at)) {
            // The last failure may not have been recorded.
            self.failures = self.failures.saturating_sub(1);
        }
        match answered {
            Answered::Token(_) => self.failures = 0,
            _ => self.failures += 1,
        }
        self.credits.retain(|(done, _)| *done > at - UNTIL_KNOWN);
        self.before = Some((at, answered));
    }

    /// Whether the request needs a change as its cause; an error if it has no cause.
    fn justify(&self, at: Time, stored: &HashSet<u64>, spending: &mut Spending) -> Result<bool, String> {
        let Some((then, answered)) = self.before else {
            spending.caused += 1;
            return Ok(false); // the first request
        };
        let since = at - then;
        if answered == Answered::RefreshRefused && since < PACE {
            spending.retries += 1;
            return Ok(false); // the configured grant follows immediately
        }
        let died = self.trouble(Kind::ControllerDead, then, at);
        if since < PACE && !died {
            return Err(format!("{since} after the request before it"));
        }
        let failed = !matches!(answered, Answered::Token(_));
        let speaks = |cause: &Cause| match cause {
            Cause::RenewalRequested => true,
            Cause::Relabelled => failed,
            // After a failure, a cause ends the wait only if it changes the inputs.
            cause => !failed || cause.changes_inputs(),
        };
        let by_itself = match answered {
            Answered::Token(token) if stored.contains(&token.number) => {
                due(token, at).map(|()| &mut spending.due)
            }
            Answered::Token(token) => {
                let lost = died || self.trouble(Kind::ProviderDown, then, at);
                let why = || format!("{token} was never stored, and nothing has lost it");
                lost.then_some(&mut spending.lost).ok_or_else(why)
            }
            _ => self.waited(answered, since, died).map(|()| &mut spending.retries),
        };
        match by_itself {
            Ok(count) => *count += 1,
            Err(_) if self.credits.iter().any(|(_, cause)| speaks(cause)) => {
                spending.caused += 1;
                return Ok(true);
            }
            Err(why) => return Err(why),
        }
        Ok(false)
    }

    fn waited(&self, answered: Answered, since: TimeDelta, died: bool) -> Result<(), String> {
        let wait = self.wait(answered)?;
        let enough = since + ROUNDING >= wait || died;
        let why = || {
            format!("{since} after failure {} in a row ({answered:?}), which requires {wait}", self.failures)
        };
        enough.then_some(()).ok_or_else(why)
    }

    /// The minimum wait after the last failure.
    fn wait(&self, answered: Answered) -> Result<TimeDelta, String> {
        let half = 2_i32.pow(self.failures.saturating_sub(1).min(4)).min(15);
        let exponential = TimeDelta::seconds(half.into()).max(PACE);
        match answered {
            Answered::BadCredentials => {
                Err("the credentials were refused, and nothing has changed since".into())
            }
            Answered::RateLimited(asked) => Ok(exponential.max(asked)),
            Answered::Malformed if self.failures >= 3 => Ok(TimeDelta::minutes(20)),
            _ => Ok(exponential),
        }
    }

    fn trouble(&self, kind: Kind, from: Time, to: Time) -> bool {
        self.history
            .troubles_of(self.name)
            .any(|trouble| trouble.kind == kind && trouble.from <= to && trouble.to >= from)
    }
}

fn stored(fact: &Fact) -> Option<u64> {
    match fact {
        Fact::Holds(Held::Token(token)) => Some(token.number),
        _ => None,
    }
}

/// Checks that half of the lifetime, less a tenth of that, is over.
fn due(token: Token, at: Time) -> Result<(), String> {
    let earliest = token.issued_at + (token.expires_at - token.issued_at) * 9 / 20 - DUE_ROUNDING;
    if at >= earliest {
        Ok(())
    } else {
        Err(format!("{token} was stored, and not due before {}", clock(earliest)))
    }
}
