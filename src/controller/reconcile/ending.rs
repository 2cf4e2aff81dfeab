//! The end of a `TokenSource` that is being deleted and has our finalizer: its tokens are revoked, then the finalizer goes.
//!
//! Nothing is written into the status, which goes with the object. Must not decide whether something is tried, nor how often.

use std::time::Duration;

use kube::Resource;

use crate::api::TokenSource;
use crate::controller::error::Error;
use crate::controller::reconcile::context::ReconcilePermit;
use crate::controller::reconcile::credentials::refresh_token;
use crate::controller::reconcile::finalizer;
use crate::controller::reconcile::revocation::{self, Tried};
use crate::controller::reconcile::target::stored_token;
use crate::controller::view::name::name_of;
use crate::decide::{Ending, Failure, Observed, revocable, revocation_failed};
use crate::issue::revoke::Tokens;

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
    let tries = observed.deletion.tries.clone();
    let allowance = observed.deletion.allowance(context.now()).to_std().unwrap_or_default();
    let tokens = Box::pin(all_tokens(source, observed, context));
    match revocation::attempt(tokens, allowance, source, observed, context).await? {
        Tried::Revoked => {
            context.log.revoked(&name_of(source), context.now());
            release(None, source, context).await
        }
        Tried::Failed(failure) => {
            context.view.local.remember_tries(observed.uid, tries.failed(failure, context.now()));
            Ok(AGAIN)
        }
        Tried::Waiting => {
            context.view.local.remember_tries(observed.uid, tries.waiting(context.now()));
            // The limiter wakes it, or the time is up.
            let left = observed.deletion.deadline(context.now()) - context.now();
            Ok(left.to_std().unwrap_or_default().max(AGAIN))
        }
    }
}

/// The refresh token, the token in the target, the one before it, and one that could not be written, as far as they may be revoked.
async fn all_tokens(
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<Tokens, Error> {
    let mut tokens = Tokens::default();
    if observed.deletion.refresh_token {
        tokens.refresh = refresh_token::read(source, context).await.map_err(Error::RefreshToken)?;
    }
    let revocable = revocable(observed);
    if revocable.published {
        tokens.access.extend(stored_token(source, observed, context).await?);
    }
    if revocable.replaced {
        let replaced = context.view.replaced.get(observed.namespace, observed.uid, context.now());
        tokens.access.extend(replaced.map(|(token, _)| token));
    }
    if revocable.unwritten {
        let unwritten = context.view.local.unwritten_token(observed.uid);
        tokens.access.extend(unwritten.map(|issued| issued.token.access_token));
    }
    Ok(tokens)
}
