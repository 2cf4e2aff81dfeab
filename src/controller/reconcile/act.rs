//! The third step: carrying out the plan. Knows how each call is made; must not decide what is written.

use tracing::Instrument;

use crate::api::{Reason, TokenSource};
use crate::controller::error::{CallError, Error, IssueError};
use crate::controller::reconcile::context::ReconcilePermit;
use crate::controller::reconcile::credentials::refresh_token;
use crate::controller::reconcile::finalizer;
use crate::controller::reconcile::obtain::{ObtainError, obtain};
use crate::controller::reconcile::probe::probe;
use crate::controller::reconcile::replaced;
use crate::controller::reconcile::rollout::restart;
use crate::controller::reconcile::target::apply::{self, Written};
use crate::controller::reconcile::target::former;
use crate::controller::reconcile::target::{is_intact, is_outdated};
use crate::controller::view::local_state::IssuedToken;
use crate::decide::refresh::{add_reauthorization_hint, secret_name};
use crate::decide::render::render;
use crate::decide::{
    Deletion, Failure, Observed, Outcome, Plan, Publication, PublishCall, Target, add_token_warning, decide,
};
use crate::oauth::Retry;
use crate::trace;

/// The result of a plan.
pub(crate) struct PlanResult {
    pub(crate) outcome: Outcome,
    /// The error that ended the plan or one of its steps. The outcome is recorded nevertheless.
    pub(crate) error: Option<Error>,
}

impl From<Outcome> for PlanResult {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, error: None }
    }
}

impl PlanResult {
    /// The result with this error.
    pub(crate) fn failed(outcome: Outcome, error: Error) -> Self {
        Self { outcome, error: Some(error) }
    }
}

/// Carries out the plan.
///
/// Returns None if the plan has to be made again, because it relied on outdated knowledge or has changed the finalizer, and
/// an error if a call failed before anything was done.
pub(crate) async fn act<'a>(
    plan: &Plan,
    source: &TokenSource,
    observed: &Observed<'a>,
    read: &mut Option<Observed<'a>>,
    context: &ReconcilePermit<'_>,
) -> Result<Option<PlanResult>, Error> {
    let result = match plan {
        Plan::AwaitDeletion | Plan::Deletion(_) | Plan::Nothing => Outcome::Unchanged.into(),
        Plan::RevokeReplaced => {
            let replaced_token = replaced::revoke(source, observed, context).await?;
            *read = Some(Observed { replaced_token, ..observed.clone() });
            Outcome::Unchanged.into()
        }
        Plan::ForgetReplaced(failure) => {
            replaced::forget(failure.as_ref(), source, observed, context);
            return Ok(None);
        }
        Plan::SetFinalizer(wanted) => match finalizer::set(*wanted, source, context).await {
            Ok(()) => return Ok(None),
            Err(error) if error.is_conflict() => return Ok(None),
            Err(error) => {
                let deletion = Deletion { finalizer: *wanted, ..observed.deletion.clone() };
                let as_if_set = Observed { deletion, ..observed.clone() };
                let error = Error::WriteFinalizer(error);
                return act_in_spite_of(error, source, &as_if_set, read, context).await;
            }
        },
        Plan::Suspend => Outcome::Suspended.into(),
        Plan::Wait(_) => Outcome::Waiting.into(),
        Plan::Refuse(failure) => Outcome::Refused(failure.clone()).into(),
        Plan::Rewrite => rewrite(observed, context).await?,
        Plan::Withdraw | Plan::DeleteFormerTargets if is_outdated(observed, context).await? => {
            return Ok(None);
        }
        Plan::Withdraw => match withdraw(observed, context).await {
            Ok(target) => Outcome::Withdrawn(target).into(),
            Err(error) => PlanResult::failed(Outcome::Waiting, Error::WriteTarget(error)),
        },
        Plan::DeleteFormerTargets => return delete_former(source, observed, read, context).await,
        Plan::Probe => match probe(observed, context).await {
            Ok(outcome) => outcome.into(),
            Err(error) => failed_request_result(error, observed, context),
        },
        Plan::Restart => restart(observed, context).await.into(),
        Plan::Publish => match context.view.local.unwritten_token(observed.uid) {
            Some(issued) => publish(issued, observed, context).await,
            None => Outcome::Waiting.into(),
        },
        Plan::Issue(cause) => {
            trace::requested(cause.reason().as_str());
            let obtained = obtain(*cause, observed, read, context).await;
            let observed = read.as_ref().unwrap_or(observed);
            match obtained {
                Ok(Some(issued)) => publish(issued, observed, context).await,
                Ok(None) => Outcome::Waiting.into(),
                Err(ObtainError::Issue(error)) => failed_request_result(error, observed, context),
                Err(ObtainError::Deferred(deferral)) => Outcome::Deferred(deferral).into(),
                Err(ObtainError::Outdated) => return Ok(None),
            }
        }
    };
    Ok(Some(result))
}

/// The result if a token request or a probe failed or was not sent.
fn failed_request_result(
    error: IssueError,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> PlanResult {
    match error {
        // Waits are counted from the instant at which the failure is known.
        IssueError::Failed(failure) => Outcome::Failed(
            context.now(),
            add_token_warning(observed, add_reauthorization_hint(observed, failure)),
        )
        .into(),
        IssueError::Refused(failure) => Outcome::Refused(failure).into(),
        IssueError::Lookup(error) => PlanResult::failed(Outcome::Waiting, error),
    }
}

/// Removes the token from every Secret that is or was the target.
async fn withdraw(observed: &Observed<'_>, context: &ReconcilePermit<'_>) -> Result<Target, CallError> {
    let target = match observed.published() {
        Some(published) => {
            apply::withdraw((observed.target_name(), &published.uid), observed, context).await?
        }
        None => observed.target.clone(),
    };
    for former in observed.former_targets.iter().filter(|former| former.holds_token) {
        apply::withdraw((&former.name, &former.uid), observed, context).await?;
    }
    Ok(target)
}

/// Carries out the plan that comes next, because a step that fails again and again must not prevent the later ones. `observed`
/// is the observation as if that step had succeeded.
async fn act_in_spite_of<'a>(
    error: Error,
    source: &TokenSource,
    observed: &Observed<'a>,
    read: &mut Option<Observed<'a>>,
    context: &ReconcilePermit<'_>,
) -> Result<Option<PlanResult>, Error> {
    let result = Box::pin(act(&decide(observed), source, observed, read, context)).await?;
    let outcome = result.map_or(Outcome::Unchanged, |result| result.outcome);
    Ok(Some(PlanResult { outcome, error: Some(error) }))
}

/// Deletes the Secrets of the target's former names. Returns None if other clients have deleted or changed all of them by
/// now.
async fn delete_former<'a>(
    source: &TokenSource,
    observed: &Observed<'a>,
    read: &mut Option<Observed<'a>>,
    context: &ReconcilePermit<'_>,
) -> Result<Option<PlanResult>, Error> {
    let (mut deleted, mut error) = (Vec::new(), None);
    for former in &observed.former_targets {
        match former::delete(former, observed.namespace, context).await {
            Ok(true) => deleted.push(former.name.clone()),
            Ok(false) => {}
            Err(failed) => error = Some(Error::DeleteFormerTarget(failed)),
        }
    }
    match (deleted.is_empty(), error) {
        (false, error) => Ok(Some(PlanResult { outcome: Outcome::FormerTargetsDeleted(deleted), error })),
        (true, None) => Ok(None),
        (true, Some(error)) => {
            let without_former = Observed { former_targets: Vec::new(), ..observed.clone() };
            act_in_spite_of(error, source, &without_former, read, context).await
        }
    }
}

/// Stores the refresh token of an issued token, and writes the token into the target. If one of these calls fails, the token
/// is kept, and a later reconcile writes it before it requests another one.
async fn publish(
    mut issued: IssuedToken,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> PlanResult {
    let mut outcome = Outcome::Waiting;
    let mut next = Some(PublishCall::first(issued.is_unstored()));
    while let Some(call) = next {
        let ended = match call {
            PublishCall::StoreRefreshToken => refresh_token::store(&mut issued, observed, context).await,
            PublishCall::WriteTarget => {
                write(&issued, observed, context).await.map(|written| outcome = written)
            }
        };
        if let Err(error) = ended {
            return retain_unwritten(issued, call, observed, error, context);
        }
        next = call.after_success();
    }
    context.view.local.forget_unwritten_token(observed.uid);
    outcome.into()
}

/// Writes a token into the target.
async fn write(
    issued: &IssuedToken,
    observed: &Observed<'_>,
    context: &ReconcilePermit<'_>,
) -> Result<Outcome, CallError> {
    let token = &issued.token;
    let data = match render(&observed.spec.target, token) {
        Ok(data) => data,
        Err(problem) => {
            // The token is dropped: a retry with the same template would fail, too, and would be repeated forever.
            let failure = problem.failure("The issued token was dropped, and the Secret was left unchanged.");
            return Ok(Outcome::Failed(context.now(), failure));
        }
    };
    let current_token = replaced::current_token(observed, context).await;
    let span = trace::write_target();
    let written = apply::token(issued, data, observed, context).instrument(span.clone()).await;
    let written = written.inspect_err(|_| trace::failed(&span, Reason::TargetWriteFailed.as_str()))?;
    let (published, unchanged_at) = match written {
        Written::New(published) => {
            context.view.local.forget_written_versions(observed.uid);
            replaced::record_replacement(current_token, &token.access_token, observed, context);
            (published, None)
        }
        Written::Unchanged(published) => (published, Some(token.issued_at)),
        Written::Expired => return Ok(Outcome::Failed(context.now(), Failure::expired())),
    };
    Ok(Outcome::Published(Publication {
        cause: issued.cause,
        published,
        unchanged_at,
        fell_back: issued.fell_back,
        token_type: token.token_type.clone(),
        scope: token.scope.clone(),
        notices: token.notices.clone(),
    }))
}

/// Keeps a token for which this call failed, and reports that.
fn retain_unwritten(
    issued: IssuedToken,
    call: PublishCall,
    observed: &Observed<'_>,
    error: CallError,
    context: &ReconcilePermit<'_>,
) -> PlanResult {
    let issued_at = issued.token.issued_at;
    context.view.local.keep_unwritten_token(observed.uid, issued);
    let kept = "The token is kept in memory and written as soon as the API server accepts it.";
    let (secret, named): (_, fn(CallError) -> Error) = match call {
        PublishCall::StoreRefreshToken => (&*secret_name(observed.name), Error::RefreshToken),
        PublishCall::WriteTarget => (observed.target_name(), Error::WriteTarget),
    };
    PlanResult::failed(Outcome::Unwritten(Some(issued_at), unwritten(secret, &error, kept)), named(error))
}

/// The failure to write this Secret. `kept` says which token is kept where.
fn unwritten(secret: &str, error: &CallError, kept: &str) -> Failure {
    let reason = Reason::TargetWriteFailed;
    let message = format!("{} Secret {secret}: {error}. {kept}", reason.sentence());
    Failure { reason, retry: Retry::TRANSIENT, retry_after: None, message }
}

/// Updates type, labels and annotations of the target, and keeps its data. A target that was deleted or altered since it was
/// observed is left to the next reconcile.
async fn rewrite(observed: &Observed<'_>, context: &ReconcilePermit<'_>) -> Result<PlanResult, Error> {
    let found =
        context.read_secret(observed.namespace, observed.target_name()).await.map_err(Error::ReadTarget)?;
    let Some((secret, meta)) = found else { return Ok(Outcome::Waiting.into()) };
    let (Some(record), Some(data), true) =
        (meta.record.as_deref().cloned(), secret.data.clone(), is_intact(&meta, secret.data.as_ref()))
    else {
        return Ok(Outcome::Waiting.into());
    };
    Ok(match apply::write(observed, data, record, context).await {
        Ok(published) => Outcome::Rewritten(published).into(),
        Err(error) => {
            let kept = "It keeps its token; its type, labels or annotations differ from spec.target.";
            let failure = unwritten(observed.target_name(), &error, kept);
            PlanResult::failed(Outcome::Unwritten(None, failure), Error::WriteTarget(error))
        }
    })
}
