//! Tests of the control plane itself: start, use, faults, repair.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr, missing_docs)]

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{DeleteParams, ListParams};
use kube::config::KubeConfigOptions;
use kube::{Api, Client, Config};
use tokensource_kit::control_plane::ControlPlane;
use tokensource_kit::eventually;

const PATIENCE: Duration = Duration::from_secs(30);

const WIDGETS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, plural: widgets}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: owner}
";

const MAY_EDIT: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: edit}
roleRef: {kind: ClusterRole, name: edit, apiGroup: rbac.authorization.k8s.io}
subjects:
- {kind: User, name: alice, apiGroup: rbac.authorization.k8s.io}
- {kind: ServiceAccount, name: default}
";

#[tokio::test]
async fn two_at_once() {
    let start = Instant::now();
    let (one, two) = tokio::join!(ControlPlane::start(), ControlPlane::start());
    eprintln!("two control planes are ready after {:.1?}", start.elapsed());
    assert_ne!(one.server(), two.server());
    let first = one.namespace("only-here").await;
    let there: Api<Namespace> = Api::all(two.admin());
    assert!(there.get_opt(&first).await.unwrap().is_none());
}

#[tokio::test]
async fn it_is_used_broken_and_mended() {
    let plane = ControlPlane::start().await;
    let here = plane.namespace("story").await;
    garbage_is_collected(&plane, &here).await;
    users_are_who_they_say(&plane, &here).await;
    kubectl_works(&plane, &here);
    requests_are_counted(&plane, &here).await;
    components_come_back(&plane, &here).await;
}

async fn garbage_is_collected(plane: &ControlPlane, here: &str) {
    let start = Instant::now();
    let applied = plane.apply_in(here, WIDGETS).await;
    let uid = applied[1].metadata.uid.clone().unwrap();
    plane
        .apply_in(
            here,
            &format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: owned, ownerReferences: \
            [{{apiVersion: example.com/v1, kind: Widget, name: owner, uid: {uid}}}]}}}}"
            ),
        )
        .await;
    let config_maps: Api<ConfigMap> = Api::namespaced(plane.admin(), here);
    assert!(config_maps.get_opt("owned").await.unwrap().is_some());
    let status = std::process::Command::new(plane.kubectl())
        .args(["delete", "widget", "owner", "-n", here])
        .env("KUBECONFIG", plane.kubeconfig_for("admin"))
        .status();
    assert!(status.unwrap().success());
    eventually("the garbage collector", PATIENCE, async || match config_maps.get_opt("owned").await {
        Ok(None) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    eprintln!("a new kind's garbage is collected {:.1?} after its CRD came", start.elapsed());
}

async fn users_are_who_they_say(plane: &ControlPlane, here: &str) {
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: s}}";
    let refusal = plane.try_apply("alice", here, secret).await.unwrap_err();
    assert!(refusal.to_string().contains("alice"), "{refusal}");

    plane.apply_in(here, MAY_EDIT).await;
    eventually("alice's rights", PATIENCE, async || plane.try_apply("alice", here, secret).await).await;
    assert!(plane.try_apply("bob", here, secret).await.is_err());

    let accounts: Api<ServiceAccount> = Api::namespaced(plane.admin(), here);
    eventually("the default ServiceAccount", PATIENCE, async || accounts.get("default").await).await;
    let path = plane.kubeconfig_for_service_account(here, "default").await;
    let kubeconfig = kube::config::Kubeconfig::read_from(path).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let config_maps: Api<ConfigMap> = Api::namespaced(Client::try_from(config).unwrap(), here);
    config_maps.list(&ListParams::default()).await.unwrap();
}

fn kubectl_works(plane: &ControlPlane, here: &str) {
    let output = std::process::Command::new(plane.kubectl())
        .args(["get", "secrets", "-n", here, "-o", "name"])
        .env("KUBECONFIG", plane.kubeconfig_for("alice"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "secret/s");
}

async fn requests_are_counted(plane: &ControlPlane, here: &str) {
    let mark = plane.audit_mark();
    let config_maps: Api<ConfigMap> = Api::namespaced(plane.client("alice"), here);
    config_maps.list(&ListParams::default()).await.unwrap();
    config_maps.get_opt("nobody").await.unwrap();
    let entries = plane.audit_since(mark);
    let of_alice: Vec<_> = entries
        .iter()
        .filter(|entry| entry.user == "alice" && entry.namespace == here)
        .map(|entry| (entry.verb.as_str(), entry.resource.as_str(), entry.name.as_str(), entry.status))
        .collect();
    assert_eq!(of_alice, [("list", "configmaps", "", 200), ("get", "configmaps", "nobody", 404)]);
    assert!(plane.audit().len() > entries.len());
}

async fn components_come_back(plane: &ControlPlane, here: &str) {
    let namespaces: Api<Namespace> = Api::all(plane.admin());
    let start = Instant::now();
    plane.api_server().kill9();
    assert!(namespaces.get(here).await.is_err());
    plane.api_server().start_again();
    plane.ready().await;
    namespaces.get(here).await.unwrap();
    eprintln!("kube-apiserver is back after {:.1?}", start.elapsed());

    let start = Instant::now();
    plane.etcd().kill9();
    plane.etcd().start_again();
    plane.ready().await;
    eventually("etcd's data", PATIENCE, async || namespaces.get(here).await).await;
    eprintln!("etcd is back after {:.1?}", start.elapsed());

    let start = Instant::now();
    namespaces.delete(here, &DeleteParams::default()).await.unwrap();
    eventually("the end of the namespace", PATIENCE, async || match namespaces.get_opt(here).await {
        Ok(None) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    eprintln!("a namespace is gone after {:.1?}", start.elapsed());
}
