//! The history of a run, in order: every token request, every content of a target, every status, and every disturbance.
//! Knows facts only; must not know which of them are right.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, TimeDelta, Utc};

pub(crate) type Time = DateTime<Utc>;

/// The whole run.
#[derive(Default)]
pub(crate) struct History {
    /// The TokenSources by `namespace/name`; the namespace is the provider's name.
    pub(crate) sources: BTreeMap<String, Source>,
    pub(crate) troubles: Vec<Trouble>,
    /// Every issued token, by its value.
    pub(crate) tokens: HashMap<String, Token>,
}

/// One `TokenSource`, including earlier objects with its name.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) facts: Vec<(Time, Fact)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fact {
    Created,
    Deleted,
    /// The provider has received a request and given this answer.
    Asked(Answered),
    /// The content of the target.
    Holds(Held),
    /// A change that requires a token or ends a wait.
    Cause(Cause),
    /// The value of Ready in the status.
    Ready(bool),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answered {
    Token(Token),
    /// 503, no answer, or an incomplete answer.
    Unavailable,
    RateLimited(TimeDelta),
    Malformed,
    /// The client's secret or the user's password was refused.
    BadCredentials,
    /// The refresh token was refused: the configured grant follows immediately.
    RefreshRefused,
}

/// A token by its number, without its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) number: u64,
    pub(crate) issued_at: Time,
    pub(crate) expires_at: Time,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Held {
    Nothing,
    /// A value that no provider has issued.
    Rubbish,
    Token(Token),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    SpecEdited,
    /// A change of a part of the spec that does not affect tokens: it only ends a wait after a failure.
    Relabelled,
    CredentialsRotated,
    TargetEdited,
    TargetDeleted,
    RenewalRequested,
}

impl Cause {
    /// Whether the next attempt has other inputs than the failed attempt.
    pub(crate) fn changes_inputs(self) -> bool {
        matches!(self, Self::SpecEdited | Self::Relabelled | Self::CredentialsRotated)
    }
}

/// A fault that affects the `TokenSource`s of one provider or of all.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) kind: Kind,
    /// The provider's name; None if all are affected.
    pub(crate) provider: Option<String>,
    pub(crate) from: Time,
    pub(crate) to: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ProviderDown,
    ControllerDead,
    ApiServerPaused,
    /// The provider has new credentials, and the Secret still has the old credentials.
    SecretBehind,
}

impl History {
    pub(crate) fn note(&mut self, source: &str, at: Time, fact: Fact) {
        self.sources.entry(source.to_owned()).or_default().facts.push((at, fact));
    }

    pub(crate) fn trouble(&mut self, kind: Kind, provider: Option<&str>, from: Time, to: Time) {
        self.troubles.push(Trouble { kind, provider: provider.map(str::to_owned), from, to });
    }

    /// Sorts the events, which several tasks have recorded.
    pub(crate) fn in_order(&mut self) {
        for source in self.sources.values_mut() {
            source.facts.sort_by_key(|(at, _)| *at);
        }
        self.troubles.sort_by_key(|trouble| trouble.from);
    }

    /// The faults that affected this `TokenSource`.
    pub(crate) fn troubles_of<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a Trouble> {
        let provider = source.split('/').next();
        self.troubles
            .iter()
            .filter(move |trouble| trouble.provider.is_none() || trouble.provider.as_deref() == provider)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "token {} ({} to {})", self.number, clock(self.issued_at), clock(self.expires_at))
    }
}

/// A time of day in the format of the controller's log.
pub(crate) fn clock(at: Time) -> String {
    at.format("%H:%M:%S%.3f").to_string()
}

/// A history that several tasks write.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<History>>);

impl Journal {
    pub(crate) fn open(&self) -> MutexGuard<'_, History> {
        self.0.lock().expect("no holder of this lock panics")
    }

    pub(crate) fn note(&self, source: &str, fact: Fact) {
        self.open().note(source, Utc::now(), fact);
    }
}
