//! The story of one `TokenSource`: observe → decide → act → record.
//!
//! Knows the order of the steps, and when to look again after an error. Must not know who called, nor how a step is done.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use kube::ResourceExt;
use tracing::Instrument;

use super::act::{Done, act};
use super::context::Context;
use super::error::Error;
use super::observe::{Provider, find_provider, observe};
use super::record::record;
use super::references::{NamespacedName, name_of};
use super::turn::Turn;
use crate::api::{TokenSource, from_kubernetes};
use crate::decide::backoff::call_again_after;
use crate::decide::{Outcome, Plan, decide, next_errand, next_status, wake_after};

/// What turned out to be known wrongly is looked at again at once.
const AGAIN: Duration = Duration::from_millis(10);

/// What is left because it, or its namespace, is being deleted: the watch that says so may lag behind a namespace that
/// has been made again.
const LEFT: Duration = Duration::from_secs(30);

/// One look at the `TokenSource` of this name. Returns after how long to look again even if nothing changes, unless
/// nothing but a change can matter.
pub(super) async fn look(named: NamespacedName, context: Arc<Context>) -> Option<Duration> {
    let (namespace, name) = &named;
    // Lines of this level and above name the object themselves.
    let span = tracing::debug_span!("reconcile", object = %format_args!("{namespace}/{name}"));
    async {
        context.scope.filled().await;
        // A leader that could not renew its lease waits here, with all it has in memory.
        if !context.settings.leadership.certain(context.settings.clock).await {
            return None;
        }
        let turn = Turn::take(&context, namespace).await;
        let Some(cached) = context.scope.find(&named) else {
            context.limiters.leave(&named);
            return None;
        };
        // In a box: hundreds wait for a permit, and each reconcile takes 10 kB.
        let after = match Box::pin(reconcile(Arc::clone(&cached), &turn)).await {
            Ok(after) => after,
            Err(error) if error.is_not_leading() => context.scope.find(&named).map(|_| AGAIN),
            Err(error) => {
                context.metrics.trouble(error.reason());
                context.scope.find(&named)?;
                let after = try_again(&cached, &context);
                context.log.failed(&named, &error, after, context.now());
                Some(after)
            }
        };
        // It may have been deleted, or have left the selector, meanwhile: what was remembered of it has no end then.
        if context.scope.find(&named).is_none_or(|now| now.uid() != cached.uid()) {
            context.scope.memory.forget(&cached.uid().unwrap_or_default());
        }
        after
    }
    .instrument(span)
    .await
}

/// Brings one `TokenSource` a step further. A provider that refuses is an outcome to record; only a failing API
/// server is an error.
async fn reconcile(cached: Arc<TokenSource>, context: &Turn<'_>) -> Result<Option<Duration>, Error> {
    let (source, owed) = context.scope.memory.latest(cached);
    let provider = find_provider(&source, context);
    let block = provider.as_ref().map(Provider::spec).map_err(Clone::clone);

    let (mut observed, unread) = observe(&source, block, context).await;
    let plan = if unread.is_some() { Plan::Wait(None) } else { decide(&observed) };
    if !matches!(plan, Plan::Mint(_)) {
        context.limiters.leave(&name_of(&source));
    }
    if plan == Plan::Leave {
        return Ok(Some(LEFT));
    }
    let done = match act(&plan, &source, &mut observed, context).await {
        Ok(Some(done)) => done,
        Ok(None) => return Ok(Some(AGAIN)),
        // Whatever the API server would not do, the status still has to follow the clock.
        Err(error) => Done { outcome: Outcome::Waiting, trouble: Some(error) },
    };
    observed.settle(&done.outcome);
    let status = next_status(&observed, &done.outcome);
    let recorded = record(&source, &observed, &done.outcome, &status, owed, context).await;

    // Of two errors the first is the one that explains the other.
    if let Some(error) = unread.or(done.trouble) {
        return Err(error);
    }
    recorded?;
    context.scope.memory.calm(observed.uid);
    let errand = next_errand(&observed, &status);
    Ok(Some(wake_after(&plan, &done.outcome, &status, errand, context.now())))
}

/// When to look again after an error: ever later.
fn try_again(source: &TokenSource, context: &Context) -> Duration {
    let uid = source.uid().unwrap_or_default();
    let troubles = context.scope.memory.trouble(&uid);
    let expires_at =
        source.status.as_ref().and_then(|status| status.expires_at.as_ref()).map(from_kubernetes);
    let life_left = expires_at.map_or_else(TimeDelta::zero, |expires_at| expires_at - context.now());
    call_again_after(troubles, life_left, &uid)
}
