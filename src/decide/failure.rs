//! A failure, in one type for this layer and the layers that use it: a reason, a retry class and a message. Must not know
//! which layer found the failure. Holds no secret, because the message is written into the status and Events.

use std::time::Duration;

use crate::api::{Reason, ReasonKind};
use crate::oauth::{Disclosure, Error, Retry};

/// A failure to record.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The reason to report.
    pub reason: Reason,
    /// When the request is repeated.
    pub retry: Retry,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// One or two sentences for people: what happened and what to do.
    pub message: String,
}

impl Failure {
    /// A failure for a reason in the cluster, such as a missing or refused object. In most cases, a watch delivers the
    /// correction.
    pub fn local(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, retry: Retry::TERMINAL, retry_after: None, message: message.into() }
    }

    /// Tokens were not revoked.
    pub fn not_revoked(message: impl Into<String>) -> Self {
        Self::local(Reason::RevocationFailed, message)
    }

    /// The provider has answered with the token that is in the target, and with a lifetime of zero.
    pub fn expired() -> Self {
        let reason = Reason::TokenAlreadyExpired;
        Self {
            reason,
            retry: Retry::Wasteful,
            retry_after: None,
            message: format!(
                "{} The provider returned the token that the Secret holds, with a lifetime of 0. If the provider \
                 always declares a lifetime of 0, set response.expiry.ignoreResponse.",
                reason.sentence()
            ),
        }
    }

    /// The failure of an exchange with a host, reduced to what `disclosure` permits.
    pub fn of_exchange(error: Error, disclosure: Disclosure) -> Self {
        let shown = if disclosure == Disclosure::Withheld { error.withheld() } else { error };
        Self::from(&shown)
    }

    /// Whether the provider has answered and refused the request, for any reason except too many requests (429).
    pub const fn is_refusal_by_provider(reason: Reason) -> bool {
        use ReasonKind::{Assertion, Credentials, RefreshToken, Refused};
        matches!(reason.kind(), RefreshToken | Assertion | Credentials | Refused)
    }

    /// Whether, without a usable token, retrying cannot help until something changes (kstatus's Stalled).
    pub fn stalls(reason: Reason) -> bool {
        matches!(FailureClass::of(reason), FailureClass::Assertion | FailureClass::Refusal)
    }
}

/// Failures after which requests are repeated in the same way. Failures of one class are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureClass {
    /// A failure that may end without a change of the spec.
    Passing,
    /// A success response without a usable token, which may have cost a token.
    Unusable,
    /// A refused assertion.
    Assertion,
    /// Any other refusal, by the provider or for a reason in the cluster.
    Refusal,
}

impl FailureClass {
    /// The class of failures with this reason.
    pub(super) const fn of(reason: Reason) -> Self {
        use ReasonKind as Kind;
        match reason.kind() {
            Kind::Endpoint | Kind::Passing | Kind::RefreshToken => Self::Passing,
            Kind::Unusable => Self::Unusable,
            Kind::Assertion => Self::Assertion,
            Kind::Credentials | Kind::Refused | Kind::NotSent | Kind::Other | Kind::Fact => Self::Refusal,
        }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let reason = error.reason();
        Self {
            reason,
            retry: error.retry(),
            retry_after: error.retry_after(),
            message: format!("{} ({error})", reason.sentence()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_of_an_unbound_host_does_not_say_what_the_host_did() {
        let of = |disclosure| {
            let redirect = Error::Redirect { host: "auth.example.com".to_owned(), status: 307 };
            Failure::of_exchange(redirect, disclosure)
        };
        let withheld = of(Disclosure::Withheld);
        assert_eq!(withheld.reason, Reason::EndpointUnreachable);
        assert!(!withheld.message.contains("redirect"), "{}", withheld.message);
        for disclosure in [Disclosure::ListedCodes, Disclosure::Full] {
            assert_eq!(of(disclosure).reason, Reason::UnexpectedRedirect);
        }
    }
}
