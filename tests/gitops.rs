//! The health checks for Argo CD, run on every possible state of an object. The stories run them on their objects, too.
//! Knows Argo CD's states; must not know how a status is made.

use serde_json::{Value, json};
use tokensource_kit::argocd::health;

fn source(status: &Value) -> Value {
    json!({"apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
        "metadata": {"name": "a", "generation": 2}, "spec": {}, "status": status})
}

fn conditions(observed: i64, conditions: &[(&str, &str, &str)]) -> Value {
    let conditions: Vec<_> = conditions
        .iter()
        .map(|(kind, status, message)| json!({"type": kind, "status": status, "message": message, "reason": "R"}))
        .collect();
    json!({"observedGeneration": observed, "conditions": conditions})
}

#[test]
fn each_state_of_a_token_source_has_its_health() {
    let good = [("Ready", "True", "valid"), ("Renewed", "True", "renewed")];
    let cases = [
        ("applied a moment ago", json!({"observedGeneration": -1}), "Progressing", "not seen"),
        ("without a status", Value::Null, "Progressing", "not seen"),
        ("a good token of the generation before", conditions(1, &good), "Progressing", "not seen"),
        ("a good token", conditions(2, &good), "Healthy", "valid"),
        (
            "a good token whose renewal fails",
            conditions(2, &[("Ready", "True", "valid"), ("Renewed", "False", "refused")]),
            "Healthy",
            "refused",
        ),
        (
            "no token yet",
            conditions(2, &[("Ready", "False", "none"), ("Reconciling", "True", "under way")]),
            "Progressing",
            "under way",
        ),
        (
            "no token, and the provider is down",
            conditions(
                2,
                &[("Ready", "False", "none"), ("Renewed", "False", "503"), ("Reconciling", "True", "503")],
            ),
            "Progressing",
            "503",
        ),
        (
            "no token, and none to be had",
            conditions(
                2,
                &[("Ready", "False", "none"), ("Renewed", "False", "no"), ("Stalled", "True", "no")],
            ),
            "Degraded",
            "no",
        ),
        (
            "no token, and nothing said why",
            conditions(2, &[("Ready", "False", "none")]),
            "Progressing",
            "none",
        ),
    ];
    for (case, status, expected, message) in cases {
        let found = health(&source(&status));
        assert_eq!(found.status, expected, "{case}");
        assert!(found.message.contains(message), "{case}: {}", found.message);
    }
    let mut suspended = source(&conditions(2, &good));
    suspended["spec"]["suspend"] = json!(true);
    assert_eq!(health(&suspended).status, "Suspended");
}

#[test]
fn a_provider_is_degraded_only_while_its_current_status_says_that_it_fails() {
    let ready = |status: &'static str| [("Ready", status, "what happened")];
    let of_old_versions = json!({"conditions": conditions(2, &ready("False"))["conditions"]});
    let cases = [
        ("without a status", Value::Null, "Healthy", "yet"),
        ("with an empty status", json!({"tokenSources": 0}), "Healthy", "yet"),
        ("that answers", conditions(2, &ready("True")), "Healthy", "what happened"),
        ("that fails", conditions(2, &ready("False")), "Degraded", "what happened"),
        ("that fails, without a generation", of_old_versions, "Degraded", "what happened"),
        ("that is not known to fail", conditions(2, &ready("Unknown")), "Healthy", "what happened"),
        ("that failed by an earlier spec", conditions(1, &ready("False")), "Healthy", "yet"),
    ];
    for kind in ["TokenProvider", "ClusterTokenProvider"] {
        for (case, status, expected, message) in &cases {
            let metadata = json!({"name": "p", "generation": 2});
            let found = health(&json!({"kind": kind, "metadata": metadata, "spec": {}, "status": status}));
            assert_eq!(found.status, *expected, "{kind} {case}");
            assert!(found.message.contains(message), "{kind} {case}: {}", found.message);
        }
    }
}
