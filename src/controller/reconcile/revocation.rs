//! One attempt to revoke tokens: a permit of the limiter, a deadline, and the meaning of a failure.
//! Must not decide which tokens are revoked, nor whether to try again.

use std::time::Duration;

use crate::controller::error::{Error, IssueError, chain};
use crate::controller::reconcile::context::ReconcilePermit;
use crate::decide::limiter::Answer;
use crate::decide::{Failure, Observed};
use crate::issue::revoke::{Tokens, revoke};
use crate::oauth::Retry;

/// The result of an attempt.
pub(crate) enum Tried {
    Revoked,
    Failed(Failure),
    /// The limiter will resume the TokenSource.
    Waiting,
}

/// Revokes these tokens, which are read when the limiter has granted a permit. Fails only if this process does not lead.
pub(crate) async fn attempt(
    tokens: impl Future<Output = Result<Tokens, Error>>,
    allowance: Duration,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<Tried, Error> {
    let provider = match observed.provider.clone() {
        Ok(provider) => provider,
        Err(failure) => return Ok(Tried::Failed(failure)),
    };
    let Ok(permit) = context.limiters.acquire_for_revocation(provider, observed) else {
        return Ok(Tried::Waiting);
    };
    // Boxed, because every reconcile would be larger otherwise.
    let all = async {
        let tokens = tokens.await?;
        Box::pin(revoke(&tokens, observed, context)).await
    };
    let tried = tokio::time::timeout(allowance, all).await;
    let (answer, failure) = match tried.unwrap_or_else(|_| Err(IssueError::Failed(unfinished(allowance)))) {
        Ok(()) => {
            permit.release(Answer::Succeeded);
            return Ok(Tried::Revoked);
        }
        Err(IssueError::Lookup(error)) if error.is_not_leading() => return Err(error),
        Err(IssueError::Lookup(error)) => (Answer::Unrelated, passing(format!("{}.", chain(&error)))),
        Err(IssueError::Refused(failure)) => (Answer::Unrelated, failure),
        Err(IssueError::Failed(failure)) => (Answer::from(&failure), failure),
    };
    permit.release(answer);
    Ok(Tried::Failed(failure))
}

fn unfinished(allowance: Duration) -> Failure {
    passing(format!("The provider did not answer within {} s.", allowance.as_secs()))
}

fn passing(message: String) -> Failure {
    Failure { retry: Retry::TRANSIENT, ..Failure::not_revoked(message) }
}
