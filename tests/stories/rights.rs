//! The controller's own rights: sufficient, in one namespace and in all, and no more than that. Knows the manifests that
//! grant them and the API server's audit log. Must not know the use of a right.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::api::{DynamicObject, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tokensource_kit::controller::ControllerProcess;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::shipped::repository;
use tokensource_kit::{eventually, manifest};

use crate::story::{SOON, Story, TOKEN};
use crate::world::{CONTROLLER, World};

/// Group, resource (with its subresource), verb.
type Right = (String, String, String);

/// The namespaced overlay, as kubectl builds it, for this story's namespace. The controller runs as its ServiceAccount.
pub(crate) async fn one_namespace_is_enough(story: &mut Story) {
    let objects = overlay(story);
    let of_kind = |kind: &str| -> Vec<DynamicObject> {
        let is = |object: &&DynamicObject| object.types.as_ref().is_some_and(|types| types.kind == kind);
        objects.iter().filter(is).cloned().collect()
    };
    for kind in ["Namespace", "ServiceAccount", "Role", "RoleBinding", "Secret"] {
        story.world.plane().apply_objects(&of_kind(kind)).await;
    }
    assert!(of_kind("ClusterRole").is_empty() && of_kind("ClusterRoleBinding").is_empty());
    let deployment = &of_kind("Deployment")[0].data["spec"]["template"]["spec"];
    let account = deployment["serviceAccountName"].as_str().unwrap();
    let kubeconfig = story.world.plane().kubeconfig_for_service_account("tokensource-system", account).await;
    let arguments: Vec<_> = deployment["containers"][0]["args"].as_array().unwrap().iter().skip(1).collect();
    assert_eq!(arguments, [&json!("--leader-elect"), &json!(format!("--namespace={}", story.namespace))]);
    let arguments: Vec<_> = arguments.iter().filter_map(|argument| argument.as_str()).collect();
    story
        .run_as(
            &kubeconfig,
            &[&arguments[..], &["--lease-namespace", "tokensource-system", "--allow-network", "127.0.0.0/8"]]
                .concat(),
        )
        .await;

    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("modest", &json!({})).await;
    story.ready("modest").await;
    // Another type requires another Secret, and the old Secret is deleted.
    story.patch_source("modest", &json!({"spec": {"target": {"type": "example.com/token"}}})).await;
    eventually("the new type", SOON, async || match story.secrets().get_opt("modest-token").await {
        Ok(Some(secret)) if secret.type_.as_deref() == Some("example.com/token") => Ok(()),
        found => Err(format!("{:?}", found.map(|secret| secret.and_then(|secret| secret.type_)))),
    })
    .await;
    assert!(story.events("modest").await.contains(&"TokenIssued".to_owned()));
    // The empty Secret of the manifests has the key now, so that no Secret had to be created.
    let system: Api<Secret> = Api::namespaced(story.world.plane().admin(), "tokensource-system");
    let key = system.get("tokensource-key").await.expect("the Secret of the manifests");
    assert!(key.data.is_some_and(|data| data["key"].0.len() >= 32) && key.immutable == Some(true));

    let client = client(&kubeconfig).await;
    let own: Api<Secret> = Api::namespaced(client.clone(), &story.namespace);
    own.get("modest-token").await.expect("its own namespace's Secrets");
    for foreign in [Api::<Secret>::namespaced(client.clone(), "default"), Api::all(client)] {
        match foreign.list(&ListParams::default()).await {
            Err(kube::Error::Api(status)) => assert_eq!(status.code, 403),
            other => panic!("Secrets of another namespace: {:?}", other.map(|list| list.items.len())),
        }
    }
}

/// A controller without the right to create Secrets would request a token and lose it.
pub(crate) async fn controller_that_may_not_write_is_not_ready(story: &mut Story) {
    let mut objects = overlay(story);
    objects.retain(|object| {
        let kind = object.types.as_ref().map(|types| types.kind.clone()).unwrap_or_default();
        ["Namespace", "ServiceAccount", "Role", "RoleBinding"].contains(&kind.as_str())
    });
    let whole = objects.clone();
    for object in &mut objects {
        for rule in object.data.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
            if rule["resources"] == json!(["secrets"]) {
                rule["verbs"] = json!(["get", "list", "watch", "patch"]);
            }
        }
    }
    story.world.plane().apply_objects(&objects).await;
    let kubeconfig = story
        .world
        .plane()
        .kubeconfig_for_service_account("tokensource-system", "tokensource-controller")
        .await;
    story.controller.kill9();
    let binary = Path::new(env!("CARGO_BIN_EXE_tokensource"));
    let arguments = ["--namespace", &story.namespace, "--allow-network", "127.0.0.0/8"];
    let controller = ControllerProcess::spawn(binary, &kubeconfig, &arguments, &[]);
    eventually("the missing right", SOON, async || match controller.get("/readyz").await {
        Err(answer) if answer.contains("create secrets") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let log = controller.logs();
    assert!(log.contains("create secrets"), "{log}");
    story.world.plane().apply_objects(&whole).await;
    eventually("readiness", std::time::Duration::from_secs(45), async || controller.get("/readyz").await)
        .await;
}

/// One of two served namespaces does not exist, and neither does its Role. The other is served, and the missing namespace is
/// served when it and its Role have been created.
pub(crate) async fn namespace_that_is_gone_keeps_nobody_waiting(story: &mut Story) {
    let gone = format!("{}-gone", story.namespace);
    let objects = overlay(story);
    for kind in ["Namespace", "ServiceAccount", "Role", "RoleBinding"] {
        let is = |object: &&DynamicObject| object.types.as_ref().is_some_and(|types| types.kind == kind);
        story.world.plane().apply_objects(&objects.iter().filter(is).cloned().collect::<Vec<_>>()).await;
    }
    let kubeconfig = story
        .world
        .plane()
        .kubeconfig_for_service_account("tokensource-system", "tokensource-controller")
        .await;
    let present = story.namespace.clone();
    let served = ["--namespace", &present, "--namespace", &gone, "--allow-network", "127.0.0.0/8"];
    story.run_as(&kubeconfig, &served).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("present", &json!({})).await;
    story.ready("present").await;

    let ready = story.controller.get("/readyz").await.expect("ready");
    assert!(ready.contains(&gone) && !ready.contains(&format!("namespace {}\n", story.namespace)), "{ready}");
    let works = async |namespace: &str| {
        let labels = [("namespace", namespace), ("kind", "Secret")];
        story.controller.metric("tokensource_watch_working", &labels).await
    };
    assert_eq!((works(&story.namespace).await, works(&gone).await), (Some(1.0), Some(0.0)));
    let cluster_scoped = [("namespace", ""), ("kind", "ClusterTokenProvider")];
    let optional = story.controller.metric("tokensource_watch_working", &cluster_scoped).await;
    assert_eq!(optional, None, "nobody has to repair it");
    // The log has one line for each kind, at INFO for kinds that such an installation may not read.
    let log = story.controller.logs();
    let said = |what: &str| {
        log.lines().filter(|line| line.contains(" tokensource::") && line.contains(what)).count()
    };
    assert_eq!((said("Watch failed"), said("Not allowed to watch")), (3, 2));
    let warned = |kind: &str| log.lines().any(|line| line.contains(" WARN ") && line.contains(kind));
    assert!(!warned("\"Namespace\"") && !warned("ClusterTokenProvider"));

    let again = |object: &DynamicObject| {
        let text = serde_json::to_string(object).expect("JSON");
        serde_json::from_str(&text.replace(&format!("\"{}\"", story.namespace), &format!("\"{gone}\"")))
            .expect("an object")
    };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": gone}});
    story.world.plane().apply(&namespace.to_string()).await;
    let rights: Vec<DynamicObject> = objects
        .iter()
        .filter(|object| object.metadata.namespace.as_deref() == Some(&story.namespace))
        .map(again)
        .collect();
    story.world.plane().apply_objects(&rights).await;
    eventually("the created namespace", std::time::Duration::from_secs(60), async || {
        match works(&gone).await {
            Some(1.0) => Ok(()),
            found => Err(format!("{found:?}")),
        }
    })
    .await;
    eventually("readiness without reservations", std::time::Duration::from_secs(45), async || {
        match story.controller.get("/readyz").await.as_deref() {
            Ok("ok\n") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

/// The objects of `kubectl apply -k deploy/kustomize/namespaced`, with this namespace instead of `team-a`.
pub(crate) fn overlay(story: &Story) -> Vec<DynamicObject> {
    let copy = story.world.plane().directory().join(format!("overlay-{}", story.namespace));
    std::fs::create_dir(&copy).unwrap();
    for directory in ["deploy", "crds"] {
        let copied = Command::new("cp").arg("-r").arg(repository().join(directory)).arg(&copy).status();
        assert!(copied.is_ok_and(|status| status.success()), "copying {directory}");
    }
    let role = copy.join("deploy/kustomize/namespaced/rbac.yaml");
    let text = std::fs::read_to_string(&role).unwrap();
    std::fs::write(&role, text.replacen("team-a", &story.namespace, 1)).unwrap();
    let kubectl = Command::new(story.world.plane().kubectl())
        .args(["kustomize", "deploy/kustomize/namespaced"])
        .current_dir(&copy)
        .output()
        .expect("kubectl");
    assert!(kubectl.status.success(), "{}", String::from_utf8_lossy(&kubectl.stderr));
    manifest::parse(&String::from_utf8(kubectl.stdout).unwrap())
}

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a configuration")).expect("a client")
}

/// The rights of the shipped roles that no controller of any story has used, and the differences of the two roles.
pub(crate) fn never_used(world: &World) -> Vec<String> {
    let used: BTreeSet<Right> = world
        .plane()
        .audit()
        .into_iter()
        .chain(world.used_elsewhere())
        .filter(|entry| entry.user == CONTROLLER && entry.status != 403)
        .map(|entry| {
            let subresource =
                if entry.subresource.is_empty() { String::new() } else { format!("/{}", entry.subresource) };
            (entry.group, entry.resource + &subresource, entry.verb)
        })
        .collect();
    let cluster = rights::<ClusterRole>("cluster", |role| role.rules);
    let namespaced = rights::<Role>("namespaced", |role| role.rules);
    let of_the_cluster = |(_, resource, _): &&Right| {
        ["namespaces", "clustertokenproviders"].contains(&resource.split('/').next().unwrap_or_default())
    };
    let mut complaints: Vec<String> =
        cluster.difference(&used).map(|right| format!("granted, and never used: {right:?}")).collect();
    let expected: BTreeSet<Right> = cluster.iter().filter(|right| !of_the_cluster(right)).cloned().collect();
    complaints.extend(
        expected
            .symmetric_difference(&namespaced)
            .map(|right| format!("in one of the two roles only: {right:?}")),
    );
    complaints
}

/// The rights that an overlay's role grants.
fn rights<R: serde::de::DeserializeOwned>(
    overlay: &str,
    rules: impl Fn(R) -> Option<Vec<PolicyRule>>,
) -> BTreeSet<Right> {
    let objects = manifest::load(repository().join(format!("deploy/kustomize/{overlay}/rbac.yaml")));
    let role = objects.into_iter().next().expect("the role is the first object");
    let role: R = serde_json::from_value(serde_json::to_value(role).unwrap()).expect("a role");
    let mut rights = BTreeSet::new();
    for rule in rules(role).unwrap_or_default() {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                rights.extend(rule.verbs.iter().map(|verb| (group.clone(), resource.clone(), verb.clone())));
            }
        }
    }
    rights
}
