//! Two users of one namespace, of whom only one may use the objects in it: which changes of each user the shipped admission
//! policies accept. Knows only their effect. `targets` has users who may not create Secrets.

mod targets;

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokensource::api::TokenSource;
use tokensource_kit::eventually;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{SOON, Story, TOKEN};

pub(crate) use targets::{
    only_who_may_create_secrets_decides_what_is_in_them, only_who_may_create_secrets_may_have_a_target,
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Both may write sources and providers, and create Secrets. alice may also use `client`, `trust`, `builder` and the
/// workloads.
async fn tenants(story: &Story) {
    let authors = json!([{
        "apiGroups": ["tokensource.dev"], "resources": ["tokensources", "tokenproviders"],
        "verbs": ["get", "list", "create", "update", "patch", "delete"],
    }, {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]);
    let readers = json!([
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["client"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["trust"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["builder"], "verbs": ["create"]},
        {"apiGroups": ["apps"], "resources": ["daemonsets", "deployments", "statefulsets"], "resourceNames": workloads(),
         "verbs": ["patch"]},
    ]);
    story.apply(&role("authors", &authors)).await;
    story.apply(&role("readers", &readers)).await;
    story.apply(&bind("authors", &["alice", "bob"])).await;
    story.apply(&bind("readers", &["alice"])).await;
    story.credentials("client", "a-secret-of-alice").await;
    eventually("the rights and the policy", SOON, async || {
        let object = story.source_for("early", &json!({}));
        let [alice, bob] = [try_as(story, "alice", &object).await, try_as(story, "bob", &object).await];
        match (alice, bob) {
            (Ok(()), Err(refusal)) if refusal.contains("you may not get Secrets") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

fn role(name: &str, rules: &Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules})
}

fn bind(role: &str, users: &[&str]) -> Value {
    let subjects: Vec<Value> = users
        .iter()
        .map(|user| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}))
        .collect();
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": role},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}, "subjects": subjects,
    })
}

/// As many workloads as `rolloutRestart` may name.
fn workloads() -> Vec<String> {
    (0..8).map(|number| format!("app-{number}")).collect()
}

/// Applies an object as this user. A TokenSource of the same name is deleted first.
async fn try_as(story: &Story, user: &str, object: &Value) -> Result<(), String> {
    let name = object["metadata"]["name"].as_str().unwrap();
    let _ = story.sources().delete(name, &DeleteParams::default()).await;
    let applied = story.world.plane().try_apply(user, &story.namespace, &object.to_string()).await;
    applied.map(|_| ()).map_err(|error| error.to_string())
}

pub(crate) async fn only_who_may_get_a_secret_may_have_it_sent(story: &mut Story) {
    tenants(story).await;
    for (case, more, words) in references() {
        let source = story.source_for("inline", &more);
        let mut spec = source["spec"]["provider"].clone();
        let mut objects = vec![source];
        // The same references in a provider object, which does not name the credentials.
        if more["credentialsRef"].is_null() && more["provider"].is_object() && more["target"].is_null() {
            spec["tls"]["caBundle"].take();
            let prune =
                |block: &mut Value| block.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            prune(&mut spec["tls"]);
            objects.push(json!({
                "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenProvider",
                "metadata": {"name": format!("of-{case}")}, "spec": spec,
            }));
        }
        for object in &objects {
            let kind = &object["kind"];
            match (words, try_as(story, "bob", object).await) {
                ("", answer) => assert_eq!(answer, Ok(()), "{case}: {kind} of bob"),
                (words, Ok(())) => panic!("{case}: {kind} of bob was accepted, without: {words}"),
                (words, Err(refusal)) => assert!(refusal.contains(words), "{case}: {kind} of bob: {refusal}"),
            }
            let answer = try_as(story, "alice", object).await;
            assert_eq!(answer, Ok(()), "{case}: {kind} of alice");
        }
    }
    // Alice's object is served, because the policy does not restrict the controller's own writes.
    story.provider.always(TOKEN, Answer::token(3600));
    assert_eq!(try_as(story, "alice", &story.source_for("served", &json!({}))).await, Ok(()));
    story.ready("served").await;
}

/// The other TokenSource determines which Secret has its token, so the right to one Secret is not enough.
pub(crate) async fn only_who_may_get_all_secrets_may_use_another_token(story: &mut Story) {
    tenants(story).await;
    let bearer = json!({"method": "bearer_token", "bearerToken": {"tokenSourceRef": {"name": "first"}}});
    let chained = story.source_for("chained", &json!({"provider": {"clientAuthentication": bearer}}));
    let refusal = try_as(story, "alice", &chained).await.expect_err("alice may get one Secret");
    assert!(refusal.contains("the right to get the Secrets of this namespace"), "{refusal}");

    let all = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]);
    story.apply(&role("all-secrets", &all)).await;
    story.apply(&bind("all-secrets", &["alice"])).await;
    eventually("the right", SOON, async || try_as(story, "alice", &chained).await).await;
    try_as(story, "bob", &chained).await.expect_err("bob may get none");
}

/// Changes of a spec, and a part of bob's refusal; an empty string if bob is not refused.
fn references() -> Vec<(&'static str, Value, &'static str)> {
    let nobody = |provider: Value| json!({"credentialsRef": null, "provider": provider});
    let none = json!({"method": "none"});
    let account = json!({"name": "builder", "audience": "provider"});
    let kinds = ["DaemonSet", "Deployment", "StatefulSet"].into_iter().cycle();
    let workloads = kinds.zip(workloads()).map(|(kind, name)| json!({"kind": kind, "name": name}));
    vec![
        ("nothing", nobody(json!({"clientAuthentication": none})), ""),
        ("credentials", json!({}), "ask for the right to get client"),
        (
            "subject",
            nobody(json!({"clientAuthentication": none, "grantType": EXCHANGE,
                "subjectToken": {"secretKeyRef": {"name": "client", "key": "token"}}})),
            "you may not get Secrets",
        ),
        (
            "certificate",
            nobody(json!({"clientAuthentication": {"method": "tls_client_auth"},
                "tls": {"clientCertificateRef": {"name": "client"}}})),
            "you may not get Secrets",
        ),
        (
            "trust",
            nobody(json!({"clientAuthentication": none,
                "tls": {"caBundle": null, "caBundleRef": {"name": "trust", "key": "ca.crt"}}})),
            "you may not get ConfigMaps",
        ),
        (
            "account",
            nobody(
                json!({"clientAuthentication": {"method": "federated_jwt", "serviceAccountToken": account}}),
            ),
            "you may not create tokens of ServiceAccounts",
        ),
        (
            "actor",
            nobody(
                json!({"clientAuthentication": none, "grantType": EXCHANGE, "subjectToken": {"serviceAccountToken": account},
                "actorToken": {"secretKeyRef": {"name": "client", "key": "token"}}}),
            ),
            "you may not get Secrets",
        ),
        (
            "assertion",
            nobody(json!({"clientAuthentication": none, "grantType": JWT_BEARER,
                "assertionGrant": {"assertionFrom": {"secretKeyRef": {"name": "client", "key": "token"}}}})),
            "you may not get Secrets",
        ),
        (
            "parameter",
            nobody(json!({"clientAuthentication": none,
                "parameters": [{"name": "jwt", "valueFrom": {"serviceAccountToken": account}}]})),
            "you may not create tokens of ServiceAccounts",
        ),
        (
            "header",
            nobody(json!({"clientAuthentication": none,
                "headers": [{"name": "X-Token", "valueFrom": {"serviceAccountToken": account}}]})),
            "you may not create tokens of ServiceAccounts",
        ),
        (
            "bearer",
            nobody(json!({"clientAuthentication": {
                "method": "bearer_token", "bearerToken": {"serviceAccountToken": account}}})),
            "you may not create tokens of ServiceAccounts",
        ),
        (
            "secret",
            nobody(json!({"clientAuthentication": {
                "method": "client_secret_post", "clientSecretFrom": {"serviceAccountToken": account}}})),
            "you may not create tokens of ServiceAccounts",
        ),
        (
            "everything",
            json!({"provider": {"clientAuthentication": {"method": "tls_client_auth"}, "grantType": EXCHANGE,
                "subjectToken": {"secretKeyRef": {"name": "client", "key": "token"}},
                "tls": {"clientCertificateRef": {"name": "client"}}},
                "target": {"rolloutRestart": workloads.collect::<Vec<_>>()}}),
            "ask for the right to get client, client, client",
        ),
        (
            "workload",
            json!({"credentialsRef": null, "provider": {"clientAuthentication": none},
                "target": {"rolloutRestart": [{"kind": "StatefulSet", "name": "app-7"}]}}),
            "ask for the right to patch StatefulSet app-7",
        ),
        (
            "subject-account",
            nobody(json!({"clientAuthentication": none, "grantType": EXCHANGE,
                "subjectToken": {"serviceAccountToken": account}})),
            "you may not create tokens of ServiceAccounts",
        ),
    ]
}

/// Updates without a change of the spec are permitted; a change requires the rights to everything that the spec names.
pub(crate) async fn unchanged_specs_pass(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    tenants(story).await;
    assert_eq!(try_as(story, "alice", &story.source_for("hers", &json!({}))).await, Ok(()));
    story.ready("hers").await;
    let by_bob: Api<TokenSource> = Api::namespaced(story.world.plane().client("bob"), &story.namespace);
    let patch =
        async |patch: Value| by_bob.patch("hers", &PatchParams::default(), &Patch::Merge(&patch)).await;
    patch(json!({"metadata": {"labels": {"seen-by": "bob"}}})).await.expect("a label");
    let renew = json!({"metadata": {"annotations": {"tokensource.dev/renew-requested-at": "now"}}});
    patch(renew).await.expect("a request to renew");
    // Applies the same spec again, as GitOps tools do.
    let same = story.source_for("hers", &json!({}));
    story.world.plane().try_apply("bob", &story.namespace, &same.to_string()).await.expect("the same again");
    for change in [
        json!({"provider": {"tokenEndpoint": "https://bob.example/token"}}),
        json!({"token": {"scopes": ["everything"]}}),
        json!({"credentialsRef": {"name": "another"}}),
    ] {
        let refusal = patch(json!({"spec": change})).await.expect_err("a changed spec").to_string();
        assert!(refusal.contains("you may not get Secrets"), "{change}: {refusal}");
    }
    // Removing the credentials requires no right to them.
    let none = json!({"credentialsRef": null, "provider": {"clientAuthentication": {"method": "none"}}});
    patch(json!({"spec": none})).await.expect("a spec that names nothing");
}

/// A `TokenProvider` or `ClusterTokenProvider` with the story's provider block, changed by `more`.
fn provider_for(story: &Story, kind: &str, name: &str, more: &Value) -> Value {
    let mut spec = story.source_for("any", &json!({"provider": more}))["spec"]["provider"].clone();
    spec["clientAuthentication"] = more["clientAuthentication"].clone();
    json!({"apiVersion": "tokensource.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// Bob must not use references through a provider object of another user if he may not use them himself.
pub(crate) async fn provider_object_lends_nobodys_secret(story: &mut Story) {
    tenants(story).await;
    let none = json!({"method": "none"});
    let account = json!({"name": "builder", "audience": "provider"});
    let cases = [
        ("bland", json!({"clientAuthentication": none}), ""),
        (
            "subject",
            json!({"clientAuthentication": none, "grantType": EXCHANGE,
                "subjectToken": {"secretKeyRef": {"name": "client", "key": "token"}}}),
            "ask for the right to get client",
        ),
        (
            "certificate",
            json!({"clientAuthentication": {"method": "tls_client_auth"},
                "tls": {"clientCertificateRef": {"name": "client"}}}),
            "ask for the right to get client",
        ),
        (
            "account",
            json!({"clientAuthentication": {"method": "federated_jwt", "serviceAccountToken": account}}),
            "serviceaccounts/token for builder",
        ),
        (
            "subject-account",
            json!({"clientAuthentication": none, "grantType": EXCHANGE,
                "subjectToken": {"serviceAccountToken": account}}),
            "serviceaccounts/token for builder",
        ),
        (
            "everything",
            json!({"clientAuthentication": {"method": "federated_jwt", "serviceAccountToken": account},
                "grantType": EXCHANGE, "subjectToken": {"secretKeyRef": {"name": "client", "key": "token"}},
                "tls": {"clientCertificateRef": {"name": "client"}}}),
            "ask for the right to get client, client",
        ),
        (
            "trust",
            json!({"clientAuthentication": none,
                "tls": {"caBundle": null, "caBundleRef": {"name": "trust", "key": "ca.crt"}}}),
            "names ConfigMaps that you may not get: ask for the right to get trust",
        ),
    ];
    for kind in ["TokenProvider", "ClusterTokenProvider"] {
        for (case, more, words) in &cases {
            // The CRD refuses a ConfigMap in an object that has no namespace.
            if kind == "ClusterTokenProvider" && *case == "trust" {
                continue;
            }
            // Cluster providers of all stories exist at the same time.
            let name = format!("{case}-{}", story.namespace);
            let provider = provider_for(story, kind, &name, more);
            let author = if kind == "TokenProvider" { "alice" } else { "admin" };
            let applied =
                story.world.plane().try_apply(author, &story.namespace, &provider.to_string()).await;
            applied.unwrap_or_else(|error| panic!("{case}: {kind} of {author}: {error}"));
            let reference = json!({"kind": kind, "name": name});
            let source = story.source_for(
                "referring",
                &json!({"provider": null, "credentialsRef": null, "providerRef": reference}),
            );
            if words.is_empty() {
                assert_eq!(try_as(story, "bob", &source).await, Ok(()), "{case}: {kind}");
            } else {
                // The policy sees a provider a moment after it was created.
                eventually("a refusal", SOON, async || match try_as(story, "bob", &source).await {
                    Ok(()) => Err("bob was accepted".to_owned()),
                    Err(refusal) if refusal.contains(words) && refusal.contains(kind) => Ok(()),
                    Err(refusal) => Err(refusal),
                })
                .await;
            }
            assert_eq!(try_as(story, "alice", &source).await, Ok(()), "{case}: {kind} named by alice");
            // An update from a provider without references to a provider with references.
            if !words.is_empty() {
                let bland = format!("bland-{}", story.namespace);
                let bland = story.source_for(
                    "moving",
                    &json!({"provider": null, "credentialsRef": null, "providerRef": {"kind": kind, "name": bland}}),
                );
                assert_eq!(try_as(story, "bob", &bland).await, Ok(()), "{case}: {kind}");
                let by_bob: Api<TokenSource> =
                    Api::namespaced(story.world.plane().client("bob"), &story.namespace);
                let patch = json!({"spec": {"providerRef": {"name": name}}});
                let moved = by_bob.patch("moving", &PatchParams::default(), &Patch::Merge(&patch)).await;
                let refusal = moved.expect_err("another provider").to_string();
                assert!(refusal.contains(words), "{case}: {refusal}");
            }
        }
    }
}
