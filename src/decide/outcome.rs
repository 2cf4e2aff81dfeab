//! The result of a plan. Together with the observation, it determines the status and the Events.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Cause, Failure, Probed, Published, Target};
use crate::oauth::Notice;

/// The result of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The target needs no change.
    Unchanged,
    /// A token is needed, but it is too early for the request, only a change helps, or a call to the API server failed.
    Waiting,
    /// A token is needed, and the request waits for the limiter of its provider.
    Deferred(Deferral),
    /// The spec suspends renewal.
    Suspended,
    /// No request was sent, for a reason in the cluster.
    Refused(Failure),
    /// The request failed: the instant at which the failure was known, and why.
    Failed(DateTime<Utc>, Failure),
    /// The target or the Secret of the refresh token could not be written. The instant is that of the request for the token,
    /// which is kept in memory; None if the target keeps its token, and only its metadata could not be written.
    Unwritten(Option<DateTime<Utc>>, Failure),
    /// The target holds the token that was requested: the token was written, or the provider returned the token that the
    /// target already held.
    Published(Publication),
    /// The target was written again with new metadata and the same token.
    Rewritten(Published),
    /// The token was removed from the target and from the Secrets of its former names. Holds the new state of the target.
    Withdrawn(Target),
    /// The token was sent to the probe.
    Probed(Probed),
    /// Secrets of former names of the target were deleted: their names.
    FormerTargetsDeleted(Vec<String>),
    /// The workloads with an older token were restarted: their kinds and names, for a person.
    Restarted(Vec<String>),
    /// Workloads could not be restarted.
    NotRestarted(Failure),
}

impl Outcome {
    /// Whether the outcome belongs to a token request or to the write of its token. Until the status or the target is
    /// written, only this process knows such an outcome.
    pub fn reports_request(&self) -> bool {
        matches!(self, Self::Failed(..) | Self::Unwritten(Some(_), _) | Self::Published(_))
    }
}

/// A wait for a limiter. The limiter ends it by triggering a reconcile.
#[derive(Clone, Debug, PartialEq)]
pub struct Deferral {
    /// Whether the status reports the wait.
    pub report: bool,
    /// Why the provider's circuit breaker is open; None if it is closed.
    pub failure: Option<Failure>,
}

/// A token that was requested and that the target now holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// Why the token was requested.
    pub cause: Cause,
    /// The target, which holds the token.
    pub published: Published,
    /// When the request was sent, if it returned the token that the target already held, so that nothing was written.
    pub unchanged_at: Option<DateTime<Utc>>,
    /// Whether the configured grant was used because a request with the stored refresh token had failed.
    pub fell_back: bool,
    /// The token's type.
    pub token_type: String,
    /// The granted scope, if the provider named it.
    pub scope: Option<String>,
    /// Facts about the answer that are reported.
    pub notices: BTreeSet<Notice>,
}

impl Publication {
    /// When the provider returned a token that it had returned before; None otherwise. If the target already held the
    /// answer to this very request, an earlier write succeeded and only the response to that write was lost.
    pub fn repeated_at(&self) -> Option<DateTime<Utc>> {
        self.unchanged_at.filter(|asked_at| *asked_at > self.published.issued_at)
    }
}
