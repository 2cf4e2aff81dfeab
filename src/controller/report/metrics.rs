//! The counters of the controller. Labels come from fixed sets and never contain the name of an object, unlike the metrics
//! in `collectors`. Must not decide what an outcome is.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::api::Reason;
use crate::controller::error::Error;
use crate::controller::view::watch::WatchMetrics;
use crate::decide::Outcome;

/// Upper bounds in seconds, from a provider in the same network to the longest timeout in a spec.
const REQUEST_BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 120.0];
/// Upper bounds in seconds, from the precision of a timer to delays that need an operator.
const LATENESS_BUCKETS: [f64; 10] = [0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Renewal {
    result: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileError {
    reason: &'static str,
}

/// The counters.
pub struct Metrics {
    renewals: Family<Renewal, Counter>,
    errors: Family<ReconcileError, Counter>,
    loops: Counter,
    request_duration: Histogram,
    lateness: Histogram,
    dropped_lines: Counter,
    watches: WatchMetrics,
}

impl Metrics {
    /// Registers everything under `tokensource_`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            renewals: Family::default(),
            errors: Family::default(),
            loops: Counter::default(),
            request_duration: Histogram::new(REQUEST_BUCKETS),
            lateness: Histogram::new(LATENESS_BUCKETS),
            dropped_lines: Counter::default(),
            watches: WatchMetrics::default(),
        };
        // A series that appears with its first error hides that error from `increase`.
        for &reason in Error::REASONS {
            drop(metrics.errors.get_or_create(&ReconcileError { reason }));
        }
        registry.register(
            "tokensource_renewals",
            "Attempts to get a token, by result (success, failure, refused) and reason",
            metrics.renewals.clone(),
        );
        registry.register(
            "tokensource_reconcile_errors",
            "Reconciles that ended with an error, by the call that failed",
            metrics.errors.clone(),
        );
        registry.register(
            "tokensource_reconciles_put_off",
            "Reconciles put off because those before changed something again and again without progress",
            metrics.loops.clone(),
        );
        registry.register_with_unit(
            "tokensource_token_request_duration",
            "Time from sending a token request to the end of its answer",
            Unit::Seconds,
            metrics.request_duration.clone(),
        );
        registry.register_with_unit(
            "tokensource_renewal_lateness",
            "Time from the instant a renewal was due to the token's being published",
            Unit::Seconds,
            metrics.lateness.clone(),
        );
        registry.register(
            "tokensource_log_lines_dropped",
            "Log lines beyond the rate of their namespace or of all, which are written at DEBUG only",
            metrics.dropped_lines.clone(),
        );
        metrics.watches.register(registry);
        metrics
    }

    /// The counter of dropped log lines.
    pub(crate) fn dropped_lines(&self) -> Counter {
        self.dropped_lines.clone()
    }

    /// Counts an attempt to get a token. A refusal counts in each reconcile; other outcomes without a request do not count.
    pub(crate) fn count(&self, outcome: &Outcome) {
        let (result, reason) = match outcome {
            Outcome::Published(publication) => ("success", publication.cause.reason()),
            Outcome::Failed(_, failure) | Outcome::Unwritten(Some(_), failure) => ("failure", failure.reason),
            Outcome::Refused(failure) => ("refused", failure.reason),
            Outcome::Unchanged
            | Outcome::Waiting
            | Outcome::Deferred(..)
            | Outcome::Suspended
            | Outcome::Rewritten(_)
            | Outcome::Unwritten(None, _)
            | Outcome::Withdrawn(_)
            | Outcome::Probed(_)
            | Outcome::FormerTargetsDeleted(_)
            | Outcome::Restarted(_)
            | Outcome::NotRestarted(_) => return,
        };
        self.renewals.get_or_create(&Renewal { result, reason: Reason::as_str(reason) }).inc();
    }

    /// The gauges of the watches.
    pub(crate) fn watches(&self) -> &WatchMetrics {
        &self.watches
    }

    pub(crate) fn count_error(&self, reason: &'static str) {
        self.errors.get_or_create(&ReconcileError { reason }).inc();
    }

    /// Counts that the loop guard puts off the next reconcile of a `TokenSource`.
    pub(crate) fn put_off(&self) {
        self.loops.inc();
    }

    pub(crate) fn request_took(&self, duration: Duration) {
        self.request_duration.observe(duration.as_secs_f64());
    }

    pub(crate) fn published_late_by(&self, lateness: Duration) {
        self.lateness.observe(lateness.as_secs_f64());
    }
}
