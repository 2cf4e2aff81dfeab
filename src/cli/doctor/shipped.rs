//! The rights and admission policies of this version, from the very manifests that are installed.
//! Must not know what a cluster has.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::facts::{Policies, Right};

const CLUSTER: &str = include_str!("../../../deploy/kustomize/cluster/rbac.yaml");
const NAMESPACED: &str = include_str!("../../../deploy/kustomize/namespaced/rbac.yaml");
const LEASE: &str = include_str!("../../../deploy/kustomize/base/lease.yaml");
const POLICY: &str = include_str!("../../../deploy/kustomize/policy/policy.yaml");

/// The name of the lease in [`LEASE`].
pub(super) const LEASE_NAME: &str = "tokensource";

/// The rights of a controller that serves all namespaces.
pub(super) fn cluster_rights() -> Vec<Right> {
    rights(CLUSTER)
}

/// The rights in each namespace of a controller that serves certain namespaces.
pub(super) fn namespaced_rights() -> Vec<Right> {
    rights(NAMESPACED)
}

/// The rights in the controller's own namespace, for a lease of this name.
pub(super) fn lease_rights(lease: &str) -> Vec<Right> {
    let mut rights = rights(LEASE);
    for name in rights.iter_mut().filter_map(|right| right.name.as_mut()) {
        *name = name.replacen(LEASE_NAME, lease, 1);
    }
    rights
}

/// The policies with their bindings.
pub(super) fn policies() -> Policies {
    Policies {
        policies: of_kind::<ValidatingAdmissionPolicy>("ValidatingAdmissionPolicy"),
        bindings: of_kind::<ValidatingAdmissionPolicyBinding>("ValidatingAdmissionPolicyBinding"),
    }
}

fn of_kind<T: DeserializeOwned>(kind: &str) -> Vec<T> {
    let documents = documents(POLICY).into_iter().filter(|document| document["kind"] == kind);
    documents.filter_map(|document| serde_json::from_value(document).ok()).collect()
}

/// The rights of the first role in a file.
fn rights(file: &str) -> Vec<Right> {
    let role = documents(file).into_iter().next().unwrap_or_default();
    let rules: Vec<PolicyRule> =
        serde_json::from_value(role.get("rules").cloned().unwrap_or_default()).unwrap_or_default();
    let mut rights = Vec::new();
    for rule in &rules {
        let names: Vec<Option<String>> = match rule.resource_names.as_deref() {
            None | Some([]) => vec![None],
            Some(names) => names.iter().cloned().map(Some).collect(),
        };
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for verb in &rule.verbs {
                    rights.extend(names.iter().map(|name| Right {
                        verb: verb.clone(),
                        group: group.clone(),
                        resource: resource.clone(),
                        name: name.clone(),
                    }));
                }
            }
        }
    }
    rights
}

fn documents(file: &str) -> Vec<Value> {
    // An error cannot happen: a test reads every file.
    serde_saphyr::from_multiple(file).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_read() {
        let words = |rights: Vec<Right>| rights.iter().map(Right::in_words).collect::<Vec<_>>();
        let cluster = words(cluster_rights());
        for right in ["list tokensources", "patch tokensources/status", "create secrets", "watch namespaces"]
        {
            assert!(cluster.contains(&right.to_owned()), "{right} is not in {cluster:?}");
        }
        let (of_one, of_all) = ("patch tokenproviders/status", "patch clustertokenproviders/status");
        assert!(cluster.contains(&of_one.to_owned()) && cluster.contains(&of_all.to_owned()));
        let namespaced = words(namespaced_rights());
        assert!(namespaced.contains(&of_one.to_owned()) && !namespaced.contains(&of_all.to_owned()));
        assert!(!namespaced.contains(&"watch namespaces".to_owned()));
        assert_eq!(
            words(lease_rights("mine")),
            [
                "create leases",
                "get leases mine",
                "update leases mine",
                "get secrets mine-key",
                "patch secrets mine-key"
            ]
        );
        let policies = policies();
        assert_eq!((policies.policies.len(), policies.bindings.len()), (3, 3));
        assert!(policies.policies.iter().all(|policy| policy.spec.as_ref().unwrap().validations.is_some()));
    }
}
