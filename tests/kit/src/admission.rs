//! Waits until installed admission policies are active.
//!
//! An API server notices a policy a second after it was installed, and discovers the kind of the policy's parameters up to
//! half a minute later. Until it notices the policy, it admits everything; then it refuses everything until it knows the
//! parameters. So each policy must refuse what it forbids, and after that all must admit what they allow.
//!
//! Knows what the policies forbid. Must not know how they are installed.

use std::time::Duration;

use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use crate::control_plane::ControlPlane;
use crate::{eventually, manifest};

/// The user who may write `TokenSource`s in the namespace of this check, and may not get its Secrets.
const AUTHOR: &str = "bob";
const PROVIDER: &str = "early";

/// Waits until installed policies are active.
pub async fn policies_judge(plane: &ControlPlane) {
    let namespace = plane.namespace("policies").await;
    plane.apply_in(&namespace, &documents(&rights())).await;
    let providers = documents(&["TokenProvider", "ClusterTokenProvider"].map(provider));
    plane.apply_in(&namespace, &providers).await;
    let refused = [
        (json!({"provider": block()}), "Secrets that this object names"),
        (named("TokenProvider"), " TokenProvider early names Secrets"),
        (named("ClusterTokenProvider"), " ClusterTokenProvider early names Secrets"),
    ];
    for (spec, words) in &refused {
        eventually(
            &format!("a policy that says `{words}`"),
            Duration::from_secs(60),
            async || match rehearse(plane, AUTHOR, &namespace, spec).await {
                Err(refusal) if refusal.contains(words) => Ok(()),
                other => Err(format!("{other:?}")),
            },
        )
        .await;
    }
    eventually("policies that admit", Duration::from_secs(60), async || {
        rehearse(plane, "admin", &namespace, &refused[0].0).await
    })
    .await;
    // Only this object is not in the namespace of this check, so that other tests could see it.
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("tokensource.dev", "v1alpha1", "ClusterTokenProvider"));
    let api: Api<DynamicObject> = Api::all_with(plane.admin(), &resource);
    api.delete(PROVIDER, &DeleteParams::default()).await.expect("deleted");
}

async fn rehearse(plane: &ControlPlane, user: &str, namespace: &str, spec: &Value) -> Result<(), String> {
    let source = json!({"apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource", "metadata": {"name": "early"},
                        "spec": spec});
    plane
        .rehearse_as(user, namespace, &manifest::parse(&source.to_string()))
        .await
        .map_err(|error| error.to_string())
}

/// A provider block that names a Secret.
fn block() -> Value {
    json!({
        "tokenEndpoint": "https://localhost/token", "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
        "clientAuthentication": {"method": "none"},
        "subjectToken": {"secretKeyRef": {"name": "subject", "key": "token"},
                         "type": "urn:ietf:params:oauth:token-type:access_token"},
    })
}

fn provider(kind: &str) -> Value {
    let mut spec = block();
    if kind == "ClusterTokenProvider" {
        spec["allowedNamespaces"] = json!({});
    }
    json!({"apiVersion": "tokensource.dev/v1alpha1", "kind": kind, "metadata": {"name": PROVIDER}, "spec": spec})
}

fn named(kind: &str) -> Value {
    json!({"providerRef": {"kind": kind, "name": PROVIDER}})
}

fn rights() -> [Value; 2] {
    let group = "rbac.authorization.k8s.io";
    let api = format!("{group}/v1");
    [
        json!({"apiVersion": api, "kind": "Role", "metadata": {"name": "authors"}, "rules": [
            {"apiGroups": ["tokensource.dev"], "resources": ["tokensources"], "verbs": ["create", "patch"]},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]}),
        json!({"apiVersion": api, "kind": "RoleBinding", "metadata": {"name": "authors"},
               "roleRef": {"apiGroup": group, "kind": "Role", "name": "authors"},
               "subjects": [{"apiGroup": group, "kind": "User", "name": AUTHOR}]}),
    ]
}

fn documents(objects: &[Value]) -> String {
    objects.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n")
}
