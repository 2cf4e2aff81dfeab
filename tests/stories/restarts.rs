//! Workloads that are restarted for each token after the first, and for nothing else. Knows the right that an installation
//! grants only on request; must not know how pods are replaced.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::shipped::repository;
use tokensource_kit::{eventually, manifest};

use crate::story::{SOON, Story, TOKEN, condition, merge};

const ANNOTATION: &str = "restarted-for.tokensource.dev/served";

/// Grants the right in this story's namespace.
async fn permit(story: &Story) {
    let component = manifest::load(repository().join("deploy/kustomize/rollout-restart/rbac.yaml"));
    let role = component
        .into_iter()
        .filter(|object| object.types.as_ref().is_some_and(|types| types.kind == "ClusterRole"));
    story.world.plane().apply_objects(&role.collect::<Vec<_>>()).await;
    story
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "rollout-restart"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": "tokensource-rollout-restart"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group",
                "name": "tokensource-controllers"}],
        }))
        .await;
}

fn workload(kind: &str, name: &str) -> Value {
    let labels = json!({"app": name});
    let mut spec = json!({
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": {"example.com/ours": "stays"}},
            "spec": {"containers": [{"name": "app", "image": "app", "env": [
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "served-token", "key": "access_token"}}},
            ]}]},
        },
    });
    if kind == "StatefulSet" {
        spec["serviceName"] = json!(name);
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// The generation of the Deployment, and the annotations of its pod template. A change of the template is a rollout.
async fn template(story: &Story) -> (i64, Value) {
    let api: Api<Deployment> = Api::namespaced(story.world.plane().admin(), &story.namespace);
    let deployment = api.get("web").await.expect("the Deployment");
    let metadata = deployment.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
    let annotations = metadata.and_then(|metadata| metadata.annotations.clone());
    (deployment.metadata.generation.unwrap_or_default(), json!(annotations))
}

async fn restarted(story: &Story, generation: i64, within: Duration) {
    let issued_at = async || {
        let secret = story.secrets().get("served-token").await.expect("the target");
        secret.annotations().get("tokensource.dev/issued-at").cloned()
    };
    eventually("a restart", within, async || match (template(story).await, issued_at().await) {
        ((seen, annotations), Some(issued_at))
            if seen == generation && annotations[ANNOTATION] == issued_at.as_str() =>
        {
            assert_eq!(annotations["example.com/ours"], "stays");
            Ok(())
        }
        other => Err(format!("{other:?}, not generation {generation}")),
    })
    .await;
}

/// The right is missing, then granted; then each further token restarts each existing workload once.
pub(crate) async fn each_other_token_restarts_once(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        story.apply(&workload(kind, "web")).await;
    }
    let named: Vec<_> =
        [("Deployment", "web"), ("StatefulSet", "web"), ("DaemonSet", "web"), ("Deployment", "none")]
            .map(|(kind, name)| json!({"kind": kind, "name": name}))
            .into();
    story.ask("served", &json!({"target": {"rolloutRestart": named}})).await;
    story.ready("served").await;
    assert_eq!(template(story).await.0, 1, "the first token restarts nothing");

    // A new token without the right to restart the first workload: the token is published anyway.
    let right = |kind: &str, more: Value| {
        let mut object =
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "last"}});
        merge(&mut object, &more);
        object
    };
    let rules = json!([{"apiGroups": ["apps"], "resources": ["daemonsets"], "verbs": ["patch"]}]);
    story.apply(&right("Role", json!({"rules": rules}))).await;
    let group =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "tokensource-controllers"});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "last"});
    story.apply(&right("RoleBinding", json!({"roleRef": role, "subjects": [group]}))).await;
    renew(story, 2).await;
    eventually("the notice", SOON, async || {
        let source = story.sources().get("served").await.map_err(|error| error.to_string())?;
        let (status, _, message) = condition(&source, ConditionType::Renewed).ok_or("no condition")?;
        if status == "True" && message.contains("RestartFailed") { Ok(()) } else { Err(message) }
    })
    .await;
    let source = story.ready("served").await;
    assert!(condition(&source, ConditionType::Stalled).is_none());
    assert!(story.events("served").await.contains(&"RestartFailed".to_owned()));
    assert_eq!(template(story).await.0, 1);
    let last = Api::<DaemonSet>::namespaced(story.world.plane().admin(), &story.namespace);
    let rollouts = async || last.get("web").await.expect("the DaemonSet").metadata.generation;
    assert_eq!(rollouts().await, Some(2), "a workload does not wait for another one");

    permit(story).await;
    // The restart is tried again once a minute.
    restarted(story, 2, Duration::from_secs(80)).await;
    eventually("no notice", SOON, async || {
        let source = story.sources().get("served").await.map_err(|error| error.to_string())?;
        let (_, _, message) = condition(&source, ConditionType::Renewed).ok_or("no condition")?;
        if message.contains("RestartFailed") { Err(message) } else { Ok(()) }
    })
    .await;
    assert!(story.events("served").await.contains(&"WorkloadsRestarted".to_owned()));
    assert_eq!(rollouts().await, Some(2), "restarted once");

    renew(story, 3).await;
    restarted(story, 3, SOON).await;

    // Neither other labels nor a restart of the controller restarts the workload, because the token is the same.
    story.patch_source("served", &json!({"spec": {"target": {"labels": {"team": "web"}}}})).await;
    story.until_labels("served-token", &[("team", Some("web"))]).await;
    story.controller.restart().await;
    story.asked_exactly(3).await;
    story.ready("served").await;
    assert_eq!(template(story).await.0, 3);
}

/// Causes another token, with this number, by another scope, since renewal requests are granted once a minute only.
async fn renew(story: &Story, number: usize) {
    story.patch_source("served", &json!({"spec": {"token": {"scopes": [format!("s{number}")]}}})).await;
    story.asked(number).await;
    story.ready("served").await;
}
