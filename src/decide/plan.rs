//! What a decision may be. Must not know how one is made or carried out.

use chrono::{DateTime, Utc};

use super::{Cause, Ending, Failure};

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Write nothing at all: the object is on its way out.
    Leave,
    /// The object is on its way out and has our finalizer.
    End(Ending),
    /// The spec suspends renewal.
    Suspend,
    /// Nothing can be asked for until something in the cluster changes.
    Refuse(Failure),
    /// Write the token that was minted before and could not be written.
    Publish,
    /// A token is called for, but not yet; none where only a change helps.
    Wait(Option<DateTime<Utc>>),
    /// Ask for a token, for this cause.
    Issue(Cause),
    /// Write the target again with the data it has: its labels, annotations or type are not what the spec wants.
    Rewrite,
    /// Take the token out of the target and out of the Secrets of its former names: the provider has refused the credentials it came with.
    Withdraw,
    /// Show the token to the probe.
    Probe,
    /// Revoke the token that was replaced.
    RevokeReplaced,
    /// Add our finalizer to the object, or remove it.
    SetFinalizer(bool),
    /// Delete the Secrets of the target's former names: nobody renews the tokens in them.
    DeleteFormerTargets,
    /// Restart the workloads that hold an older token than the target.
    Restart,
    /// The token in the target will do.
    Keep,
}
