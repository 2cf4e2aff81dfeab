//! Log lines about single `TokenSource`s: at most one line for each outcome, with the fields of docs/logs.md.
//!
//! Users control how many TokenSources there are and how often they fail, so each namespace has a rate limit. A line beyond
//! the limit is written at DEBUG and counted. Must not decide what follows from a failure.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use prometheus_client::metrics::counter::Counter;

use crate::api::{Reason, TokenSourceStatus, from_kubernetes, timestamp};
use crate::controller::error::{Error, chain};
use crate::controller::view::name::NamespacedName;
use crate::decide::{Failure, Observed, Outcome, SharedBuckets, TokenBucket, provider_host};

/// How many lines may be written in a burst, and how many a second after that: for each namespace, and for all.
const OF_A_NAMESPACE: TokenBucket = TokenBucket::full(100.0, 10.0);
const OF_ALL: TokenBucket = TokenBucket::full(1000.0, 100.0);

/// Writes the lines.
pub(crate) struct Log {
    rate: Mutex<SharedBuckets>,
    dropped: Counter,
}

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Warn,
    Info,
    Debug,
}

/// The fields of a line. Unknown fields are left out.
#[derive(Default)]
struct Line {
    reason: Option<&'static str>,
    detail: Option<String>,
    host: Option<String>,
    failures: Option<i32>,
    expires_at: Option<String>,
    next_attempt: Option<String>,
}

impl Log {
    /// `dropped` counts the lines beyond the rate.
    pub(crate) fn new(dropped: Counter) -> Self {
        Self { rate: Mutex::new(SharedBuckets::new(OF_A_NAMESPACE, OF_ALL)), dropped }
    }

    /// Logs the outcome of a plan. A refusal is repeated by each reconcile, and is logged at INFO only if the status
    /// changes.
    pub(crate) fn outcome(
        &self,
        named: &NamespacedName,
        observed: &Observed<'_>,
        outcome: &Outcome,
        status: &TokenSourceStatus,
    ) {
        let next_attempt = status.renew_at.as_ref().map(from_kubernetes);
        let line =
            Line { host: host(observed), next_attempt: next_attempt.map(timestamp), ..Line::default() };
        let (level, text, line) = match outcome {
            Outcome::Published(publication) => {
                let expires_at = Some(timestamp(publication.published.expires_at));
                (
                    Level::Info,
                    "Token published",
                    Line { expires_at, ..line.of(publication.cause.reason().as_str()) },
                )
            }
            Outcome::Failed(_, failure) => {
                let retry_at = status.retry_at.as_ref().map(from_kubernetes).map(timestamp);
                let line = Line { failures: Some(status.failures), next_attempt: retry_at, ..line };
                (Level::Warn, "No new token", line.explained(failure))
            }
            Outcome::Refused(failure) => {
                let level = if status == observed.status { Level::Debug } else { Level::Info };
                // Something in the cluster has to change first.
                let line = Line { next_attempt: None, ..line };
                (level, "No token requested", line.explained(failure))
            }
            Outcome::FormerTargetsDeleted(secrets) => {
                let detail = Some(format!("Secret {}", secrets.join(", ")));
                (Level::Info, "Former target deleted", Line { detail, ..Line::default() })
            }
            Outcome::Restarted(workloads) if !workloads.is_empty() => {
                let detail = Some(workloads.join(", "));
                (Level::Info, "Workloads restarted", Line { detail, ..Line::default() })
            }
            Outcome::NotRestarted(failure) => {
                (Level::Warn, "Workloads not restarted", Line::default().explained(failure))
            }
            Outcome::Withdrawn(_) => (Level::Warn, "Token withdrawn", line),
            Outcome::Probed(probed) => {
                let detail = Some(format!("{:?}", probed.verdict));
                (Level::Debug, "Token probed", Line { detail, ..Line::default() })
            }
            Outcome::Deferred(_) => {
                (Level::Debug, "Waits for its provider", Line { next_attempt: None, ..line })
            }
            // The error of the write is logged when the reconcile ends.
            Outcome::Unwritten(..) => return,
            Outcome::Unchanged
            | Outcome::Waiting
            | Outcome::Suspended
            | Outcome::Rewritten(_)
            // None of the named workloads exists.
            | Outcome::Restarted(_) => {
                (Level::Debug, "Nothing to do", Line::default())
            }
        };
        self.write(named, level, text, &line, observed.now);
    }

    /// Logs the error of a reconcile, which is tried again `after` this time.
    pub(crate) fn failed(&self, named: &NamespacedName, error: &Error, after: Duration, now: DateTime<Utc>) {
        let after = TimeDelta::from_std(after).unwrap_or_default();
        let line = Line {
            detail: Some(chain(error)),
            next_attempt: Some(timestamp(now + after)),
            ..Line::default().of(error.reason())
        };
        self.write(named, Level::Warn, "Reconcile failed", &line, now);
    }

    /// Logs that tokens were revoked.
    pub(crate) fn revoked(&self, named: &NamespacedName, now: DateTime<Utc>) {
        self.write(named, Level::Info, "Tokens revoked", &Line::default(), now);
    }

    /// Logs that tokens were not revoked.
    pub(crate) fn not_revoked(&self, named: &NamespacedName, failure: &Failure, now: DateTime<Utc>) {
        let detail = Some(failure.message.clone());
        let line = Line { detail, ..Line::default().of(Reason::RevocationFailed.as_str()) };
        self.write(named, Level::Warn, "Tokens not revoked", &line, now);
    }

    fn write(&self, named: &NamespacedName, level: Level, text: &str, line: &Line, now: DateTime<Utc>) {
        let (namespace, name) = named;
        let Line { reason, detail, host, failures, expires_at, next_attempt } = line;
        let (detail, host) = (detail.as_deref(), host.as_deref());
        let (expires_at, next_attempt) = (expires_at.as_deref(), next_attempt.as_deref());
        macro_rules! write_at {
            ($level:ident) => {
                tracing::$level!(
                    %namespace, %name, reason, host, detail, failures, expires_at, next_attempt, "{text}"
                )
            };
        }
        match level {
            Level::Debug => write_at!(debug),
            _ if !self.takes(namespace, now) => {
                self.dropped.inc();
                write_at!(debug);
            }
            Level::Info => write_at!(info),
            Level::Warn => write_at!(warn),
        }
    }

    fn takes(&self, namespace: &str, now: DateTime<Utc>) -> bool {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner).take(namespace, now)
    }
}

impl Line {
    fn of(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    fn explained(self, failure: &Failure) -> Self {
        Self { detail: Some(failure.message.clone()), ..self.of(failure.reason.as_str()) }
    }
}

/// The provider's host, if its URL can be parsed.
pub(super) fn host(observed: &Observed<'_>) -> Option<String> {
    provider_host(observed.provider.as_ref().ok()?)
}

#[cfg(test)]
mod tests;
