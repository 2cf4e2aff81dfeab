//! One reconcile of a `TokenSource`: observe → decide → act → record.
//!
//! Knows the order of the steps, and when to reconcile again after an error. Must not know what triggered the reconcile,
//! nor how a step is done.

pub(crate) mod act;
pub(crate) mod context;
pub(crate) mod credentials;
pub(crate) mod deletion;
pub(crate) mod finalizer;
pub(crate) mod observe;
pub(crate) mod obtain;
pub(crate) mod probe;
pub(crate) mod record;
pub(crate) mod replaced;
pub(crate) mod revocation;
pub(crate) mod rollout;
pub(crate) mod target;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use kube::ResourceExt;
use tracing::Instrument;

use crate::api::{TokenSource, annotation, from_kubernetes};
use crate::controller::error::Error;
use crate::controller::reconcile::act::{PlanResult, act};
use crate::controller::reconcile::context::{Context, ReconcilePermit};
use crate::controller::reconcile::deletion::advance_deletion;
use crate::controller::reconcile::observe::{Provider, find_provider, observe};
use crate::controller::reconcile::record::record;
use crate::controller::report::traces;
use crate::controller::view::name::{NamespacedName, name_of, uid_of};
use crate::decide::backoff::retry_after_error;
use crate::decide::{
    DeletionStep, LoopGuard, ObservedAfter, Outcome, Plan, decide, next_follow_up, next_status, requeue_after,
};
use crate::trace;

/// The pause before a reconcile is repeated because the plan has to be made again, or because this process did not lead.
const REQUEUE_SOON: Duration = Duration::from_millis(10);

/// The pause while the `TokenSource` or its namespace is being deleted. The namespace may have been created again before
/// the watch of namespaces reports that.
const WHILE_DELETING: Duration = Duration::from_secs(30);

/// Reconciles the `TokenSource` of this name. Returns after how long to reconcile again if nothing changes; None if the
/// object does not exist, or at shutdown.
pub(crate) async fn reconcile(named: NamespacedName, context: Arc<Context>) -> Option<Duration> {
    let (namespace, name) = &named;
    // Log lines above DEBUG name the object themselves.
    let span = tracing::debug_span!("reconcile", object = %format_args!("{namespace}/{name}"));
    async {
        context.view.filled().await;
        // A leader that could not renew its lease waits here and keeps its state in memory.
        if !context.settings.leadership.wait_until_leading(context.settings.clock).await {
            return None;
        }
        with_permit(&named, &context).instrument(trace::renewal(namespace, name)).await
    }
    .instrument(span)
    .await
}

/// Reconciles as soon as there is a permit.
async fn with_permit(named: &NamespacedName, context: &Context) -> Option<Duration> {
    let permit = ReconcilePermit::acquire(context, &named.0).instrument(trace::permit()).await;
    let Some(cached) = context.view.find(named) else {
        context.limiters.leave(named);
        return None;
    };
    // Boxed, since a reconcile takes 10 kB and hundreds wait for a permit.
    let after = match Box::pin(step(Arc::clone(&cached), &permit)).await {
        Ok(after) => after,
        Err(error) if error.is_not_leading() => context.view.find(named).map(|_| REQUEUE_SOON),
        Err(error) => {
            context.metrics.count_error(error.reason());
            context.view.find(named)?;
            let after = try_again(&cached, context);
            context.log.failed(named, &error, after, context.now());
            Some(after)
        }
    };
    // If the object was deleted or left the selector meanwhile, nothing else would drop its local state.
    if context.view.find(named).is_none_or(|now| now.uid() != cached.uid()) {
        context.view.local.forget(uid_of(&cached));
    }
    after
}

/// A requeue sooner than this counts as immediate.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Carries out the four steps, unless the loop guard puts the reconcile off. A refusal by a provider is an outcome to
/// record, not an error.
async fn step(cached: Arc<TokenSource>, context: &ReconcilePermit<'_>) -> Result<Option<Duration>, Error> {
    let (source, status_pending) = context.view.local.current(cached);
    // The loop guard delays no deletion.
    let is_deleted = source.metadata.deletion_timestamp.is_some();
    if let Some(wait) = loop_guard_delay(&source, context).filter(|_| !is_deleted) {
        // Meanwhile other TokenSources may use its permit of the limiter.
        context.limiters.leave(&name_of(&source));
        return Ok(Some(wait));
    }
    let provider = find_provider(&source, context);
    let block = provider.as_ref().map(Provider::spec).map_err(Clone::clone);

    let (observed, unread) = observe(&source, block, context).instrument(trace::observe()).await;
    // A deletion continues even if something cannot be read.
    let plan = if unread.is_some() && !observed.deleting {
        Plan::Wait(None)
    } else {
        trace::decide().in_scope(|| decide(&observed))
    };
    if !matches!(plan, Plan::Issue(_) | Plan::Deletion(DeletionStep::Revoke) | Plan::RevokeReplaced) {
        context.limiters.leave(&name_of(&source));
    }
    match &plan {
        Plan::AwaitDeletion => return Ok(Some(WHILE_DELETING)),
        Plan::Deletion(next) => return advance_deletion(next, &source, &observed, context).await.map(Some),
        _ => {}
    }
    let mut read = None;
    let result = match act(&plan, &source, &observed, &mut read, context).await {
        Ok(Some(result)) => result,
        Ok(None) => {
            update_loop_guard(&source, Progress::NotMade, context);
            return Ok(Some(REQUEUE_SOON));
        }
        // The status must be updated as time passes, even while the API server fails.
        Err(error) => PlanResult::failed(Outcome::Waiting, error),
    };
    let observed_after = ObservedAfter::new(read.unwrap_or(observed), &result.outcome);
    traces::outcome(&observed_after, &result.outcome);
    let status = next_status(&observed_after, &result.outcome);
    let recorded = record(&source, &observed_after, &result.outcome, &status, status_pending, context).await;

    // The first error explains the later ones.
    if let Some(error) = unread.or(result.error) {
        return Err(error);
    }
    recorded?;
    context.view.local.reset_errors(observed_after.uid);
    let follow_up = next_follow_up(&observed_after, &status);
    let after = requeue_after(&plan, &result.outcome, &status, follow_up, context.now());
    let again = status != *observed_after.status || after < AT_ONCE;
    update_loop_guard(&source, Progress::of(&result.outcome, again), context);
    Ok(Some(after))
}

/// The result of a reconcile for the loop guard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// A token was issued or requested. The schedule says when that may happen again.
    Made,
    /// Something was changed that may trigger another reconcile, or the requeue is immediate.
    NotMade,
    /// Nothing was done.
    NothingDone,
}

impl Progress {
    /// `again` says that the status changed, or that the requeue is immediate.
    fn of(outcome: &Outcome, again: bool) -> Self {
        match outcome {
            _ if outcome.reports_request() => Self::Made,
            // The limiter says when to try again.
            Outcome::Deferred(_) => Self::NothingDone,
            Outcome::Rewritten(_)
            | Outcome::Withdrawn(_)
            | Outcome::FormerTargetsDeleted(_)
            | Outcome::Restarted(_)
            | Outcome::NotRestarted(_) => Self::NotMade,
            _ if again => Self::NotMade,
            _ => Self::NothingDone,
        }
    }
}

/// The generation and the renewal request, which users change. A change resets the loop guard.
fn user_revision(source: &TokenSource) -> (i64, Option<String>) {
    let request = source.annotations().get(annotation::RENEW_REQUESTED_AT);
    (source.metadata.generation.unwrap_or_default(), request.cloned())
}

/// How long the loop guard delays this reconcile.
fn loop_guard_delay(source: &TokenSource, context: &Context) -> Option<Duration> {
    let now = context.now();
    let until = context.view.local.loop_guard(uid_of(source))?.not_before(&user_revision(source), now)?;
    (until - now).to_std().ok()
}

fn update_loop_guard(source: &TokenSource, progress: Progress, context: &Context) {
    let uid = uid_of(source);
    let local = &context.view.local;
    let before = local.loop_guard(uid);
    match progress {
        Progress::NothingDone => {}
        Progress::Made if before.is_none() => {}
        Progress::Made => local.set_loop_guard(uid, None),
        Progress::NotMade => {
            let (user_revision, now) = (user_revision(source), context.now());
            let guard = LoopGuard::after(before, user_revision.clone(), now);
            if guard.not_before(&user_revision, now).is_some() {
                context.metrics.put_off();
            }
            if guard.begins() {
                let (namespace, name) = name_of(source);
                tracing::warn!(
                    %namespace,
                    %name,
                    "Reconciles change something again and again without progress; they are put off, up to a minute each"
                );
            }
            local.set_loop_guard(uid, Some(guard));
        }
    }
}

/// After how long to reconcile again after an error: longer after each further error.
fn try_again(source: &TokenSource, context: &Context) -> Duration {
    let uid = uid_of(source);
    let errors = context.view.local.count_error(uid);
    let expires_at =
        source.status.as_ref().and_then(|status| status.expires_at.as_ref()).map(from_kubernetes);
    let life_left = expires_at.map_or_else(TimeDelta::zero, |expires_at| expires_at - context.now());
    retry_after_error(errors, life_left, uid)
}
