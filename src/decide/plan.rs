//! The possible decisions. Must not know how a decision is made or carried out.

use chrono::{DateTime, Utc};

use super::{Cause, DeletionStep, Failure};

/// The next action.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Do nothing: the object is being deleted, and does not have the controller's finalizer.
    AwaitDeletion,
    /// Take this step: the object is being deleted and has the controller's finalizer.
    Deletion(DeletionStep),
    /// The spec suspends renewal.
    Suspend,
    /// No request can be made until something in the cluster changes.
    Refuse(Failure),
    /// Write the token that was issued before and could not be written.
    Publish,
    /// A token is needed, but not yet: when to request it; None if only a change helps.
    Wait(Option<DateTime<Utc>>),
    /// Request a token, for this cause.
    Issue(Cause),
    /// Write the target with its current data: its labels, annotations or type differ from the spec.
    Rewrite,
    /// Remove the token from the target and from the Secrets of its former names, because the provider has refused the
    /// credentials.
    Withdraw,
    /// Send the token to the probe.
    Probe,
    /// Revoke the token that was replaced.
    RevokeReplaced,
    /// Forget the token that was replaced, without revoking it, and report this failure if there is one.
    ForgetReplaced(Option<Failure>),
    /// Add the controller's finalizer to the object, or remove it.
    SetFinalizer(bool),
    /// Delete the Secrets of the target's former names, whose tokens are not renewed.
    DeleteFormerTargets,
    /// Restart the workloads that hold an older token than the target.
    Restart,
    /// Do nothing: the token in the target needs no renewal.
    Nothing,
}
