//! The story of one `TokenSource`: observe → decide → act → record.
//!
//! Knows the order of the steps, and when to look again after an error. Must not know who called, nor how a step is done.

pub(crate) mod act;
pub(crate) mod context;
pub(crate) mod credentials;
pub(crate) mod observe;
pub(crate) mod obtain;
pub(crate) mod probe;
pub(crate) mod record;
pub(crate) mod rollout;
pub(crate) mod target;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use kube::ResourceExt;
use tracing::Instrument;

use crate::api::{TokenSource, annotation, from_kubernetes};
use crate::controller::error::Error;
use crate::controller::reconcile::act::{Acted, act};
use crate::controller::reconcile::context::{Context, ReconcilePermit};
use crate::controller::reconcile::observe::{Provider, find_provider, observe};
use crate::controller::reconcile::record::record;
use crate::controller::view::name::{NamespacedName, name_of};
use crate::decide::backoff::retry_after_error;
use crate::decide::{LoopGuard, Outcome, Plan, decide, next_follow_up, next_status, requeue_after};

/// What turned out to be known wrongly is looked at again at once.
const AGAIN: Duration = Duration::from_millis(10);

/// What is left because it, or its namespace, is being deleted: the watch that says so may lag behind a namespace that
/// has been made again.
const LEFT: Duration = Duration::from_secs(30);

/// One look at the `TokenSource` of this name. Returns after how long to look again even if nothing changes, unless
/// nothing but a change can matter.
pub(crate) async fn reconcile(named: NamespacedName, context: Arc<Context>) -> Option<Duration> {
    let (namespace, name) = &named;
    // Lines of this level and above name the object themselves.
    let span = tracing::debug_span!("reconcile", object = %format_args!("{namespace}/{name}"));
    async {
        context.view.filled().await;
        // A leader that could not renew its lease waits here, with all it has in memory.
        if !context.settings.leadership.certain(context.settings.clock).await {
            return None;
        }
        let permit = ReconcilePermit::acquire(&context, namespace).await;
        let Some(cached) = context.view.find(&named) else {
            context.limiters.leave(&named);
            return None;
        };
        // In a box: hundreds wait for a permit, and each reconcile takes 10 kB.
        let after = match Box::pin(step(Arc::clone(&cached), &permit)).await {
            Ok(after) => after,
            Err(error) if error.is_not_leading() => context.view.find(&named).map(|_| AGAIN),
            Err(error) => {
                context.metrics.count_error(error.reason());
                context.view.find(&named)?;
                let after = try_again(&cached, &context);
                context.log.failed(&named, &error, after, context.now());
                Some(after)
            }
        };
        // It may have been deleted, or have left the selector, meanwhile: what was remembered of it has no end then.
        if context.view.find(&named).is_none_or(|now| now.uid() != cached.uid()) {
            context.view.local.forget(&cached.uid().unwrap_or_default());
        }
        after
    }
    .instrument(span)
    .await
}

/// A requeue sooner than this comes back at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Brings one `TokenSource` a step further, unless the reconciles before have led to nothing. A provider that refuses is an
/// outcome to record; only a failing API server is an error.
async fn step(cached: Arc<TokenSource>, context: &ReconcilePermit<'_>) -> Result<Option<Duration>, Error> {
    let (source, status_pending) = context.view.local.current(cached);
    if let Some(wait) = put_off(&source, context) {
        // A permit that is kept for it would be another's meanwhile.
        context.limiters.leave(&name_of(&source));
        return Ok(Some(wait));
    }
    let provider = find_provider(&source, context);
    let block = provider.as_ref().map(Provider::spec).map_err(Clone::clone);

    let (mut observed, unread) = observe(&source, block, context).await;
    let plan = if unread.is_some() { Plan::Wait(None) } else { decide(&observed) };
    if !matches!(plan, Plan::Issue(_)) {
        context.limiters.leave(&name_of(&source));
    }
    if plan == Plan::Leave {
        return Ok(Some(LEFT));
    }
    let acted = match act(&plan, &source, &mut observed, context).await {
        Ok(Some(acted)) => acted,
        Ok(None) => {
            note_progress(&source, Progress::None, context);
            return Ok(Some(AGAIN));
        }
        // Whatever the API server would not do, the status still has to follow the clock.
        Err(error) => Acted { outcome: Outcome::Waiting, error: Some(error) },
    };
    observed.settle(&acted.outcome);
    let status = next_status(&observed, &acted.outcome);
    let recorded = record(&source, &observed, &acted.outcome, &status, status_pending, context).await;

    // Of two errors the first is the one that explains the other.
    if let Some(error) = unread.or(acted.error) {
        return Err(error);
    }
    recorded?;
    context.view.local.reset_errors(observed.uid);
    let follow_up = next_follow_up(&observed, &status);
    let after = requeue_after(&plan, &acted.outcome, &status, follow_up, context.now());
    let again = status != *observed.status || after < AT_ONCE;
    note_progress(&source, Progress::of(&acted.outcome, again), context);
    Ok(Some(after))
}

/// What a reconcile has led to, for the guard against hot loops.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// A token came, or its provider was asked: the schedule says when that may happen again.
    Made,
    /// Something was changed that may set off another reconcile, or it comes back at once by itself.
    None,
    /// Nothing was done.
    Quiet,
}

impl Progress {
    /// `again` says that the status changed, or that it comes back at once.
    fn of(outcome: &Outcome, again: bool) -> Self {
        match outcome {
            Outcome::Published(_) | Outcome::Failed(..) | Outcome::Unwritten(..) => Self::Made,
            // The limiter says when it may try again.
            Outcome::Deferred(_) => Self::Quiet,
            Outcome::Rewritten(_)
            | Outcome::Withdrawn(_)
            | Outcome::FormerTargetsDeleted(_)
            | Outcome::Restarted(_)
            | Outcome::NotRestarted(_) => Self::None,
            _ if again => Self::None,
            _ => Self::Quiet,
        }
    }
}

/// What a person asks for: a change of it is no loop.
fn subject(source: &TokenSource) -> (i64, Option<String>) {
    let request = source.annotations().get(annotation::RENEW_REQUESTED_AT);
    (source.metadata.generation.unwrap_or_default(), request.cloned())
}

/// How long to wait because those before have led to nothing.
fn put_off(source: &TokenSource, context: &Context) -> Option<Duration> {
    let (uid, now) = (source.uid()?, context.now());
    let until = context.view.local.loop_guard(&uid)?.not_before(&subject(source), now)?;
    (until - now).to_std().ok()
}

fn note_progress(source: &TokenSource, progress: Progress, context: &Context) {
    let uid = source.uid().unwrap_or_default();
    let local = &context.view.local;
    let before = local.loop_guard(&uid);
    match progress {
        Progress::Quiet => {}
        Progress::Made if before.is_none() => {}
        Progress::Made => local.set_loop_guard(&uid, None),
        Progress::None => {
            let (subject, now) = (subject(source), context.now());
            let guard = LoopGuard::after(before, subject.clone(), now);
            if guard.not_before(&subject, now).is_some() {
                context.metrics.put_off();
            }
            if guard.begins() {
                tracing::warn!(
                    namespace = source.namespace().unwrap_or_default(),
                    name = source.name_any(),
                    "Reconciles change something again and again without progress; they are put off, up to a minute each"
                );
            }
            local.set_loop_guard(&uid, Some(guard));
        }
    }
}

/// When to look again after an error: ever later.
fn try_again(source: &TokenSource, context: &Context) -> Duration {
    let uid = source.uid().unwrap_or_default();
    let errors = context.view.local.count_error(&uid);
    let expires_at =
        source.status.as_ref().and_then(|status| status.expires_at.as_ref()).map(from_kubernetes);
    let life_left = expires_at.map_or_else(TimeDelta::zero, |expires_at| expires_at - context.now());
    retry_after_error(errors, life_left, &uid)
}
