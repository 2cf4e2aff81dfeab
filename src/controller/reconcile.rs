//! The story of one `TokenSource`: observe → decide → act → record.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;

use super::act::{Done, act};
use super::context::Context;
use super::error::Error;
use super::observe::{Provider, find_provider, is_outdated, observe};
use super::record::record;
use super::turn::Turn;
use crate::api::{TokenSource, from_kubernetes};
use crate::decide::backoff::call_again_after;
use crate::decide::{Outcome, Plan, decide, next_errand, next_status, wake_after};

/// What turned out to be known wrongly is looked at again at once.
const AGAIN: Duration = Duration::from_millis(10);

/// Brings one `TokenSource` a step further. A provider that refuses is an outcome to record; only a failing API
/// server is an error.
pub(super) async fn reconcile(cached: Arc<TokenSource>, context: Arc<Context>) -> Result<Action, Error> {
    context.scope.filled().await;
    let context = Turn::take(&context).await;
    let (source, owed) = context.scope.memory.latest(cached);
    let provider = find_provider(&source, &context);
    let block = provider.as_ref().map(Provider::spec).map_err(Clone::clone);

    let (mut observed, mut unread) = observe(&source, block, &context).await;
    let mut plan = if unread.is_some() { Plan::Wait(None) } else { decide(&observed) };
    if plan == Plan::Leave {
        return Ok(Action::await_change());
    }
    if matches!(plan, Plan::Mint(_) | Plan::Withdraw) {
        match is_outdated(&source, &observed, &context).await {
            Ok(true) => return Ok(Action::requeue(AGAIN)),
            Ok(false) => {}
            Err(error) => (plan, unread) = (Plan::Wait(None), Some(error)),
        }
    }
    // Whatever the API server would not do, the status still has to follow the clock.
    let done = act(&plan, &source, &mut observed, &context)
        .await
        .unwrap_or_else(|error| Done { outcome: Outcome::Waiting, trouble: Some(error) });
    observed.settle(&done.outcome);
    let status = next_status(&observed, &done.outcome);
    record(&source, &observed, &done.outcome, &status, owed, &context).await?;

    if let Some(error) = unread.or(done.trouble) {
        return Err(error);
    }
    context.scope.memory.calm(observed.uid);
    let errand = next_errand(&observed, &status);
    Ok(Action::requeue(wake_after(&plan, &done.outcome, &status, errand, context.now())))
}

/// What the queue does after an error: the same again, ever later.
#[allow(clippy::needless_pass_by_value)] // the signature is kube's
pub(super) fn try_again(source: Arc<TokenSource>, error: &Error, context: Arc<Context>) -> Action {
    context.metrics.trouble(error.reason());
    if context.scope.sources.get(&ObjectRef::from_obj(source.as_ref())).is_none() {
        return Action::await_change();
    }
    let uid = source.uid().unwrap_or_default();
    let troubles = context.scope.memory.trouble(&uid);
    let expires_at =
        source.status.as_ref().and_then(|status| status.expires_at.as_ref()).map(from_kubernetes);
    let life_left = expires_at.map_or_else(TimeDelta::zero, |expires_at| expires_at - context.now());
    Action::requeue(call_again_after(troubles, life_left, &uid))
}
