//! The last step: status, Event, metrics. Writes only what changed.

use kube::api::{Patch, PatchParams, Request};
use kube::{Resource, ResourceExt};
use serde_json::json;

use crate::api::{FIELD_MANAGER, TokenSource, TokenSourceStatus, from_kubernetes};
use crate::controller::error::{CallError, Error, call};
use crate::controller::reconcile::context::Context;
use crate::controller::view::name::name_of;
use crate::controller::view::watch::Watched;
use crate::decide::{Observed, Outcome, transition};

/// Records what came of a plan. `status_pending` says that the observed status itself has yet to be written.
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
        write(source, status, outcome, context).await?;
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
    let written = match context.lead() {
        Ok(()) => call(patch(source, status, context)).await,
        Err(error) => Err(error),
    };
    match written {
        Ok(answer) => {
            // An answer that cannot be read is no failure: the watch brings the object, too.
            if let Ok(written) = TokenSource::decode(answer.as_bytes()) {
                context.view.local.status_written(written.object);
            }
            Ok(())
        }
        Err(error) => unwritten(source, status, outcome, error, context),
    }
}

/// Returns the object as text: its spec may be one that cannot be decoded.
async fn patch(source: &TokenSource, status: &TokenSourceStatus, context: &Context) -> kube::Result<String> {
    let api = context.sources(&source.namespace().unwrap_or_default());
    let version = source.resource_version();
    let patch = replacement(version.as_deref(), status).map_err(kube::Error::SerdeError)?;
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let request = Request::new(api.resource_url());
    let request = request
        .patch_subresource("status", &source.name_any(), &params, &Patch::Json::<()>(patch))
        .map_err(kube::Error::BuildRequest)?;
    context.client.request_text(request).await
}

/// The status instead of whatever stands there: nobody else writes one, so there is nothing to merge, and this costs the
/// API server less than an apply. The version keeps it from landing on what somebody else has written since, or on a later
/// object of the same name: a process whose cache is behind knows less than they did.
fn replacement(version: Option<&str>, status: &TokenSourceStatus) -> serde_json::Result<json_patch::Patch> {
    serde_json::from_value(json!([
        { "op": "replace", "path": "/metadata/resourceVersion", "value": version },
        { "op": "add", "path": "/status", "value": serde_json::to_value(status)? },
    ]))
}

fn unwritten(
    source: &TokenSource,
    status: &TokenSourceStatus,
    outcome: &Outcome,
    error: CallError,
    context: &Context,
) -> Result<(), Error> {
    let uid = source.uid().unwrap_or_default();
    let cached = context.view.find(&name_of(source));
    let local = &context.view.local;
    if (error.is_not_found() || error.is_conflict())
        && cached.is_none_or(|cached| cached.uid() != source.uid())
    {
        // The object is gone, and with it whatever there was to say of it.
        local.forget(&uid);
        return Ok(());
    }
    // Until the watch says that it is gone, it is looked at all the same: without its status, each look would find that
    // no token had ever been asked for. And nobody else can know of what came of our own request.
    let is_news = matches!(outcome, Outcome::Failed(..) | Outcome::Unwritten(..) | Outcome::Published(_));
    if is_news || !(error.is_conflict() || error.is_not_found()) {
        local.keep_unwritten_status(&uid, status.clone());
    }
    // Somebody has changed the object meanwhile, and the watch is about to say so.
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
