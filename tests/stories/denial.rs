//! Admission policies of the tests, which act in one story's namespace.
//! Knows policies; must not know why a story needs a policy.

use serde_json::{Value, json};

use crate::story::Story;

/// Makes the API server refuse the objects of this resource in the story's namespace for which the expression is false. The
/// policy takes effect after some seconds. Returns the binding; deleting the binding ends the refusals.
pub(crate) async fn deny(story: &Story, group: &str, resource: &str, allowed: &str) -> Value {
    let rule = json!({"apiGroups": [group], "apiVersions": ["*"], "resources": [resource], "operations": ["CREATE", "UPDATE"]});
    let validation = json!({"expression": allowed, "message": "denied by the story"});
    install_policy(story, &format!("deny-{}", story.namespace), &rule, "true", &validation).await
}

/// Installs a policy of this name for the objects in the story's namespace that the rule and the condition select. Returns the
/// binding.
pub(crate) async fn install_policy(
    story: &Story,
    name: &str,
    rule: &Value,
    condition: &str,
    validation: &Value,
) -> Value {
    let object = |kind: &str, spec: Value| json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let selected = format!("object.metadata.namespace == '{}' && ({condition})", story.namespace);
    let policy = json!({
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [{"name": "selected", "expression": selected}],
        "validations": [validation],
    });
    let binding = json!({"policyName": name, "validationActions": ["Deny"]});
    let binding = object("ValidatingAdmissionPolicyBinding", binding);
    for object in [&object("ValidatingAdmissionPolicy", policy), &binding] {
        story.world.plane().apply(&object.to_string()).await;
    }
    binding
}
