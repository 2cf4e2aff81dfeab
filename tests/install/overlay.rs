//! The overlay that docs/install.md shows, and the patch in docs/logs.md, as kustomize makes them.
//! Knows which page has the examples; must not know how transformers work.

use kube::ResourceExt;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use tokensource_kit::manifest;
use tokensource_kit::shipped::repository;

use crate::helm::{find, kind, kustomize_directory, names};

/// The objects that kustomize builds from an example for a directory in `deploy/kustomize`.
fn built(example: &str) -> Vec<DynamicObject> {
    // kustomize follows relative paths only.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let up = "../".repeat(directory.path().canonicalize().unwrap().components().count() - 1);
    let deploy = format!("{up}{}", repository().join("deploy").strip_prefix("/").unwrap().display());
    let example =
        example.replace("../../", "DEPLOY/").replace("../", "DEPLOY/kustomize/").replace("DEPLOY", &deploy);
    std::fs::write(directory.path().join("kustomization.yaml"), example).unwrap();
    manifest::parse(&kustomize_directory(directory.path()))
}

/// The first block of YAML after these words of a page.
fn block(page: &str, words: &str) -> String {
    let page = std::fs::read_to_string(repository().join(page)).unwrap();
    let (_, section) = page.split_once(words).unwrap();
    section.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0.to_owned()
}

#[test]
fn patch_for_traces_names_the_collector() {
    let patch = block("docs/logs.md", "With kustomize, a patch of the Deployment");
    let objects = built(&format!("resources: [../cluster]\n{patch}"));
    let deployment = find(&objects, "Deployment", "tokensource-controller");
    let arguments = &deployment.data["spec"]["template"]["spec"]["containers"][0]["args"];
    let last: Vec<_> = arguments.as_array().unwrap().iter().rev().take(2).collect();
    assert_eq!(
        last,
        ["--otlp-sampling-ratio=0.1", "--otlp-endpoint=http://otel-collector.observability.svc:4318"]
    );
}

#[test]
fn example_has_registry_labels_pull_secrets_and_a_service_monitor() {
    let objects = built(&block("docs/install.md", "\n## kustomize\n"));

    let deployment = find(&objects, "Deployment", "tokensource-controller");
    let pod = &deployment.data["spec"]["template"];
    assert_eq!(pod["spec"]["containers"][0]["image"], "registry.example/team/tokensource:0.1.0");
    assert_eq!(pod["spec"]["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["spec"]["securityContext"]["runAsUser"], Value::Null);
    assert_eq!(pod["metadata"]["labels"]["team"], "platform");
    let selector = json!({"app.kubernetes.io/name": "tokensource"});
    assert_eq!(deployment.data["spec"]["selector"]["matchLabels"], selector);
    for object in &objects {
        assert_eq!(object.labels()["team"], "platform", "{} {}", kind(object), object.name_any());
    }
    find(&objects, "ClusterRole", "tokensource-rollout-restart");
    find(&objects, "ServiceMonitor", "tokensource");
    find(&objects, "PrometheusRule", "tokensource");
    let service = find(&objects, "Service", "tokensource-metrics");
    assert_eq!(service.data["spec"]["selector"], selector);
    assert!(names(&objects).iter().all(|(kind, _)| kind != "PodMonitor"), "it would count each pod twice");
}
