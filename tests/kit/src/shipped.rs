//! Reads the CRDs that the repository ships, and installs the controller's rights and the admission policies. The rights are
//! granted to the group of the test users that act as controllers. Knows the paths of the files and the names of the roles;
//! must not know the rights.

use std::path::{Path, PathBuf};

use kube::api::DynamicObject;

use crate::admission::policies_judge;
use crate::control_plane::ControlPlane;
use crate::manifest;

/// The directory of the repository.
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("tests/kit lies two levels down").to_owned()
}

/// The CRDs of our kinds.
pub fn definitions() -> Vec<DynamicObject> {
    ["tokensources", "tokenproviders", "clustertokenproviders"]
        .iter()
        .flat_map(|kind| manifest::load(repository().join(format!("crds/{kind}.yaml"))))
        .collect()
}

/// Gives the users that act as controllers the rights of the shipped `ClusterRole`. The shipped binding is left out, so that
/// the `ServiceAccount` has only the rights that a test gives it.
pub async fn grant(plane: &ControlPlane) {
    let rights = unbound("deploy/kustomize/cluster/rbac.yaml");
    plane.apply_objects(&[rights, manifest::parse(BINDING)].concat()).await;
}

/// Gives the users that act as controllers the shipped right to the lease, in this namespace.
pub async fn grant_lease(plane: &ControlPlane, namespace: &str) {
    let rights = unbound("deploy/kustomize/base/lease.yaml");
    let mut objects = [rights, manifest::parse(LEASE_BINDING)].concat();
    manifest::into_namespace(&mut objects, namespace);
    plane.apply_objects(&objects).await;
}

/// The objects of a file without the bindings to the shipped `ServiceAccount`.
fn unbound(file: &str) -> Vec<DynamicObject> {
    let mut objects = manifest::load(repository().join(file));
    objects.retain(|object| object.types.as_ref().is_some_and(|types| !types.kind.ends_with("Binding")));
    objects
}

/// Installs the admission policies, and waits until they are active.
pub async fn policies(plane: &ControlPlane) {
    plane.apply_objects(&manifest::load(repository().join("deploy/kustomize/policy/policy.yaml"))).await;
    policies_judge(plane).await;
}

const BINDING: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: controllers-of-the-tests}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tokensource-controller}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: tokensource-controllers}
";

const LEASE_BINDING: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: controllers-of-the-tests}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tokensource-leader}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: tokensource-controllers}
";
