//! Why a token request, or another request to a host of the spec, failed. Must not know what follows from the failure.

use crate::decide::Failure;

/// Why there is no token. `E` is the error of a [`super::lookup::Lookup`].
#[derive(Debug)]
pub(crate) enum IssueError<E> {
    /// An input could not be read, or this process may not send requests now.
    Lookup(E),
    /// The request was not sent, for a reason in the cluster or the manifests.
    Refused(Failure),
    /// A request to a host of the spec failed, or a call to the API server for a ServiceAccount.
    Failed(Failure),
}

impl<E> From<E> for IssueError<E> {
    fn from(error: E) -> Self {
        Self::Lookup(error)
    }
}
