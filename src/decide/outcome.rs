//! The result of a plan. Together with the observation, it determines the status and the Events.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Cause, Failure, Probed, Published, Target};
use crate::oauth::Notice;

/// The result of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing had to be done.
    Unchanged,
    /// A token is needed, but it is too early for the request, or only a change helps.
    Waiting,
    /// A token is needed, and the request waits for the limiter of its provider.
    Deferred(Deferral),
    /// The spec suspends renewal.
    Suspended,
    /// No request was sent, for a reason in the cluster.
    Refused(Failure),
    /// The request failed: when, and why.
    Failed(DateTime<Utc>, Failure),
    /// A token was issued, but the target could not be written. The token is kept in memory. The instant belongs to the
    /// request.
    Unwritten(DateTime<Utc>, Failure),
    /// The target holds a new token.
    Published(Publication),
    /// The target was written again with new metadata and the same token.
    Rewritten(Published),
    /// The token was removed from the target, whose new state this is, and from the Secrets of its former names.
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
    /// Whether the outcome belongs to a token request, or to a write of the token, which the cluster may not show yet. Only this
    /// process knows it until the status or the target is written.
    pub fn reports_request(&self) -> bool {
        matches!(self, Self::Failed(..) | Self::Unwritten(..) | Self::Published(_))
    }
}

/// A wait for a limiter. The limiter ends it by triggering a reconcile.
#[derive(Clone, Debug, PartialEq)]
pub struct Deferral {
    /// Whether the status reports the wait.
    pub report: bool,
    /// What is wrong with the provider, if anything.
    pub failure: Option<Failure>,
}

/// A token that was written to the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// Why the token was requested.
    pub cause: Cause,
    /// The target after the write.
    pub published: Published,
    /// If the target already held the same token: when it was requested.
    pub unchanged_at: Option<DateTime<Utc>>,
    /// Whether a stored refresh token was refused and dropped before.
    pub fell_back: bool,
    /// The token's type.
    pub token_type: String,
    /// The granted scope, if the provider named it.
    pub scope: Option<String>,
    /// Facts about the answer that are reported.
    pub notices: BTreeSet<Notice>,
}

impl Publication {
    /// When the provider returned a token that it had returned before; None otherwise. If the target held the answer to this
    /// very request, the earlier write succeeded and only its response was lost: the
    /// provider did not return an earlier token.
    pub fn repeated_at(&self) -> Option<DateTime<Utc>> {
        self.unchanged_at.filter(|asked_at| *asked_at > self.published.issued_at)
    }
}
