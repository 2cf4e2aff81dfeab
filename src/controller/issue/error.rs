//! Why a token request, or another request to a host of the spec, failed. Must not know what follows from that.

use crate::controller::error::Error;
use crate::decide::Failure;

/// Why there is no token.
pub(crate) enum IssueError {
    /// The API server failed; nothing was sent.
    Cluster(Error),
    /// Nothing was sent, for a reason in the cluster.
    Refused(Failure),
    /// A request was sent and did not lead to a token.
    Failed(Failure),
}

impl From<Error> for IssueError {
    fn from(error: Error) -> Self {
        Self::Cluster(error)
    }
}
