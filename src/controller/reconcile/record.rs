//! The last step: status, Event, metrics and log. Writes only what changed. Must not decide what is reported.

use kube::{Resource, ResourceExt};
use tracing::Instrument;

use crate::api::{TokenSource, TokenSourceStatus, from_kubernetes};
use crate::controller::error::{CallError, Error};
use crate::controller::reconcile::context::Context;
use crate::controller::report::status::write_status;
use crate::controller::view::name::{name_of, uid_of};
use crate::controller::view::watch::Watched;
use crate::decide::{Observed, Outcome, transition};
use crate::trace;

/// Records the outcome. `status_pending` says that the observed status has not been written yet.
pub(crate) async fn record(
    source: &TokenSource,
    observed: &Observed<'_>,
    outcome: &Outcome,
    status: &TokenSourceStatus,
    status_pending: bool,
    context: &Context,
) -> Result<(), Error> {
    count(observed, outcome, context);
    context.log.outcome(&name_of(source), observed, outcome, status);
    if status_pending || status != observed.status {
        let span = trace::write_status();
        let written = write(source, status, outcome, context).instrument(span.clone()).await;
        written.inspect_err(|error| trace::failed(&span, error.reason()))?;
    }
    if let Some(transition) = transition(observed.status, status, outcome) {
        context.events.publish(source.object_ref(&()), transition, context.now());
    }
    Ok(())
}

async fn write(
    source: &TokenSource,
    status: &TokenSourceStatus,
    outcome: &Outcome,
    context: &Context,
) -> Result<(), Error> {
    match write_status(&context.client, &context.settings, source, status).await {
        Ok(answer) => {
            // An answer that cannot be decoded is no failure, since the watch delivers the object too.
            if let Ok(written) = TokenSource::decode(answer.as_bytes()) {
                context.view.local.status_written(written.object);
            }
            Ok(())
        }
        Err(error) => handle_unwritten_status(source, status, outcome, error, context),
    }
}

fn handle_unwritten_status(
    source: &TokenSource,
    status: &TokenSourceStatus,
    outcome: &Outcome,
    error: CallError,
    context: &Context,
) -> Result<(), Error> {
    let uid = uid_of(source);
    let cached = context.view.find(&name_of(source));
    let local = &context.view.local;
    if (error.is_not_found() || error.is_conflict())
        && cached.is_none_or(|cached| cached.uid() != source.uid())
    {
        // The object no longer exists, so nothing is left to report.
        local.forget(uid);
        return Ok(());
    }
    // After a conflict or a 404, only a status that reports a request is kept. The object is reconciled until the watch
    // delivers the change or the deletion, and without this status, each reconcile would find that no such request was sent.
    if outcome.reports_request() || !(error.is_conflict() || error.is_not_found()) {
        local.keep_unwritten_status(uid, status.clone());
    }
    // A 404 or a conflict is no error: the object was changed or deleted, and the watch will deliver that.
    if error.is_not_found() || error.is_conflict() { Ok(()) } else { Err(Error::WriteStatus(error)) }
}

fn count(observed: &Observed<'_>, outcome: &Outcome, context: &Context) {
    context.metrics.count(outcome);
    if let (Outcome::Published(_), Some(renew_at)) = (outcome, &observed.status.renew_at)
        && let Ok(lateness) = (context.now() - from_kubernetes(renew_at)).to_std()
    {
        context.metrics.published_late_by(lateness);
    }
}
