//! Errors of calls to the API server, named by the call that failed. A refusal by a provider is an outcome, not an error.
//! Must not know what follows from an error.

use std::time::Duration;

pub use crate::api_calls::chain;
use crate::api_calls::{CallFailed, in_words, within};
use crate::issue::error;

/// Why the controller has no token, or no answer of another host.
pub(crate) type IssueError = error::IssueError<Error>;

/// Declares [`Error`] with a text for each call, so that none can be missing.
macro_rules! errors {
    ($($name:ident: $text:literal,)+) => {
        /// Why a reconcile failed: a call to the API server failed or was not made, or there was no random number. The whole
        /// reconcile is tried again.
        #[derive(Debug, thiserror::Error)]
        pub enum Error {
            $(#[doc = $text] #[error($text)] $name(#[source] CallError),)+
            /// The system gave no random number.
            #[error("the system gave no random number for an assertion")]
            Random,
        }

        impl Error {
            /// Every value of [`Error::reason`].
            pub const REASONS: &[&str] = &[$(stringify!($name),)+ "Random"];

            /// Whether the only cause is that this process could not renew its lease in time.
            pub fn is_not_leading(&self) -> bool {
                matches!(self, $(Error::$name(CallError::NotLeading))|+)
            }

            /// The label under which failed reconciles are counted.
            pub const fn reason(&self) -> &'static str {
                match self {
                    $(Error::$name(_) => stringify!($name),)+
                    Error::Random => "Random",
                }
            }
        }
    };
}

errors! {
    ReadCredentials: "the credentials Secret could not be read",
    // A Secret with a token or an assertion of another issuer, or the target of another TokenSource.
    ReadToken: "the Secret of a secretKeyRef or a tokenSourceRef could not be read",
    ReadCertificate: "the Secret of tls.clientCertificateRef could not be read",
    ReadTarget: "the target Secret could not be read",
    RefreshToken: "the refresh token could not be read or stored",
    ReadTrust: "the ConfigMap of tls.caBundleRef could not be read",
    // A new token is kept in memory, and a later reconcile writes it before it requests another one.
    WriteTarget: "the target Secret could not be written",
    DeleteFormerTarget: "the Secret of the target's former name could not be deleted",
    // Only the leader may send a request to a provider.
    Ask: "no request was sent to a provider",
    WriteStatus: "the status could not be written",
    // The finalizer of `provider.revocation.onDelete`.
    WriteFinalizer: "the finalizer could not be written",
}

/// Why a call to the API server failed or was not made.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server refused the call, or could not be reached.
    #[error("{}", in_words(.0))]
    Kube(kube::Error),
    /// The call was not made: the Secret is not the observed one any more, is being deleted, or has another owner.
    #[error("the Secret has just been deleted or replaced, or has another owner now")]
    Replaced,
    /// The call was not made: this process could not renew its lease in time, so another one may lead.
    #[error("the lease could not be renewed in time; nothing is sent or written until it is renewed")]
    NotLeading,
    /// The call was not made: the system gave no random number.
    #[error("the system gave no random number")]
    Random,
    /// The answer lacks what was requested.
    #[error("the answer is empty")]
    Empty,
    /// There was no answer in time.
    #[error("no answer within {} s", CALL_DEADLINE.as_secs())]
    Deadline,
}

impl CallError {
    /// 409, or [`Self::Replaced`]: another client changed or created the object first.
    pub fn is_conflict(&self) -> bool {
        matches!(self, CallError::Replaced)
            || matches!(self, CallError::Kube(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists())
    }

    /// 422: the API server refuses the object itself.
    pub fn is_invalid(&self) -> bool {
        matches!(self, CallError::Kube(kube::Error::Api(status)) if status.is_invalid())
    }

    /// 401.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, CallError::Kube(kube::Error::Api(status)) if status.code == 401)
    }

    /// 403.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, CallError::Kube(kube::Error::Api(status)) if status.is_forbidden())
    }

    /// 404.
    pub fn is_not_found(&self) -> bool {
        matches!(self, CallError::Kube(kube::Error::Api(status)) if status.is_not_found())
    }
}

/// The deadline of one call. kube sets none of its own.
const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// Runs one call under the deadline.
pub(super) async fn call<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    within(CALL_DEADLINE, request).await.map_err(|failed| match failed {
        CallFailed::Kube(error) => CallError::Kube(error),
        CallFailed::Deadline(_) => CallError::Deadline,
    })
}
