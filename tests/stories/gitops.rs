//! The health checks for Flux, evaluated on real objects by the CEL of the API server. tests/gitops.rs has the checks for Argo CD.
//! Knows in which order Flux evaluates its expressions; must not know how a status is made.

use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokensource::api::ConditionType;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::shipped::repository;
use tokensource_kit::{eventually, manifest};

use crate::denial::install_policy;
use crate::story::{Story, TOKEN, is};

/// An expression of the example, on the `object` of a policy. Flux has the members of the object as variables.
fn expression(name: &str) -> String {
    let example = manifest::load(repository().join("deploy/gitops/flux-kustomization.yaml")).remove(0);
    let check = &example.data["spec"]["healthCheckExprs"][0];
    assert_eq!(
        (&check["apiVersion"], &check["kind"]),
        (&json!("tokensource.dev/v1alpha1"), &json!("TokenSource"))
    );
    check[name].as_str().unwrap().replace("status.conditions", "object.status.conditions")
}

/// A policy that refuses the changes of `says`, and reports what Flux would say of the object.
async fn install(story: &Story) {
    let name = format!("flux-{}", story.namespace);
    let verdict = format!(
        "'Flux: ' + (object.status.observedGeneration != object.metadata.generation ? 'InProgress' : ({}) ? 'Failed' : ({}) ? \
         'Current' : 'InProgress')",
        expression("failed"),
        expression("current")
    );
    let rule = json!({"apiGroups": ["tokensource.dev"], "apiVersions": ["v1alpha1"], "resources": ["tokensources"],
        "operations": ["UPDATE"]});
    let asked = "has(object.metadata.labels) && 'asked' in object.metadata.labels";
    let validation = json!({"expression": "false", "messageExpression": verdict});
    install_policy(story, &name, &rule, asked, &validation).await;
}

/// Waits until Flux would say this of the object.
async fn says(story: &Story, name: &str, verdict: &str) {
    let parameters = PatchParams { dry_run: true, ..PatchParams::default() };
    let patch = Patch::Merge(json!({"metadata": {"labels": {"asked": ""}}}));
    eventually(&format!("{name} is {verdict}"), std::time::Duration::from_secs(30), async || {
        match story.sources().patch(name, &parameters, &patch).await {
            Ok(_) => Err("the policy is not in force yet".to_owned()),
            Err(error) if error.to_string().contains(&format!("Flux: {verdict}")) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
}

pub(crate) async fn flux_waits_for_renewals_and_gives_up_on_the_hopeless(story: &mut Story) {
    install(story).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("good", &json!({})).await;
    story.apply(&story.source_for("hopeless", &json!({"credentialsRef": {"name": "nowhere"}}))).await;
    story.ready("good").await;
    story.failing("hopeless", "CredentialsNotFound").await;
    says(story, "good", "Current").await;
    says(story, "hopeless", "Failed").await;

    story.provider.always(TOKEN, Answer::status(503));
    story.ask("pending", &json!({})).await;
    story.failing("pending", "ProviderUnavailable").await;
    says(story, "pending", "InProgress").await;
    // The token is still good, and the renewal with new credentials fails.
    story.credentials("client", "n3w-s3cr3t").await;
    let good = story.failing("good", "ProviderUnavailable").await;
    assert!(is(&good, ConditionType::Ready, "True"), "{:#?}", good.status);
    says(story, "good", "InProgress").await;
}
