//! Restarting the workloads that read a token only when they start: an annotation on their pod template, as `kubectl
//! rollout restart` does it. Knows the call; must not decide when it is made.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::act::Done;
use super::context::Context;
use super::error::{CallError, Error, call};
use crate::api::{FIELD_MANAGER, Reason, TokenSource, Workload, WorkloadKind};
use crate::decide::{Failure, Observed, Outcome, restart_annotation};
use crate::oauth::Retry;

/// Restarts each that there is. After a failure all of them are tried again: those that have been restarted for this
/// token are not by the same annotation.
pub(super) async fn restart(source: &TokenSource, observed: &Observed<'_>, context: &Context) -> Done {
    let Some((key, value)) = restart_annotation(observed) else { return Outcome::Waiting.into() };
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": { key: value } } } } });
    let namespace = source.namespace().unwrap_or_default();
    let mut restarted = Vec::new();
    let mut failed = None;
    for workload in &source.spec.target.rollout_restart {
        let name = format!("{} {}", workload.kind.as_str(), workload.name);
        match annotate(workload, &namespace, &patch, context).await {
            Ok(()) => restarted.push(name),
            Err(error) if error.is_not_found() => {
                tracing::debug!(workload = name, "Not restarted: it does not exist");
            }
            Err(error) => failed = Some((name, error)),
        }
    }
    match failed {
        None => Outcome::Restarted(restarted).into(),
        Some((name, error)) => {
            let failure = failure(&name, &error);
            Done { outcome: Outcome::NotRestarted(failure), trouble: Some(Error::Restart(error)) }
        }
    }
}

async fn annotate(
    workload: &Workload,
    namespace: &str,
    patch: &serde_json::Value,
    context: &Context,
) -> Result<(), CallError> {
    context.lead()?;
    let resource = match workload.kind {
        WorkloadKind::Deployment => ApiResource::erase::<Deployment>(&()),
        WorkloadKind::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
        WorkloadKind::DaemonSet => ApiResource::erase::<DaemonSet>(&()),
    };
    let api = Api::<DynamicObject>::namespaced_with(context.client.clone(), namespace, &resource);
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    call(api.patch_metadata(&workload.name, &params, &Patch::Merge(patch))).await.map(|_| ())
}

fn failure(workload: &str, error: &CallError) -> Failure {
    let reason = Reason::RestartFailed;
    let advice =
        if error.is_forbidden() { " Give the controller the right to it (docs/workloads.md)." } else { "" };
    Failure {
        reason,
        retry: Retry::TRANSIENT,
        retry_after: None,
        message: format!("{} {workload}: {error}.{advice} It is tried again.", reason.sentence()),
    }
}
