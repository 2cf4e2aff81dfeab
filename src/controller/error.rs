//! Errors of calls to the API server, named by the call that failed. A refusal by a provider is an outcome, not an error.
//! Must not know what follows from an error.

use std::time::Duration;

pub use crate::api_calls::chain;
use crate::api_calls::{CallFailed, in_words, within};
use crate::issue::error;

/// Why the controller has no token, or no answer of another host.
pub(crate) type IssueError = error::IssueError<Error>;

/// A call to the API server failed. The whole reconcile is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading the credentials Secret.
    #[error("the credentials Secret could not be read")]
    ReadCredentials(#[source] CallError),
    /// Reading a Secret with a token or an assertion of another issuer.
    #[error("the Secret of a secretKeyRef could not be read")]
    ReadToken(#[source] CallError),
    /// Reading the Secret with the client certificate.
    #[error("the Secret of tls.clientCertificateRef could not be read")]
    ReadCertificate(#[source] CallError),
    /// Reading the target Secret.
    #[error("the target Secret could not be read")]
    ReadTarget(#[source] CallError),
    /// Reading or storing the refresh token.
    #[error("the refresh token could not be read or kept")]
    RefreshToken(#[source] CallError),
    /// Reading the ConfigMap with the certificates to trust.
    #[error("the ConfigMap of tls.caBundleRef could not be read")]
    ReadTrust(#[source] CallError),
    /// Writing the target Secret. The token is kept in memory and written first.
    #[error("the target Secret could not be written")]
    WriteTarget(#[source] CallError),
    /// Deleting a Secret that was the target under a former name.
    #[error("the Secret of the target's former name could not be deleted")]
    DeleteFormerTarget(#[source] CallError),
    /// The system gave no random number.
    #[error("the system gave no random number for an assertion")]
    Random,
    /// Sending a request to a provider, which only the leader may do.
    #[error("no provider was asked")]
    Ask(#[source] CallError),
    /// Writing the status.
    #[error("the status could not be written")]
    WriteStatus(#[source] CallError),
    /// Adding or removing the finalizer of `provider.revocation.onDelete`.
    #[error("the finalizer could not be written")]
    WriteFinalizer(#[source] CallError),
}

impl Error {
    /// Every value of [`Error::reason`].
    pub const REASONS: [&str; 12] = [
        "ReadCredentials",
        "ReadToken",
        "ReadCertificate",
        "ReadTarget",
        "RefreshToken",
        "ReadTrust",
        "WriteTarget",
        "DeleteFormerTarget",
        "Random",
        "Ask",
        "WriteStatus",
        "WriteFinalizer",
    ];

    /// Whether the only cause is that this process could not renew its lease in time.
    pub fn is_not_leading(&self) -> bool {
        match self {
            Error::ReadCredentials(call)
            | Error::ReadToken(call)
            | Error::ReadCertificate(call)
            | Error::ReadTarget(call)
            | Error::RefreshToken(call)
            | Error::ReadTrust(call)
            | Error::WriteTarget(call)
            | Error::DeleteFormerTarget(call)
            | Error::Ask(call)
            | Error::WriteStatus(call)
            | Error::WriteFinalizer(call) => matches!(call, CallError::NotLeading),
            Error::Random => false,
        }
    }

    /// The label under which failed reconciles are counted.
    pub const fn reason(&self) -> &'static str {
        match self {
            Error::ReadCredentials(_) => "ReadCredentials",
            Error::ReadToken(_) => "ReadToken",
            Error::ReadCertificate(_) => "ReadCertificate",
            Error::ReadTarget(_) => "ReadTarget",
            Error::RefreshToken(_) => "RefreshToken",
            Error::ReadTrust(_) => "ReadTrust",
            Error::WriteTarget(_) => "WriteTarget",
            Error::DeleteFormerTarget(_) => "DeleteFormerTarget",
            Error::Random => "Random",
            Error::Ask(_) => "Ask",
            Error::WriteStatus(_) => "WriteStatus",
            Error::WriteFinalizer(_) => "WriteFinalizer",
        }
    }
}

/// One call to the API server.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server refused the call, or could not be reached.
    #[error("{}", in_words(.0))]
    Kube(kube::Error),
    /// The Secret of this TokenSource has been replaced.
    #[error("the Secret has just been replaced by somebody else")]
    Replaced,
    /// The call was not made: this process could not renew its lease in time, so another one may lead.
    #[error("the lease could not be renewed in time, so nothing is written until it is")]
    NotLeading,
    /// The answer lacks what was requested.
    #[error("the answer is empty")]
    Empty,
    /// There was no answer in time.
    #[error("no answer within {} s", CALL_DEADLINE.as_secs())]
    Deadline,
}

impl CallError {
    /// 409: another client changed or created the object first.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed() {
        let empty = || CallError::Empty;
        let all = [
            Error::ReadCredentials(empty()),
            Error::ReadToken(empty()),
            Error::ReadCertificate(empty()),
            Error::ReadTarget(empty()),
            Error::RefreshToken(empty()),
            Error::ReadTrust(empty()),
            Error::WriteTarget(empty()),
            Error::DeleteFormerTarget(empty()),
            Error::Random,
            Error::Ask(empty()),
            Error::WriteStatus(empty()),
            Error::WriteFinalizer(empty()),
        ];
        assert_eq!(all.map(|error| error.reason()), Error::REASONS);
    }
}
