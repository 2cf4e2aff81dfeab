//! Why there is no (new) token, in one shape for all layers: a reason, a retry class and a message for a person.
//! Must not know who found it; carries no secret, since its message goes into status and events.

use std::time::Duration;

use crate::api::Reason;
use crate::oauth::{Disclosure, Error, Retry};

/// A failure to record.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The word from the table.
    pub reason: Reason,
    /// How the schedule treats it.
    pub retry: Retry,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// What happened, and what to do: one or two sentences.
    pub message: String,
}

impl Failure {
    /// Something in the cluster is missing or refused. A watch heals it; nothing was sent.
    pub fn local(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, retry: Retry::TERMINAL, retry_after: None, message: message.into() }
    }

    /// Tokens were not revoked, and nothing was sent.
    pub fn not_revoked(message: impl Into<String>) -> Self {
        Self::local(Reason::RevocationFailed, message)
    }

    /// The provider has answered with the token that is in the target, and with a life of zero.
    pub fn expired() -> Self {
        let reason = Reason::TokenAlreadyExpired;
        Self {
            reason,
            retry: Retry::Wasteful,
            retry_after: None,
            message: format!(
                "{} The provider returned the token that the Secret holds, with a life of 0. If it always says 0, set \
                 response.expiry.ignoreResponse.",
                reason.sentence()
            ),
        }
    }

    /// What came of an exchange with a host of which so much may be shown.
    pub fn of_exchange(error: Error, disclosure: Disclosure) -> Self {
        let shown = if disclosure == Disclosure::Withheld { error.withheld() } else { error };
        Self::from(&shown)
    }

    /// Whether it concerns the endpoint, whoever asks. Authorities and client certificates are the requester's own.
    pub const fn is_of_endpoint(reason: Reason) -> bool {
        matches!(reason, Reason::EndpointUnreachable | Reason::ProviderUnavailable | Reason::ProxyError)
    }

    /// Whether the provider has answered and refused, whatever it says was wrong.
    pub const fn is_refusal_by_provider(reason: Reason) -> bool {
        matches!(
            reason,
            Reason::RefreshTokenRejected
                | Reason::InvalidRequest
                | Reason::InvalidClient
                | Reason::InvalidGrant
                | Reason::AssertionRejected
                | Reason::UnauthorizedClient
                | Reason::UnsupportedGrantType
                | Reason::InvalidScope
                | Reason::InvalidTarget
                | Reason::AccessDenied
                | Reason::ConsentRequired
                | Reason::ProviderRejected
                | Reason::EndpointNotFound
                | Reason::UnsupportedMediaType
                | Reason::RequestTooLarge
        )
    }

    /// Whether, without a usable token, retrying cannot help until something changes (kstatus's Stalled).
    ///
    /// By the reason alone, so that the answer is the same for a failure just met and for one read from status.
    pub fn stalls(reason: Reason) -> bool {
        matches!(FailureClass::of(reason), FailureClass::Assertion | FailureClass::Refusal)
    }
}

/// Kinds of failures that the schedule is patient with in different ways. By the reason alone, as with
/// [`Failure::stalls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureClass {
    /// It passes by itself.
    Passing,
    /// A good answer without a usable token: each may have cost one.
    Unusable,
    /// A refused assertion.
    Assertion,
    /// Anything else that is refused, by the provider or for something in the cluster.
    Refusal,
}

impl FailureClass {
    /// The class of failures with this reason.
    pub(super) fn of(reason: Reason) -> Self {
        match reason {
            Reason::RateLimited
            | Reason::ProviderUnavailable
            | Reason::ProviderError
            | Reason::EndpointUnreachable
            | Reason::TLSVerificationFailed
            | Reason::ProxyError
            | Reason::TargetWriteFailed
            | Reason::DiscoveryFailed
            | Reason::ServiceAccountTokenFailed
            | Reason::RefreshTokenRejected => Self::Passing,
            Reason::MalformedResponse | Reason::ResponseTooLarge | Reason::TokenAlreadyExpired => {
                Self::Unusable
            }
            Reason::AssertionRejected => Self::Assertion,
            _ => Self::Refusal,
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
