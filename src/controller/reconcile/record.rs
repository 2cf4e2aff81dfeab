//! The last step: status, Event, metrics and log. Writes only what changed. Must not decide what is reported.

use kube::api::{Patch, PatchParams, Request};
use kube::{Resource, ResourceExt};
use serde_json::json;

use crate::api::{FIELD_MANAGER, TokenSource, TokenSourceStatus, from_kubernetes};
use crate::controller::error::{CallError, Error, call};
use crate::controller::reconcile::context::Context;
use crate::controller::view::name::{name_of, uid_of};
use crate::controller::view::watch::Watched;
use crate::decide::{Observed, Outcome, transition};

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
    let written = match context.ensure_leading() {
        Ok(()) => call(patch(source, status, context)).await,
        Err(error) => Err(error),
    };
    match written {
        Ok(answer) => {
            // An answer that cannot be decoded is no failure, since the watch delivers the object too.
            if let Ok(written) = TokenSource::decode(answer.as_bytes()) {
                context.view.local.status_written(written.object);
            }
            Ok(())
        }
        Err(error) => unwritten(source, status, outcome, error, context),
    }
}

/// Returns the object as text, since its spec may be undecodable.
async fn patch(source: &TokenSource, status: &TokenSourceStatus, context: &Context) -> kube::Result<String> {
    let api = context.sources(&name_of(source).0);
    let version = source.resource_version();
    let patch = replacement(version.as_deref(), status).map_err(kube::Error::SerdeError)?;
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let request = Request::new(api.resource_url());
    let request = request
        .patch_subresource("status", &source.name_any(), &params, &Patch::Json::<()>(patch))
        .map_err(kube::Error::BuildRequest)?;
    context.client.request_text(request).await
}

/// A patch that replaces the whole status. Only this controller writes the status, so there is nothing to merge, and a patch
/// costs the API server less than an apply. The resourceVersion in the patch prevents a process with an outdated cache from
/// overwriting a newer status, or that of a later object of the same name.
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
    let uid = uid_of(source);
    let cached = context.view.find(&name_of(source));
    let local = &context.view.local;
    if (error.is_not_found() || error.is_conflict())
        && cached.is_none_or(|cached| cached.uid() != source.uid())
    {
        // The object is gone, so nothing is left to report.
        local.forget(uid);
        return Ok(());
    }
    // The object is reconciled until the watch reports its deletion. Without this status, each reconcile would find that no
    // token was ever requested. Only this process knows the outcome of its own request.
    let is_news = matches!(outcome, Outcome::Failed(..) | Outcome::Unwritten(..) | Outcome::Published(_));
    if is_news || !(error.is_conflict() || error.is_not_found()) {
        local.keep_unwritten_status(uid, status.clone());
    }
    // The object was changed or deleted, and the watch is about to deliver that.
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
