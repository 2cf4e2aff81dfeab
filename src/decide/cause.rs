//! Why a token is requested.
//!
//! Knows the reason by which a cause is reported, and the reason of the success that follows. Must not know how a cause is
//! found.

use crate::api::Reason;

/// Why a token is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// No token has been issued yet.
    TokenPending,
    /// The target Secret does not exist.
    TargetMissing,
    /// The target Secret has another owner or is being deleted.
    TargetConflict,
    /// The token was taken out of the target because the credentials were refused.
    TokenWithdrawn,
    /// Another client has changed the target's data or the record of its token.
    TargetTampered,
    /// The spec, the provider or the credentials have changed.
    InputsChanged,
    /// The token expires soon, or has expired.
    RenewalDue,
    /// The probe does not accept the token.
    ProbeRejected,
    /// A person requested a renewal.
    RenewalRequested,
}

impl Cause {
    /// The reason that reports this cause, also in the metric label.
    pub const fn reason(self) -> Reason {
        match self {
            Cause::TokenPending => Reason::TokenPending,
            Cause::TargetMissing => Reason::TargetMissing,
            Cause::TargetConflict => Reason::TargetConflict,
            Cause::TokenWithdrawn => Reason::TokenWithdrawn,
            Cause::TargetTampered => Reason::TargetTampered,
            Cause::InputsChanged => Reason::InputsChanged,
            Cause::RenewalDue => Reason::RenewalDue,
            Cause::ProbeRejected => Reason::ProbeRejected,
            Cause::RenewalRequested => Reason::RenewalRequested,
        }
    }

    /// The reason of `Renewed` after the token has been published: `TokenRenewed` if the token replaced an unaltered one
    /// that was requested with the same inputs.
    pub(super) const fn success(self) -> Reason {
        match self {
            Cause::RenewalDue | Cause::RenewalRequested | Cause::ProbeRejected => Reason::TokenRenewed,
            _ => Reason::TokenIssued,
        }
    }
}
