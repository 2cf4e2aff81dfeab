//! Asking for a token: one request, and the other way where a refresh token is refused.
//!
//! Knows how a request comes about. Must not know why a token is wanted, nor write one down.

use crate::api::{Reason, TokenSource};
use crate::controller::error::{CallError, Error};
use crate::controller::issue::error::IssueError;
use crate::controller::issue::inputs::{issue_tokens, prepare};
use crate::controller::issue::send::{send, unlisted};
use crate::controller::reconcile::context::ReconcilePermit;
use crate::controller::reconcile::credentials::refresh_token;
use crate::controller::reconcile::target::{apply, is_outdated};
use crate::controller::view::local_state::IssuedToken;
use crate::controller::view::name::name_of;
use crate::decide::limiter::Answer;
use crate::decide::refresh::{RefreshBinding, gives_way, is_kept};
use crate::decide::{Cause, Deferral, Failure, Observed};

/// Why there is no token.
pub(crate) enum ObtainError {
    /// The token could not be issued.
    Issue(IssueError),
    /// The target is not the one that the cache had: everything is to be observed again.
    Outdated,
    /// The request waits for the provider's limiter.
    Deferred(Deferral),
}

impl From<IssueError> for ObtainError {
    fn from(error: IssueError) -> Self {
        Self::Issue(error)
    }
}

/// Gets a token, if the limiter in front of the provider lets this `TokenSource` ask now.
pub(crate) async fn obtain(
    cause: Cause,
    source: &TokenSource,
    observed: &mut Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<IssuedToken, ObtainError> {
    let provider = observed.provider.clone().map_err(IssueError::Refused)?;
    let permit = context.limiters.acquire(source, provider, observed).map_err(ObtainError::Deferred)?;
    // Not before there is a permit, since this costs a call.
    let answer = match is_outdated(source, observed, context).await {
        Ok(false) => match acceptable(source, observed, context).await {
            Ok(()) => issue(cause, source, observed, context).await,
            Err(error) => Err(error),
        },
        Ok(true) => return Err(ObtainError::Outdated),
        Err(error) => Err(error.into()),
    };
    permit.release(match &answer {
        Ok(_) => Answer::Succeeded,
        Err(IssueError::Failed(failure)) => Answer::from(failure),
        Err(IssueError::Cluster(_) | IssueError::Refused(_)) => Answer::Unrelated,
    });
    answer.map_err(ObtainError::Issue)
}

/// Stops where the API server would refuse the target itself: the token would have nowhere to go. Other failures of a dry
/// run (webhooks that know none, quotas, outages) say nothing of the target.
async fn acceptable(
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<(), IssueError> {
    match apply::rehearse(source, observed, context).await {
        Err(error) if error.is_invalid() => Err(IssueError::Refused(Failure::local(
            Reason::InvalidSpec,
            format!(
                "The API server would not take the target, Secret {}: {error}. No token was asked for: correct spec.target.",
                observed.target_name()
            ),
        ))),
        _ => Ok(()),
    }
}

/// Asks for a token: by the stored refresh token if there is one that may be used, else by the grant itself. A
/// refresh token that is refused is dropped, and the grant's own request made once, at once.
async fn issue(
    cause: Cause,
    source: &TokenSource,
    observed: &mut Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<IssuedToken, IssueError> {
    let mut prepared = prepare(source, observed, context).await?;
    let binding = is_kept(&prepared.provider).then(|| {
        RefreshBinding::now(&source.spec, &prepared.provider, &prepared.asked, &prepared.inputs.credentials)
    });
    store_unwritten_refresh_token(source, observed, context).await.map_err(Error::RefreshToken)?;
    let kept = match &binding {
        Some(_) => refresh_token::read(source, context).await.map_err(Error::RefreshToken)?,
        None => None,
    };
    let stored = binding.as_ref().zip(kept.as_ref()).and_then(|(binding, kept)| binding.usable(kept));

    let mut answer = send(&prepared, stored.as_ref(), source, observed, context).await;
    let mut fell_back = false;
    let failures = observed.failures_in_a_row().saturating_add(1);
    if let (Some(_), Some(kept), Err(IssueError::Failed(failure))) = (&stored, &kept, &answer)
        && gives_way(&prepared.provider, failure, failures)
    {
        let (namespace, name) = name_of(source);
        let (reason, detail) = (failure.reason, &failure.message);
        tracing::info!(%namespace, %name, %reason, detail, "The stored refresh token is dropped");
        // One that cannot be deleted is refused again next time; that must not keep a token from coming now.
        if let Err(error) = refresh_token::drop(source, kept, context).await {
            tracing::warn!(%namespace, %name, detail = %error, "The refused refresh token could not be deleted");
        }
        fell_back = true;
        issue_tokens(source, &prepared.provider, &mut prepared.inputs, context).await?;
        answer = send(&prepared, None, source, observed, context).await;
        if let (Ok(token), Some(refused)) = (&mut answer, &stored) {
            token.forget_refresh_token(refused);
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
    // Whether it was open or not: a token that replaces the one which answered it must go on telling so.
    let answers = observed.renew_request.map(str::to_owned);
    Ok(IssuedToken {
        token: answer?,
        asked: prepared.asked,
        versions: prepared.versions,
        cause,
        answers,
        binding,
        fell_back,
    })
}

/// Stores the refresh token that came with an access token which could not be written and is wanted no more: of a
/// rotated one there is no other copy.
async fn store_unwritten_refresh_token(
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<(), CallError> {
    let Some(mut issued) = context.view.local.unwritten_token(observed.uid) else { return Ok(()) };
    if let (Some(binding), Some(token)) = (&issued.binding, issued.token.refresh_token.take()) {
        refresh_token::keep(source, binding, &token, context).await?;
        context.view.local.keep_unwritten_token(observed.uid, issued);
    }
    Ok(())
}
