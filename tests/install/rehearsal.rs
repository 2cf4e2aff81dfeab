//! The renderings of helm and of kustomize, checked by a real API server, which stores nothing; and the pod, checked by the
//! strictest pod security profile.

use std::io::Write;
use std::process::{Command, Stdio};

use kube::ResourceExt;
use serde_json::json;
use tokensource_kit::control_plane::ControlPlane;
use tokensource_kit::{chart, manifest};

use crate::effects::conventional;
use crate::helm::{Helm, NAMESPACE, RELEASE, find, kustomize, outcome};
use crate::rendering::everything;

async fn plane() -> ControlPlane {
    tokensource_kit::authority::install_crypto();
    let plane = ControlPlane::start().await;
    for namespace in [NAMESPACE, "team-a"] {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        plane.apply(&namespace.to_string()).await;
    }
    plane
}

/// Runs `kubectl apply --server-side --dry-run=server` for a rendering, and returns the number of objects.
fn rehearse(plane: &ControlPlane, rendering: &str) -> usize {
    let mut kubectl = Command::new(plane.kubectl())
        .args(["apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-"])
        .env("KUBECONFIG", plane.kubeconfig_for("admin"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl");
    kubectl.stdin.take().unwrap().write_all(rendering.as_bytes()).unwrap();
    let said = outcome(&kubectl.wait_with_output().unwrap()).unwrap_or_else(|problem| panic!("{problem}"));
    assert!(said.lines().all(|line| line.ends_with("serverside-applied (server dry run)")), "{said}");
    said.lines().count()
}

#[tokio::test]
async fn api_server_takes_everything() {
    let plane = plane().await;
    for overlay in ["cluster", "namespaced"] {
        let rendering = kustomize(overlay);
        assert_eq!(rehearse(&plane, &rendering), manifest::parse(&rendering).len(), "{overlay}");
    }
    let chart = chart::directory().display().to_string();
    // A monitor's kind belongs to an operator that is not installed.
    let mut conventional = conventional();
    conventional["monitoring"] = json!({"service": {"enabled": true}});
    let of_major_4 = Helm::at(&plane.kubeconfig_for("admin"));
    for helm in [Helm::at(&plane.kubeconfig_for("admin")).of_major_3(), of_major_4] {
        for values in [json!({}), json!({"namespaces": ["team-a"]}), everything(), conventional.clone()] {
            let values = helm.values(&values);
            let common = [RELEASE, &chart, "--namespace", NAMESPACE, "--values", &values];
            let rendering = helm.run(&[&["template"][..], &common].concat());
            assert_eq!(rehearse(&plane, &rendering), manifest::parse(&rendering).len());
            helm.run(&[&["install", "--dry-run=server"][..], &common].concat());
        }
    }
}

#[tokio::test]
async fn pod_satisfies_the_strictest_profile() {
    let plane = plane().await;
    let account = "tokensource-controller";
    let rendered = Helm::offline().template(&json!({}));
    let overlay = manifest::parse(&kustomize("cluster"));
    let namespace = find(&overlay, "Namespace", NAMESPACE).clone();
    assert_eq!(namespace.labels()["pod-security.kubernetes.io/enforce"], "restricted");
    plane.apply_objects(&[namespace, find(&overlay, "ServiceAccount", account).clone()]).await;
    for objects in [rendered, overlay] {
        let mut pod = find(&objects, "Deployment", account).data["spec"]["template"].clone();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["name"] = json!("rehearsed");
        plane.rehearse(NAMESPACE, &manifest::parse(&pod.to_string())).await.expect("admitted");
        // The profile is in force: less strict pods are refused.
        pod["spec"]["containers"][0]["securityContext"]["capabilities"]["drop"] = json!([]);
        let refused = plane.rehearse(NAMESPACE, &manifest::parse(&pod.to_string())).await.unwrap_err();
        assert!(refused.to_string().contains("restricted"), "{refused}");
    }
}
