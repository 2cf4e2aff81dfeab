//! The deletion of a `TokenSource` with the controller's finalizer: its tokens are revoked, then the finalizer is removed.
//!
//! The status is not written, because it is deleted with the object. Must not decide whether or how often to revoke.

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
use crate::decide::refresh::secret_name;
use crate::decide::{DeletionStep, Failure, Observed, foreign_token, revocable, revocation_failed};
use crate::issue::revoke::Tokens;

/// The pause after a failed attempt, and the minimum of a wait until an instant.
const REQUEUE_SOON: Duration = Duration::from_millis(10);
/// The pause in which the watch delivers a change: of another client after a conflict, or the removal of the finalizer.
const UNTIL_WATCHED: Duration = Duration::from_secs(1);

/// Carries out one step. Returns after how long to reconcile again.
pub(crate) async fn advance_deletion(
    step: &DeletionStep,
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<Duration, Error> {
    match step {
        DeletionStep::Wait(until) => {
            Ok((*until - context.now()).to_std().unwrap_or_default().max(REQUEUE_SOON))
        }
        DeletionStep::RemoveFinalizer(failure) => remove_finalizer(failure.as_ref(), source, context).await,
        DeletionStep::Revoke => attempt(source, observed, context).await,
    }
}

/// Removes the finalizer, and reports why tokens were not revoked.
async fn remove_finalizer(
    failure: Option<&Failure>,
    source: &TokenSource,
    context: &ReconcilePermit<'_>,
) -> Result<Duration, Error> {
    match finalizer::set(false, source, context).await {
        Ok(()) => {}
        Err(error) if error.is_conflict() => return Ok(UNTIL_WATCHED),
        Err(error) => return Err(Error::WriteFinalizer(error)),
    }
    if let Some(failure) = failure {
        context.log.not_revoked(&name_of(source), failure, context.now());
        context.events.publish(source.object_ref(&()), revocation_failed(failure), context.now());
    }
    Ok(UNTIL_WATCHED)
}

/// One attempt, if the provider's limiter grants a permit.
async fn attempt(
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<Duration, Error> {
    let tries = observed.deletion.tries.clone();
    let allowance = observed.deletion.allowance(context.now()).to_std().unwrap_or_default();
    let tokens = Box::pin(all_tokens(observed, context));
    match revocation::attempt(tokens, allowance, observed, context).await? {
        Tried::Revoked => {
            context.log.revoked(&name_of(source), context.now());
            context.view.local.remember_tries(observed.uid, tries.succeeded());
            remove_finalizer(None, source, context).await
        }
        Tried::Failed(failure) => {
            context.view.local.remember_tries(observed.uid, tries.failed(failure, context.now()));
            Ok(REQUEUE_SOON)
        }
        Tried::Waiting => {
            context.view.local.remember_tries(observed.uid, tries.waiting(context.now()));
            // The limiter resumes the TokenSource, or the deadline passes.
            let left = observed.deletion.deadline(context.now()) - context.now();
            Ok(left.to_std().unwrap_or_default().max(REQUEUE_SOON))
        }
    }
}

/// The refresh token, the token in the target, the one before it, and an unwritten token, as far as they may be revoked.
async fn all_tokens(observed: &Observed<'_>, context: &ReconcilePermit<'_>) -> Result<Tokens, Error> {
    let mut tokens = Tokens::default();
    if observed.deletion.refresh_token {
        tokens.refresh = refresh_token::read(observed, context).await.map_err(Error::RefreshToken)?;
        if tokens.refresh.is_none() {
            tokens.left_out = Some(gone(&secret_name(observed.name)));
        }
    }
    let revocable = revocable(observed);
    if revocable.published {
        match stored_token(observed, context).await? {
            Some(token) => tokens.access.push(token),
            None => tokens.left_out = Some(gone(observed.target_name())),
        }
    } else if let Some(failure) = foreign_token(observed) {
        tokens.left_out = Some(failure);
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

fn gone(secret: &str) -> Failure {
    Failure::not_revoked(format!("Secret {secret} was deleted or changed before its token could be read."))
}
