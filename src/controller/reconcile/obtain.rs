//! Getting a token: a permit of the limiter, the checks right before a request, and the stored refresh token.
//!
//! Knows how each [`ObtainCall`] is made. Must not depend on the cause of the request, nor write the token into the target.

use k8s_openapi::api::core::v1::Secret as SecretObject;

use crate::api::Reason;
use crate::controller::error::{Error, IssueError};
use crate::controller::reconcile::context::ReconcilePermit;
use crate::controller::reconcile::credentials::refresh_token;
use crate::controller::reconcile::target::{apply, is_outdated};
use crate::controller::view::local_state::IssuedToken;
use crate::decide::limiter::Answer;
use crate::decide::refresh::{RefreshBinding, falls_back_to_grant, stores_refresh_token};
use crate::decide::{Cause, Deferral, Failure, Observed, ObtainCall};
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

/// Gets a token, if the provider's limiter lets this `TokenSource` send a request now; None if the calls of `ObtainCall` ended
/// without a token and without an error. The Secrets are read again, and `read` becomes the observation with them.
pub(crate) async fn obtain<'a>(
    cause: Cause,
    observed: &Observed<'a>,
    read: &mut Option<Observed<'a>>,
    context: &ReconcilePermit<'_>,
) -> Result<Option<IssuedToken>, ObtainError> {
    let provider = observed.provider.clone().map_err(IssueError::Refused)?;
    let permit = context.limiters.acquire(provider, observed).map_err(ObtainError::Deferred)?;
    // Checked only with a permit, because the check costs a call.
    let answer = match is_outdated(observed, context).await {
        Ok(false) => match check_target_by_dry_run(observed, context).await {
            Ok(()) => issue(cause, observed, read, context).await,
            Err(error) => Err(error),
        },
        Ok(true) => return Err(ObtainError::Outdated),
        Err(error) => Err(error.into()),
    };
    permit.release(match &answer {
        Ok(Some(_)) => Answer::Succeeded,
        Err(IssueError::Failed(failure)) => Answer::from(failure),
        Ok(None) | Err(IssueError::Lookup(_) | IssueError::Refused(_)) => Answer::Unrelated,
    });
    answer.map_err(ObtainError::Issue)
}

/// Refuses if the API server would refuse the target, so that no token is requested that cannot be written. Other
/// failures of the dry run (quotas, outages, webhooks without dry runs) say nothing about the target.
async fn check_target_by_dry_run(
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<(), IssueError> {
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

/// Makes the calls that get a token, in the order of [`ObtainCall`].
async fn issue<'a>(
    cause: Cause,
    observed: &Observed<'a>,
    read: &mut Option<Observed<'a>>,
    context: &ReconcilePermit<'_>,
) -> Result<Option<IssuedToken>, IssueError> {
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
    let failures = observed.failures_in_a_row().saturating_add(1);
    let mut unwritten = context.view.local.unwritten_token(observed.uid).filter(IssuedToken::is_unstored);
    let (mut secret, mut sent, mut answer, mut fell_back) = (None, None, Ok(None), false);
    let mut next = Some(ObtainCall::first(unwritten.is_some()));
    while let Some(call) = next {
        answer = match call {
            ObtainCall::StoreUnwritten => store(unwritten.take(), observed, context).await.map(|()| None),
            ObtainCall::Request => {
                if binding.is_some() {
                    secret = refresh_token::read(observed, context).await.map_err(Error::RefreshToken)?;
                }
                sent = binding
                    .as_ref()
                    .zip(secret.as_ref())
                    .and_then(|(binding, secret)| binding.usable(secret));
                send(&prepared, sent.as_ref(), observed, context).await.map(Some)
            }
            ObtainCall::DropRefreshToken => {
                drop_refused(secret.as_ref(), answer.err(), observed, context).await.map(|()| None)
            }
            ObtainCall::RequestAgain => {
                fell_back = true;
                issue_tokens(observed, &prepared.provider, &mut prepared.inputs, context).await?;
                send(&prepared, None, observed, context).await.map(Some)
            }
        };
        next = match &answer {
            Ok(_) => call.after_success(),
            Err(IssueError::Failed(failure)) => call
                .after_failure(sent.is_some() && falls_back_to_grant(&prepared.provider, failure, failures)),
            Err(IssueError::Lookup(_) | IssueError::Refused(_)) => call.after_failure(false),
        };
    }
    if let (true, Ok(Some(answer)), Some(refused)) = (fell_back, &mut answer, &sent) {
        answer.token.forget_refresh_token(refused);
    }
    if let (Some((key, metadata)), Err(IssueError::Failed(failure))) = (&prepared.found, &mut answer) {
        if matches!(failure.reason, Reason::EndpointNotFound | Reason::EndpointUnreachable) {
            context.caches.metadata.mark_stale(key);
        }
        if Failure::is_refusal_by_provider(failure.reason)
            && let Some(unlisted) = unlisted(observed, &prepared.provider, metadata)
        {
            failure.message = format!("{} {unlisted}", failure.message);
        }
    }
    // Recorded even if an earlier token has handled the renewal request, because this token overwrites that record.
    let handled_renew_request = observed.renew_request.map(str::to_owned);
    Ok(answer?.map(|answer| IssuedToken {
        token: answer.token,
        inputs_fingerprint: prepared.inputs_fingerprint,
        versions: prepared.versions,
        cause,
        handled_renew_request,
        binding,
        fell_back,
    }))
}

/// Stores the refresh token of a token that could not be written.
async fn store(
    unwritten: Option<IssuedToken>,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<(), IssueError> {
    let Some(mut issued) = unwritten else { return Ok(()) };
    refresh_token::store(&mut issued, observed, context).await.map_err(Error::RefreshToken)?;
    context.view.local.keep_unwritten_token(observed.uid, issued);
    Ok(())
}

/// Deletes the stored refresh token, for which the provider's answer was this error.
async fn drop_refused(
    secret: Option<&SecretObject>,
    error: Option<IssueError>,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<(), IssueError> {
    let (namespace, name) = (observed.namespace, observed.name);
    if let Some(IssueError::Failed(Failure { reason, message, .. })) = error {
        tracing::info!(namespace, name, %reason, detail = message, "The stored refresh token is dropped");
    }
    let Some(secret) = secret else { return Ok(()) };
    let dropped = refresh_token::drop(observed, secret, context).await.inspect_err(|error| {
        tracing::warn!(namespace, name, detail = %error, "The refused refresh token could not be deleted");
    });
    Ok(dropped.map_err(Error::RefreshToken)?)
}
