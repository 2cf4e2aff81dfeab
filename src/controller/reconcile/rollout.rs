//! Restarts workloads that read a token only when they start, with an annotation on their pod template, as `kubectl rollout
//! restart` does. Knows the call; must not decide when it is made.

use futures::future::join_all;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::json;

use crate::api::{FIELD_MANAGER, Reason, Workload, WorkloadKind};
use crate::controller::error::{CallError, call};
use crate::controller::reconcile::context::{Context, ReconcilePermit};
use crate::decide::{Failure, Observed, Outcome, restart_annotation};
use crate::oauth::Retry;

/// Restarts each workload that exists, and returns the first failure. After a failure, only workloads that have not been
/// restarted for this token are tried again: another writer of the template may have removed the annotation, so that adding it
/// would restart the workload once more.
pub(crate) async fn restart(observed: &Observed<'_>, context: &ReconcilePermit<'_>) -> Outcome {
    let Some((key, value)) = restart_annotation(observed) else { return Outcome::Waiting };
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": { key: &value } } } } });
    let local = &context.view.local;
    let (mut done, mut failed) = (local.restarted(observed.uid, &value), None);
    let open = observed.spec.target.rollout_restart.iter().filter(|workload| !done.contains(workload));
    let calls =
        open.map(async |workload| (workload, annotate(workload, observed.namespace, &patch, context).await));
    // Webhooks may hang like providers, and neither renewals nor other workloads must wait for them.
    for (workload, result) in context.without_permit(join_all(calls)).await {
        match result {
            Ok(()) => done.push(workload.clone()),
            Err(error) if error.is_not_found() => {
                tracing::debug!(workload = name(workload), "Not restarted: it does not exist");
            }
            Err(error) => {
                failed.get_or_insert_with(|| failure(&name(workload), &error));
            }
        }
    }
    if let Some(failure) = failed {
        local.remember_restarts(observed.uid, Some((value, done)));
        return Outcome::NotRestarted(failure);
    }
    local.remember_restarts(observed.uid, None);
    Outcome::Restarted(done.iter().map(name).collect())
}

fn name(workload: &Workload) -> String {
    format!("{:?} {}", workload.kind, workload.name)
}

async fn annotate(
    workload: &Workload,
    namespace: &str,
    patch: &serde_json::Value,
    context: &Context,
) -> Result<(), CallError> {
    context.ensure_leading()?;
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
