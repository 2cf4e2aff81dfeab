//! Getting a token: a permit of the limiter, the checks right before a request, and the stored refresh token.
//!
//! Knows what happens if a refresh token is refused. Must not know the cause of the request, nor write the token into the
//! target.

use crate::api::Reason;
use crate::controller::error::{CallError, Error, IssueError};
use crate::controller::reconcile::context::ReconcilePermit;
use crate::controller::reconcile::credentials::refresh_token;
use crate::controller::reconcile::target::{apply, is_outdated};
use crate::controller::view::local_state::IssuedToken;
use crate::decide::limiter::Answer;
use crate::decide::refresh::{RefreshBinding, falls_back_to_grant, stores_refresh_token};
use crate::decide::{Cause, Deferral, Failure, Observed};
use crate::issue::inputs::{Purpose, issue_tokens, prepare};
use crate::issue::send::{send, unlisted};

/// Why there is no token.
pub(crate) enum ObtainError {
    /// The token could not be issued.
    Issue(IssueError),
    /// The cache had an older state of the target: everything has to be observed again.
    Outdated,
    /// The request waits for the provider's limiter.
    Deferred(Deferral),
}

impl From<IssueError> for ObtainError {
    fn from(error: IssueError) -> Self {
        Self::Issue(error)
    }
}

/// Gets a token, if the provider's limiter lets this `TokenSource` send a request now. `read` becomes the observation
/// with the Secrets as they were read.
pub(crate) async fn obtain<'a>(
    cause: Cause,
    observed: &Observed<'a>,
    read: &mut Option<Observed<'a>>,
    context: &ReconcilePermit<'_>,
) -> Result<IssuedToken, ObtainError> {
    let provider = observed.provider.clone().map_err(IssueError::Refused)?;
    let permit = context.limiters.acquire(provider, observed).map_err(ObtainError::Deferred)?;
    // Checked only with a permit, because the check costs a call.
    let answer = match is_outdated(observed, context).await {
        Ok(false) => match acceptable(observed, context).await {
            Ok(()) => issue(cause, observed, read, context).await,
            Err(error) => Err(error),
        },
        Ok(true) => return Err(ObtainError::Outdated),
        Err(error) => Err(error.into()),
    };
    permit.release(match &answer {
        Ok(_) => Answer::Succeeded,
        Err(IssueError::Failed(failure)) => Answer::from(failure),
        Err(IssueError::Lookup(_) | IssueError::Refused(_)) => Answer::Unrelated,
    });
    answer.map_err(ObtainError::Issue)
}

/// Refuses if the API server would refuse the target, so that no token is requested that cannot be written. Other
/// failures of the dry run (quotas, outages, webhooks without dry runs) say nothing about the target.
async fn acceptable(observed: &Observed<'_>, context: &ReconcilePermit<'_>) -> Result<(), IssueError> {
    match apply::dry_run(observed, context).await {
        Err(error) if error.is_invalid() => Err(IssueError::Refused(Failure::local(
            Reason::InvalidSpec,
            format!(
                "The API server would not take the target, Secret {}: {error}. No token was requested: correct spec.target.",
                observed.target_name()
            ),
        ))),
        _ => Ok(()),
    }
}

/// Requests a token, with the stored refresh token if there is a usable one, else with the grant itself. A refused
/// refresh token is dropped, and the grant's own request is sent once, immediately.
async fn issue<'a>(
    cause: Cause,
    observed: &Observed<'a>,
    read: &mut Option<Observed<'a>>,
    context: &ReconcilePermit<'_>,
) -> Result<IssuedToken, IssueError> {
    let mut prepared = prepare(Purpose::Token, observed, read, context).await?;
    let observed = read.as_ref().unwrap_or(observed);
    let binding = stores_refresh_token(&prepared.provider).then(|| {
        RefreshBinding::now(
            observed.spec,
            &prepared.provider,
            &prepared.inputs_fingerprint,
            &prepared.inputs.credentials,
        )
    });
    store_unwritten_refresh_token(observed, context).await.map_err(Error::RefreshToken)?;
    let secret = match &binding {
        Some(_) => refresh_token::read(observed, context).await.map_err(Error::RefreshToken)?,
        None => None,
    };
    let stored = binding.as_ref().zip(secret.as_ref()).and_then(|(binding, secret)| binding.usable(secret));

    let mut answer = send(&prepared, stored.as_ref(), observed, context).await;
    let mut fell_back = false;
    let failures = observed.failures_in_a_row().saturating_add(1);
    if let (Some(_), Some(secret), Err(IssueError::Failed(failure))) = (&stored, &secret, &answer)
        && falls_back_to_grant(&prepared.provider, failure, failures)
    {
        let (namespace, name) = (observed.namespace, observed.name);
        let (reason, detail) = (failure.reason, &failure.message);
        tracing::info!(namespace, name, %reason, detail, "The stored refresh token is dropped");
        // If it cannot be deleted, the provider refuses it again next time. A token can still be issued now.
        if let Err(error) = refresh_token::drop(observed, secret, context).await {
            tracing::warn!(namespace, name, detail = %error, "The refused refresh token could not be deleted");
        }
        fell_back = true;
        issue_tokens(observed, &prepared.provider, &mut prepared.inputs, context).await?;
        answer = send(&prepared, None, observed, context).await;
        if let (Ok(answer), Some(refused)) = (&mut answer, &stored) {
            answer.token.forget_refresh_token(refused);
        }
    }
    if let (Some((key, metadata)), Err(IssueError::Failed(failure))) = (&prepared.found, &mut answer) {
        if matches!(failure.reason, Reason::EndpointNotFound | Reason::EndpointUnreachable) {
            context.caches.metadata.doubt(key);
        }
        if Failure::is_refusal_by_provider(failure.reason)
            && let Some(unlisted) = unlisted(observed, &prepared.provider, metadata)
        {
            failure.message = format!("{} {unlisted}", failure.message);
        }
    }
    // Recorded even if an earlier token has handled the renewal request, because this token overwrites that record.
    let handled_renew_request = observed.renew_request.map(str::to_owned);
    Ok(IssuedToken {
        token: answer?.token,
        inputs_fingerprint: prepared.inputs_fingerprint,
        versions: prepared.versions,
        cause,
        handled_renew_request,
        binding,
        fell_back,
    })
}

/// Stores the refresh token of an unwritten token that is about to be replaced: there is no other copy of a rotated one.
async fn store_unwritten_refresh_token(
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<(), CallError> {
    let Some(mut issued) = context.view.local.unwritten_token(observed.uid) else { return Ok(()) };
    if let (Some(binding), Some(token)) = (&issued.binding, issued.token.refresh_token.take()) {
        refresh_token::store(observed, binding, &token, context).await?;
        context.view.local.keep_unwritten_token(observed.uid, issued);
    }
    Ok(())
}
