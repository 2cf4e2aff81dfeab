//! The leases of the controllers. Must not check them.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::{Api, ResourceExt};

use super::super::facts::{Controller, LeaseFact, LeaseState, Read};
use super::super::shipped::LEASE_NAME;
use super::fact;
use crate::api::{annotation, from_kubernetes};
use crate::cli::Environment;
use crate::cli::cluster::Cluster;

/// Where the manifests install the controller.
const NAMESPACE: &str = "tokensource-system";

pub(super) async fn read(
    namespace: Option<&str>,
    cluster: &Cluster,
    controllers: &Read<Vec<Controller>>,
    environment: &Environment,
) -> Vec<LeaseFact> {
    let known = controllers.as_deref().unwrap_or_default();
    let mut places: BTreeSet<(String, String)> =
        known.iter().filter_map(|found| found.lease.clone()).collect();
    // A controller may also run outside the cluster, or in a Deployment with other labels.
    if known.is_empty() {
        places.insert((namespace.unwrap_or(NAMESPACE).to_owned(), LEASE_NAME.to_owned()));
    }
    let mut leases = Vec::new();
    for (namespace, name) in places {
        let api: Api<Lease> = Api::namespaced(cluster.client.clone(), &namespace);
        let lease = fact(cluster, api.get_opt(&name)).await.map(|lease| lease.as_ref().map(state));
        leases.push(LeaseFact { namespace, name, lease, read_at: (environment.now)() });
    }
    leases
}

fn state(lease: &Lease) -> LeaseState {
    let spec = lease.spec.clone().unwrap_or_default();
    let instant = |MicroTime(time): MicroTime| {
        let nanoseconds = u32::try_from(time.subsec_nanosecond()).unwrap_or_default();
        DateTime::from_timestamp(time.as_second(), nanoseconds)
    };
    LeaseState {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: spec.lease_duration_seconds.map(|seconds| TimeDelta::seconds(seconds.into())),
        renewed_at: spec.renew_time.and_then(instant),
        written_at: written_at(lease),
        version: lease.annotations().get(annotation::VERSION).cloned(),
    }
}

/// When the field `renewTime` was last written: the API server notes that by its own clock for each writer.
fn written_at(lease: &Lease) -> Option<DateTime<Utc>> {
    let writes = lease.metadata.managed_fields.iter().flatten().filter(|write| {
        write.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer("/f:spec/f:renewTime").is_some())
    });
    writes.filter_map(|write| write.time.as_ref()).map(from_kubernetes).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lease_is_read_with_both_clocks() {
        let fields = |fields: serde_json::Value, time: &str| {
            json!({"manager": "m", "operation": "Update", "apiVersion": "coordination.k8s.io/v1", "time": time,
                   "fieldsType": "FieldsV1", "fieldsV1": fields})
        };
        let lease: Lease = serde_json::from_value(json!({
            "metadata": {
                "annotations": {"tokensource.dev/version": "1.2.3"},
                "managedFields": [
                    fields(json!({"f:spec": {"f:renewTime": {}}}), "2026-01-01T00:00:05Z"),
                    // Another writer's annotation is no renewal.
                    fields(json!({"f:metadata": {}}), "2026-01-01T00:09:00Z"),
                ],
            },
            "spec": {"holderIdentity": "", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:02.250000Z"},
        }))
        .unwrap();
        let at = |milliseconds: i64| DateTime::from_timestamp_millis(1_767_225_600_000 + milliseconds);
        assert_eq!(
            state(&lease),
            LeaseState {
                holder: None,
                duration: Some(TimeDelta::seconds(15)),
                renewed_at: at(2250),
                written_at: at(5000),
                version: Some("1.2.3".to_owned()),
            }
        );
    }
}
