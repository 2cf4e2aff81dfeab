//! Invented histories that break the first three rules, and others that keep these rules: a rule that cannot fail shows
//! nothing. Knows the rules only from outside.

use chrono::{DateTime, TimeDelta};
use libtest_mimic::{Failed, Trial};

use crate::history::{Answered, Cause, Fact, Held, History, Kind, Time, Token};
use crate::{budget, excuses, sampler};

const NAME: &str = "plain/s000";

/// Seconds after the beginning.
fn at(seconds: f64) -> Time {
    #[allow(clippy::cast_possible_truncation)] // a few minutes
    let milliseconds = TimeDelta::milliseconds((seconds * 1000.0) as i64);
    DateTime::UNIX_EPOCH + milliseconds
}

/// The token that was issued at this second, with a lifetime of 60 s.
fn token(issued: f64) -> Token {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // as above
    Token { number: (issued * 10.0) as u64, issued_at: at(issued), expires_at: at(issued + 60.0) }
}

/// A history of one TokenSource, created at 0.
struct Tale(History);

impl Tale {
    fn new() -> Self {
        Self(History::default()).fact(0.0, Fact::Created)
    }

    fn fact(mut self, when: f64, fact: Fact) -> Self {
        self.0.note(NAME, at(when), fact);
        self
    }

    /// A token is requested, issued, stored and reported.
    fn renewed(self, when: f64) -> Self {
        self.lost(when)
            .fact(when + 0.2, Fact::Holds(Held::Token(token(when))))
            .fact(when + 0.3, Fact::Ready(true))
    }

    /// A token is requested and issued, but not stored.
    fn lost(self, when: f64) -> Self {
        self.fact(when, Fact::Asked(Answered::Token(token(when))))
    }

    fn failed(self, when: f64, answered: Answered) -> Self {
        self.fact(when, Fact::Asked(answered))
    }

    fn cause(self, when: f64, cause: Cause) -> Self {
        self.fact(when, Fact::Cause(cause))
    }

    fn trouble(mut self, kind: Kind, from: f64, to: f64) -> Self {
        self.0.trouble(kind, Some("plain"), at(from), at(to));
        self
    }

    /// The violations of the first rule until this second.
    fn uncovered(mut self, end: f64) -> Vec<String> {
        self.0.in_order();
        excuses::check(&self.0, at(end)).violations
    }

    /// The violations of the second rule.
    fn unbudgeted(mut self) -> Vec<String> {
        self.0.in_order();
        budget::check(&self.0).violations
    }
}

fn expect(what: &str, complaints: &[String], number: usize) -> Result<(), Failed> {
    if complaints.len() == number { Ok(()) } else { Err(format!("{what}: {complaints:#?}").into()) }
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("checker::overdue_tokens_need_an_excuse", overdue_tokens_need_an_excuse),
        Trial::test("checker::excuses_end", excuses_end),
        Trial::test("checker::requests_need_a_cause", requests_need_a_cause),
        Trial::test("checker::retries_wait", retries_wait),
        Trial::test("checker::memory_may_not_grow", memory_may_not_grow),
    ]
}

fn overdue_tokens_need_an_excuse() -> Result<(), Failed> {
    let renewed = Tale::new().renewed(1.0).renewed(30.0);
    expect("renewed in time", &renewed.uncovered(64.0), 0)?;
    let late = Tale::new().renewed(1.0).renewed(45.0);
    expect("renewed too late, if before its end", &late.uncovered(60.0), 1)?;
    let forgotten = Tale::new().renewed(1.0).renewed(70.0);
    // Overdue from 36 on, expired from 61, and still Ready at 66.
    expect("renewed after its end", &forgotten.uncovered(80.0), 2)?;
    let open = Tale::new().renewed(1.0).fact(61.5, Fact::Ready(false)).renewed(70.0);
    expect("renewed after its end, in the open", &open.uncovered(80.0), 1)?;
    let deleted = Tale::new().renewed(1.0).fact(34.0, Fact::Deleted);
    expect("nobody's token any more", &deleted.uncovered(300.0), 0)?;
    expect("no token at all", &Tale::new().uncovered(30.0), 1)?;
    let binding = Tale::new().renewed(1.0).renewed(30.0);
    let counted = excuses::check(&binding.0, at(60.0)).binding;
    if counted == 1 { Ok(()) } else { Err(format!("{counted} tokens had to be replaced").into()) }
}

fn excuses_end() -> Result<(), Failed> {
    // Due at 31, expired at 61.
    let old = || Tale::new().renewed(1.0).fact(61.5, Fact::Ready(false));
    let down = |from, to, end| old().trouble(Kind::ProviderDown, from, to).uncovered(end);
    // Down for 10 s: the breaker is open for 15 s more, and the queue takes 15 s.
    expect("down until 35, looked at until 64", &down(25.0, 35.0, 64.0), 0)?;
    expect("down until 35, looked at until 70", &down(25.0, 35.0, 70.0), 1)?;
    expect("down until 10: long over", &down(5.0, 10.0, 60.0), 1)?;
    expect("down from 40 on: too late for an excuse", &down(40.0, 60.0, 60.0), 1)?;
    let mut elsewhere = old();
    elsewhere.0.trouble(Kind::ProviderDown, Some("slow"), at(25.0), at(60.0));
    expect("somebody else's provider was down", &elsewhere.uncovered(60.0), 1)?;
    let refused = old().failed(31.0, Answered::BadCredentials);
    expect("refused until something changes", &refused.uncovered(90.0), 0)?;
    let mended = old().failed(31.0, Answered::BadCredentials).cause(40.0, Cause::CredentialsRotated);
    expect("mended at 40", &mended.uncovered(60.0), 1)?;
    let altered = Tale::new().renewed(1.0).cause(20.0, Cause::TargetEdited);
    let altered = altered.fact(20.1, Fact::Holds(Held::Rubbish));
    expect("altered, and left so", &altered.uncovered(40.0), 1)?;
    let limited = old().failed(31.0, Answered::RateLimited(TimeDelta::seconds(20)));
    expect("the answer required a wait until 51", &limited.uncovered(60.0), 0)
}

fn requests_need_a_cause() -> Result<(), Failed> {
    let kept = || Tale::new().renewed(1.0).renewed(30.0);
    expect("first, and due", &kept().unbudgeted(), 0)?;
    expect("not due", &kept().renewed(40.0).unbudgeted(), 1)?;
    expect("edited", &kept().cause(40.0, Cause::SpecEdited).renewed(40.1).unbudgeted(), 0)?;
    let twice = kept().cause(40.0, Cause::SpecEdited).renewed(40.1).renewed(45.5);
    expect("edited once, asked twice", &twice.unbudgeted(), 1)?;
    let stale = kept().cause(20.0, Cause::SpecEdited).renewed(40.0);
    expect("edited long before the last token", &stale.unbudgeted(), 1)?;
    expect("relabelled", &kept().cause(40.0, Cause::Relabelled).renewed(40.1).unbudgeted(), 1)?;
    let quick = kept().cause(31.0, Cause::SpecEdited).renewed(31.5);
    expect("too soon after the last one", &quick.unbudgeted(), 1)?;
    let vanished = Tale::new().lost(1.0).renewed(10.0);
    expect("never stored, for no reason", &vanished.unbudgeted(), 1)?;
    let crashed = || {
        let mut tale = Tale::new().lost(1.0).renewed(3.0);
        tale.0.trouble(Kind::ControllerDead, None, at(1.5), at(2.5));
        tale
    };
    expect("lost in a crash", &crashed().unbudgeted(), 0)?;
    expect("lost once, asked twice", &crashed().renewed(9.0).unbudgeted(), 1)?;
    let reborn = kept().fact(40.0, Fact::Deleted).fact(41.0, Fact::Created).renewed(41.5);
    expect("created again", &reborn.unbudgeted(), 0)
}

fn retries_wait() -> Result<(), Failed> {
    let down = || Tale::new().failed(1.0, Answered::Unavailable).failed(6.0, Answered::Unavailable);
    expect("5 s each", &down().failed(11.0, Answered::Unavailable).renewed(16.0).unbudgeted(), 0)?;
    let eager = (0..6).fold(Tale::new(), |tale, n| tale.failed(f64::from(n) * 5.0, Answered::Unavailable));
    // The fourth failure requires a wait of 8 s, the fifth of 15 s.
    expect("5 s for ever", &eager.unbudgeted(), 2)?;
    let told = || Tale::new().failed(1.0, Answered::RateLimited(TimeDelta::seconds(20)));
    expect("a required wait of 20 s, and a request after 8 s", &told().renewed(9.0).unbudgeted(), 1)?;
    expect("a required wait of 20 s, and a request after it", &told().renewed(21.5).unbudgeted(), 0)?;
    let refused = || Tale::new().failed(1.0, Answered::BadCredentials);
    expect("refused, asked again", &refused().renewed(60.0).unbudgeted(), 1)?;
    expect("refused, mended", &refused().cause(9.0, Cause::CredentialsRotated).renewed(9.5).unbudgeted(), 0)?;
    expect("refused, deleted", &refused().cause(9.0, Cause::TargetDeleted).renewed(9.5).unbudgeted(), 1)?;
    let fallen_back = Tale::new().failed(1.0, Answered::RefreshRefused).renewed(1.1);
    expect("the grant instead of the refresh token", &fallen_back.unbudgeted(), 0)
}

fn memory_may_not_grow() -> Result<(), Failed> {
    let flat: Vec<u64> = (0..300).map(|n| 50_000 + n % 7).collect();
    let leaking: Vec<u64> = (0..300).map(|n| 50_000 + n * 100).collect();
    let (flat, leaking) = (sampler::growth(&flat), sampler::growth(&leaking));
    let told_apart = flat.is_some_and(|growth| growth < 1.01) && leaking.is_some_and(|growth| growth > 1.3);
    let none = sampler::growth(&[]).is_none_or(f64::is_nan);
    if told_apart && none { Ok(()) } else { Err(format!("{flat:?}, {leaking:?}, none: {none}").into()) }
}
