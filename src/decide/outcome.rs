//! What came of a plan: the only thing, besides the observation, that status and events are made from.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Cause, Failure, Probed, Published, Target};
use crate::oauth::Notice;

/// What came of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing was done, and nothing had to be.
    Kept,
    /// A token is called for, but the time has not come, or only a change helps.
    Waiting,
    /// A token is called for, and waits for its limiter.
    Deferred(Deferral),
    /// The spec suspends renewal.
    Suspended,
    /// Nothing was asked for, for a reason in the cluster.
    Refused(Failure),
    /// The provider was asked, and there is no new token: since when that is known, and why.
    Failed(DateTime<Utc>, Failure),
    /// A token came, but the target could not be written; the token is kept in memory. The instant is that of the
    /// request.
    Unwritten(DateTime<Utc>, Failure),
    /// The target holds a new token.
    Published(Publication),
    /// The target was written again with new metadata and the same token.
    Rewritten(Published),
    /// The token has been taken out of the target, which now stands so, and of the Secrets of its former names.
    Withdrawn(Target),
    /// The token has been shown to the probe.
    Probed(Probed),
    /// Secrets of former names of the target have been deleted: which.
    FormerTargetsDeleted(Vec<String>),
    /// The workloads that hold an older token have been restarted: which, for a person.
    Restarted(Vec<String>),
    /// They have not.
    NotRestarted(Failure),
}

/// A wait for a limiter, which ends when that wakes the `TokenSource`.
#[derive(Clone, Debug, PartialEq)]
pub struct Deferral {
    /// The status is to say so.
    pub report: bool,
    /// What is wrong with the provider, if anything.
    pub failure: Option<Failure>,
}

/// A token that stands in the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// Why it was asked for.
    pub cause: Cause,
    /// The target as it stands now.
    pub published: Published,
    /// The target held this very token already: when it was asked for.
    pub unchanged_at: Option<DateTime<Utc>>,
    /// A stored refresh token was refused and dropped on the way to it.
    pub fell_back: bool,
    /// The token's type.
    pub token_type: String,
    /// The granted scope, if the provider named it.
    pub scope: Option<String>,
    /// What is worth knowing about a good answer.
    pub notices: BTreeSet<Notice>,
}

impl Publication {
    /// When the provider returned a token that it had given before. A target that held the answer to this very request
    /// says nothing of the provider: it was written, and only the API server's word of it was lost.
    pub fn repeated_at(&self) -> Option<DateTime<Utc>> {
        self.unchanged_at.filter(|asked_at| *asked_at > self.published.issued_at)
    }
}
