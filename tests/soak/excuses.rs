//! The first rule: at every moment, the target has a token in the first half of its lifetime, or there is an excuse (the head of
//! `main` lists the excuses). Knows the permitted effect of each kind of fault; must not know how faults are made.

use chrono::TimeDelta;

use crate::history::{Answered, Cause, Fact, Held, History, Kind, Source, Time, Token, Trouble, clock};

/// The time from the end of all faults to the token in the target: request, answer, two writes, the watch of the test.
pub(crate) const PROMPT: TimeDelta = TimeDelta::seconds(5);
/// The time if all TokenSources of a provider need a token at the same time: after a start, and when a circuit breaker closes.
const QUEUE: TimeDelta = TimeDelta::seconds(15);
/// The minimum interval of two requests, which is also the first pause of a circuit breaker.
const PACE: TimeDelta = TimeDelta::seconds(5);
/// The interval at which a target of an earlier owner is tried again.
const CONFLICT: TimeDelta = TimeDelta::seconds(60);
/// The longest wait of a transient failure: while a token is valid, and without a valid token.
const LONGEST: [TimeDelta; 2] = [TimeDelta::seconds(30), TimeDelta::seconds(300)];
/// The wait after the third answer that may have cost a token.
const WASTEFUL: TimeDelta = TimeDelta::minutes(20);

/// The result of the rule.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Coverage {
    /// Tokens without an excuse at the time when they were due.
    pub(crate) binding: usize,
    pub(crate) tokens: usize,
    pub(crate) violations: Vec<String>,
}

pub(crate) fn check(history: &History, end: Time) -> Coverage {
    let mut all = Coverage::default();
    for (name, source) in &history.sources {
        let excuses = excuses(history, name, source);
        for gap in gaps(source, end) {
            if let Some(at) = first_uncovered(&excuses, gap.from, gap.to) {
                all.violations.push(format!(
                    "{name}: {} from {} to {}; nothing excuses that at {}",
                    gap.what,
                    clock(gap.from),
                    clock(gap.to),
                    clock(at)
                ));
            }
            all.violations.extend(untruthful(history, name, source, &gap));
        }
        for (at, fact) in &source.facts {
            let Fact::Holds(Held::Token(token)) = fact else { continue };
            all.tokens += 1;
            let overdue = due(token) + PROMPT;
            let needed = overdue + PACE < end && *at < overdue;
            let bare = first_uncovered(&excuses, overdue, overdue + PACE).is_some();
            all.binding += usize::from(needed && bare);
        }
    }
    all
}

/// A time without a token in the first half of its lifetime.
struct Gap {
    from: Time,
    to: Time,
    what: String,
    /// The expiry of the token in the target.
    expires_at: Option<Time>,
}

/// All lifetimes here are so short that a renewal is due at half of the lifetime; the jitter only makes the renewal earlier.
fn due(token: &Token) -> Time {
    token.issued_at + (token.expires_at - token.issued_at) / 2
}

fn gaps(source: &Source, end: Time) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut alive: Option<Time> = None;
    let mut held = Held::Nothing;
    let mut since = end;
    let mut close = |alive: Option<Time>, held: &Held, since: Time, to: Time| {
        let Some(born) = alive else { return };
        let (from, what, expires_at) = match held {
            Held::Nothing => (since, "no target".to_owned(), None),
            Held::Rubbish => (since, "a value in the target that no provider has issued".to_owned(), None),
            Held::Token(token) => {
                (due(token) + PROMPT, format!("{token} in the target, overdue"), Some(token.expires_at))
            }
        };
        // The watch of the test delivers new content a moment later.
        let from = from.max(since).max(born) + TimeDelta::seconds(1);
        if from < to {
            gaps.push(Gap { from, to, what, expires_at });
        }
    };
    for (at, fact) in &source.facts {
        match fact {
            Fact::Created | Fact::Deleted | Fact::Holds(_) => close(alive, &held, since, *at),
            _ => continue,
        }
        since = *at;
        match fact {
            Fact::Created => alive = Some(*at),
            Fact::Deleted => alive = None,
            Fact::Holds(now) => held = *now,
            _ => {}
        }
    }
    close(alive, &held, since, end);
    gaps
}

/// The spans of time in which a missing token is excused.
fn excuses(history: &History, name: &str, source: &Source) -> Vec<(Time, Time)> {
    let mut spans = of_troubles(history, name);
    let (mut failures, mut expires_at, mut born) = (0, None, false);
    for (at, fact) in &source.facts {
        let wait = match fact {
            Fact::Created if born => CONFLICT + QUEUE,
            Fact::Created => QUEUE,
            Fact::Cause(Cause::TargetDeleted | Cause::TargetEdited) => PACE,
            // Only the next change ends the wait.
            Fact::Asked(Answered::BadCredentials) => {
                let ends = |fact: &Fact| match fact {
                    Fact::Cause(cause) => cause.changes_inputs(),
                    fact => *fact == Fact::Deleted,
                };
                let next = source.facts.iter().find(|(later, fact)| later > at && ends(fact));
                next.map_or(WASTEFUL, |(later, _)| *later - *at + PACE)
            }
            Fact::Asked(Answered::Malformed) if failures >= 2 => WASTEFUL,
            Fact::Asked(Answered::Malformed | Answered::Unavailable | Answered::RateLimited(_)) => {
                let valid = expires_at.is_some_and(|expires_at| expires_at > *at);
                let longest = if valid { LONGEST[0] } else { LONGEST[1] };
                (TimeDelta::seconds(2) * 2_i32.pow(failures.min(10))).clamp(PACE, longest)
            }
            _ => TimeDelta::zero(),
        };
        match fact {
            Fact::Created => (born, failures) = (true, 0),
            Fact::Asked(Answered::Token(_)) => failures = 0,
            Fact::Cause(cause) if cause.changes_inputs() => failures = 0,
            Fact::Asked(_) => failures += 1,
            Fact::Holds(Held::Token(token)) => expires_at = Some(token.expires_at),
            _ => {}
        }
        if wait > TimeDelta::zero() {
            spans.push((*at, *at + wait + PROMPT));
        }
    }
    spans.sort();
    spans
}

fn of_troubles(history: &History, name: &str) -> Vec<(Time, Time)> {
    let mut spans = Vec::new();
    for trouble in history.troubles_of(name).filter(|trouble| trouble.kind != Kind::ProviderDown) {
        // All TokenSources that became due meanwhile request tokens at the same time.
        spans.push((trouble.from, trouble.to + QUEUE));
    }
    spans.extend(of_provider(history, name));
    spans
}

/// The pauses of a circuit breaker double, like a `TokenSource`'s own waits: except for the first pause, none is longer than
/// the fault has lasted before the pause. A fault that returns before the breaker closes counts as the same fault.
fn of_provider(history: &History, name: &str) -> Vec<(Time, Time)> {
    let provider = name.split('/').next().unwrap_or_default();
    let mut moments: Vec<(Time, Time)> = history
        .troubles_of(name)
        .filter(|trouble| trouble.kind == Kind::ProviderDown)
        .map(|trouble: &Trouble| (trouble.from, trouble.to))
        .collect();
    let neighbours = history.sources.iter().filter(|(other, _)| other.split('/').next() == Some(provider));
    for (_, neighbour) in neighbours {
        moments.extend(neighbour.facts.iter().filter_map(|(at, fact)| match fact {
            Fact::Asked(Answered::Unavailable) => Some((*at, *at)),
            Fact::Asked(Answered::RateLimited(wait)) => Some((*at, *at + *wait)),
            _ => None,
        }));
    }
    moments.sort();
    let mut merged: Vec<(Time, Time)> = Vec::new();
    for (from, to) in moments {
        match merged.last_mut() {
            Some(last) if from <= shut_until(*last) => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged.iter().map(|span| (span.0, shut_until(*span) + QUEUE)).collect()
}

fn shut_until((from, to): (Time, Time)) -> Time {
    to + (to - from + PACE).min(LONGEST[1])
}

/// The first instant of a span that no excuse covers.
fn first_uncovered(excuses: &[(Time, Time)], from: Time, to: Time) -> Option<Time> {
    let mut at = from;
    for (begin, end) in excuses {
        if *begin > at {
            break;
        }
        at = at.max(*end);
    }
    (at < to).then_some(at)
}

/// Ready must not be True this long after the expiry of the token in the target, if the controller was running.
fn untruthful(history: &History, name: &str, source: &Source, gap: &Gap) -> Option<String> {
    let expired = gap.expires_at?;
    let late = expired + PROMPT;
    let prevented = history
        .troubles_of(name)
        .any(|trouble| trouble.provider.is_none() && trouble.from <= late && trouble.to + PROMPT >= expired);
    let said = source.facts.iter().take_while(|(at, _)| *at <= late).filter_map(|(_, fact)| match fact {
        Fact::Ready(ready) => Some(*ready),
        _ => None,
    });
    let ready = said.last().unwrap_or(false);
    (ready && late < gap.to && !prevented).then(|| {
        format!("{name}: {} expired at {}, and Ready is True {PROMPT} later", gap.what, clock(expired))
    })
}
