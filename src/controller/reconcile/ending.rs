//! The end of a `TokenSource` that is being deleted and has our finalizer: its tokens are revoked, then the finalizer goes.
//!
//! Nothing is written into the status, which goes with the object. Must not decide whether something is tried, nor how often.

use std::time::Duration;

use kube::Resource;

use crate::api::TokenSource;
use crate::controller::error::{Error, IssueError, chain};
use crate::controller::reconcile::context::ReconcilePermit;
use crate::controller::reconcile::credentials::refresh_token;
use crate::controller::reconcile::finalizer;
use crate::controller::reconcile::target::stored_token;
use crate::controller::view::name::name_of;
use crate::decide::limiter::Answer;
use crate::decide::{Ending, Failure, Observed, revocation_failed};
use crate::issue::revoke::{Tokens, revoke};
use crate::oauth::Retry;

/// The pause before the object is looked at again after something was done.
const AGAIN: Duration = Duration::from_millis(10);
/// The pause after a conflict: the watch is about to deliver what somebody else has written.
const CONFLICT: Duration = Duration::from_secs(1);

/// Carries out one step. Returns after how long to reconcile again.
pub(crate) async fn end(
    ending: &Ending,
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<Duration, Error> {
    match ending {
        Ending::Wait(until) => Ok((*until - context.now()).to_std().unwrap_or_default().max(AGAIN)),
        Ending::Release(failure) => release(failure.as_ref(), source, context).await,
        Ending::Revoke => attempt(source, observed, context).await,
    }
}

/// Removes the finalizer, and reports why tokens were not revoked.
async fn release(
    failure: Option<&Failure>,
    source: &TokenSource,
    context: &ReconcilePermit<'_>,
) -> Result<Duration, Error> {
    match finalizer::set(false, source, context).await {
        Ok(()) => {}
        Err(error) if error.is_conflict() => return Ok(CONFLICT),
        Err(error) => return Err(Error::WriteFinalizer(error)),
    }
    if let Some(failure) = failure {
        context.log.not_revoked(&name_of(source), failure, context.now());
        context.events.publish(source.object_ref(&()), revocation_failed(failure), context.now());
    }
    Ok(CONFLICT)
}

/// One try, if the provider's limiter lets a request pass.
async fn attempt(
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<Duration, Error> {
    let Ok(provider) = observed.provider.clone() else { return Ok(AGAIN) };
    let tries = observed.deletion.tries.clone();
    let Ok(permit) = context.limiters.acquire_for_revocation(source, provider, observed) else {
        context.view.local.remember_tries(observed.uid, tries.waiting(context.now()));
        // The limiter wakes it, or the time is up.
        let left = observed.deletion.deadline(context.now()) - context.now();
        return Ok(left.to_std().unwrap_or_default().max(AGAIN));
    };
    let allowance = observed.deletion.allowance(context.now()).to_std().unwrap_or_default();
    let tried = match tokio::time::timeout(allowance, revoke_all(source, observed, context)).await {
        Ok(tried) => tried,
        Err(_) => Err(IssueError::Failed(unfinished(allowance))),
    };
    let (answer, failure) = match tried {
        Ok(()) => {
            permit.release(Answer::Succeeded);
            context.log.revoked(&name_of(source), context.now());
            return release(None, source, context).await;
        }
        Err(IssueError::Lookup(error)) if error.is_not_leading() => return Err(error),
        Err(IssueError::Lookup(error)) => {
            let failure = Failure::not_revoked(format!("{}.", chain(&error)));
            (Answer::Unrelated, Failure { retry: Retry::TRANSIENT, ..failure })
        }
        Err(IssueError::Refused(failure)) => (Answer::Unrelated, failure),
        Err(IssueError::Failed(failure)) => (Answer::from(&failure), failure),
    };
    permit.release(answer);
    context.view.local.remember_tries(observed.uid, tries.failed(failure, context.now()));
    Ok(AGAIN)
}

fn unfinished(allowance: Duration) -> Failure {
    let failure =
        Failure::not_revoked(format!("The provider did not answer within {} s.", allowance.as_secs()));
    Failure { retry: Retry::TRANSIENT, ..failure }
}

/// Revokes the refresh token, the token in the target, and one that could not be written.
async fn revoke_all(
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<(), IssueError> {
    let mut tokens = Tokens::default();
    if observed.deletion.refresh_token {
        tokens.refresh = refresh_token::read(source, context).await.map_err(Error::RefreshToken)?;
    }
    tokens.access.extend(stored_token(source, observed, context).await?);
    let unwritten = context.view.local.unwritten_token(observed.uid);
    tokens.access.extend(unwritten.map(|issued| issued.token.access_token));
    revoke(&tokens, observed, context).await
}
