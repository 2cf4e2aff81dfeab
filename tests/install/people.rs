//! The rights of people: what the cluster roles `view`, `edit` and `admin` of Kubernetes grant after an installation.
//! Knows questions to the API server's authorizer; must not know how roles are aggregated.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tokensource_kit::control_plane::ControlPlane;
use tokensource_kit::eventually;

use crate::helm::{Helm, kind};

#[tokio::test]
async fn view_edit_and_admin_include_our_kinds() {
    tokensource_kit::authority::install_crypto();
    let plane = ControlPlane::start().await;
    let mut objects = Helm::offline().template(&json!({}));
    objects.retain(|object| ["ClusterRole", "CustomResourceDefinition"].contains(&kind(object)));
    plane.apply_objects(&objects).await;
    for role in ["view", "edit", "admin"] {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": role}],
        });
        plane.apply_in("default", &binding.to_string()).await;
    }
    for (person, right, granted) in [
        ("view", "list tokensources", true),
        ("view", "watch tokenproviders", true),
        ("view", "create tokensources", false),
        ("view", "patch tokenproviders", false),
        ("view", "get secrets", false),
        ("edit", "create tokensources", true),
        ("edit", "delete tokenproviders", true),
        ("edit", "patch tokensources --subresource=status", false),
        ("edit", "create clustertokenproviders", false),
        ("admin", "get tokensources", true),
        ("admin", "update tokensources", true),
        ("admin", "create clustertokenproviders", false),
    ] {
        eventually(&format!("{person}: {right}: {granted}"), Duration::from_secs(60), async || {
            let output = Command::new(plane.kubectl())
                .args(["auth", "can-i", "--namespace=default", "--as", person])
                .args(right.split(' '))
                .env("KUBECONFIG", plane.kubeconfig_for("admin"))
                .output()
                .expect("kubectl");
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if said == if granted { "yes" } else { "no" } {
                Ok(())
            } else {
                Err(format!("{said}: {output:?}"))
            }
        })
        .await;
    }
}
