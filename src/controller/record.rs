//! The last step: status, Event, metrics. Writes only what changed.

use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::context::Context;
use super::error::{Error, call};
use crate::api::{FIELD_MANAGER, TokenSource, TokenSourceStatus, from_kubernetes};
use crate::decide::{Observed, Outcome, Transition, transition};

/// Records what came of a plan. `owed` says that the observed status itself has yet to be written.
pub(super) async fn record(
    source: &TokenSource,
    observed: &Observed<'_>,
    outcome: &Outcome,
    status: &TokenSourceStatus,
    owed: bool,
    context: &Context,
) -> Result<(), Error> {
    count(observed, outcome, context);
    log(source, outcome);
    if owed || status != observed.status {
        write(source, status, context).await?;
    }
    if let Some(transition) = transition(observed.status, status, outcome) {
        announce(source, transition, context);
    }
    Ok(())
}

async fn write(source: &TokenSource, status: &TokenSourceStatus, context: &Context) -> Result<(), Error> {
    let uid = source.uid().unwrap_or_default();
    let body = json!({
        "apiVersion": TokenSource::api_version(&()),
        "kind": TokenSource::kind(&()),
        // The uid keeps a status from landing on a later object of the same name.
        "metadata": { "name": source.name_any(), "uid": uid },
        "status": status,
    });
    context.lead().map_err(Error::WriteStatus)?;
    let api = context.sources(&source.namespace().unwrap_or_default());
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match call(api.patch_status(&source.name_any(), &params, &Patch::Apply(&body))).await {
        Ok(written) => {
            context.scope.memory.status_written(written);
            Ok(())
        }
        // The object is gone, and with it whatever there was to say of it. Until the watch says so, too, it is looked
        // at all the same: without its status, each look would find that no token had ever been asked for.
        Err(error) if error.is_not_found() || error.is_conflict() => {
            let cached = context.scope.sources.get(&ObjectRef::from_obj(source));
            if cached.is_some_and(|cached| cached.uid() == source.uid()) {
                context.scope.memory.status_unwritten(&uid, status.clone());
            } else {
                context.scope.memory.forget(&uid);
            }
            Ok(())
        }
        Err(error) => {
            context.scope.memory.status_unwritten(&uid, status.clone());
            Err(Error::WriteStatus(error))
        }
    }
}

fn count(observed: &Observed<'_>, outcome: &Outcome, context: &Context) {
    context.metrics.count(outcome);
    if let (Outcome::Published(_), Some(renew_at)) = (outcome, &observed.status.renew_at)
        && let Ok(lateness) = (context.now() - from_kubernetes(renew_at)).to_std()
    {
        context.metrics.published_late_by(lateness);
    }
}

fn log(source: &TokenSource, outcome: &Outcome) {
    let namespace = source.namespace().unwrap_or_default();
    let name = source.name_any();
    match outcome {
        Outcome::Published(publication) => tracing::info!(
            %namespace,
            %name,
            cause = %publication.cause,
            expires_at = %publication.published.expires_at,
            "Token published"
        ),
        Outcome::Failed(_, failure) | Outcome::Unwritten(_, failure) => {
            tracing::warn!(%namespace, %name, reason = %failure.reason, message = failure.message, "No new token");
        }
        Outcome::Refused(failure) => {
            tracing::info!(%namespace, %name, reason = %failure.reason, message = failure.message, "No token asked for");
        }
        Outcome::Withdrawn(_) => tracing::warn!(%namespace, %name, "Token withdrawn"),
        Outcome::Probed(probed) => {
            tracing::debug!(%namespace, %name, verdict = ?probed.verdict, "Token probed");
        }
        Outcome::Deferred(until, _) => tracing::debug!(%namespace, %name, %until, "Others come first"),
        Outcome::Kept | Outcome::Waiting | Outcome::Suspended | Outcome::Rewritten(_) => {
            tracing::debug!(%namespace, %name, "Nothing to do");
        }
    }
}

/// An Event is a courtesy: it is sent on the side, and its failure changes nothing.
fn announce(source: &TokenSource, transition: Transition, context: &Context) {
    let recorder = context.recorder.clone();
    let subject = source.object_ref(&());
    tokio::spawn(async move {
        let event = Event {
            type_: if transition.warning { EventType::Warning } else { EventType::Normal },
            reason: transition.reason.as_str().to_owned(),
            note: Some(transition.note),
            action: "Renew".to_owned(),
            secondary: None,
        };
        if let Err(error) = call(recorder.publish(&event, &subject)).await {
            tracing::debug!(%error, "Event could not be sent");
        }
    });
}
