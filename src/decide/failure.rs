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
        Self { reason, retry: Retry::Terminal { reprobe: true }, retry_after: None, message: message.into() }
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

    /// Whether, without a usable token, retrying cannot help until something changes (kstatus's Stalled).
    ///
    /// By the reason alone, so that the answer is the same for a failure just met and for one read from status.
    pub fn stalls(reason: Reason) -> bool {
        !matches!(
            reason,
            Reason::RateLimited
                | Reason::ProviderUnavailable
                | Reason::ProviderError
                | Reason::MalformedResponse
                | Reason::ResponseTooLarge
                | Reason::TokenAlreadyExpired
                | Reason::EndpointUnreachable
                | Reason::TLSVerificationFailed
                | Reason::ProxyError
                | Reason::TargetWriteFailed
                | Reason::DiscoveryFailed
                | Reason::ServiceAccountTokenFailed
                | Reason::RefreshTokenRejected
        )
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
