//! An admission policy of the test, which refuses some writes in a story's namespace.
//! Knows policies; must not know why a story needs one.

use serde_json::{Value, json};

use crate::story::Story;

/// Makes the API server refuse the objects of this resource in the story's namespace for which the expression is false, some
/// seconds from now. Returns the binding, whose deletion ends it.
pub(crate) async fn deny(story: &Story, group: &str, resource: &str, allowed: &str) -> Value {
    let name = format!("deny-{}", story.namespace);
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [group], "apiVersions": ["*"], "resources": [resource], "operations": ["CREATE", "UPDATE"]}]},
            "matchConditions": [{"name": "of-the-story", "expression": format!(
                "object.metadata.namespace == '{}'", story.namespace)}],
            "validations": [{"expression": allowed, "message": "denied by the story"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    story.world.plane().apply(&policy.to_string()).await;
    story.world.plane().apply(&binding.to_string()).await;
    binding
}
