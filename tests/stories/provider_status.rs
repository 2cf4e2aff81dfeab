//! The statuses of provider objects: what they say, what they cost, and which controllers write them.

use std::time::Duration;

use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use tokensource::api::{ClusterTokenProvider, Reason, TokenProvider, TokenProviderStatus};
use tokensource_kit::control_plane::{AuditEntry, Shape};
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::{eventually, kstatus, shipped};

use crate::rights::overlay;
use crate::story::{SOON, Story, TOKEN, start_as};
use crate::world::{CONTROLLER, World};

/// The deadline for a first status: three sweeps, on a busy machine.
const SWEPT: Duration = Duration::from_secs(45);

fn source(story: &Story, name: &str, kind: &str, provider: &str, credentials: &str) -> Value {
    let reference = json!({"kind": kind, "name": provider});
    let more = json!({"provider": null, "providerRef": reference, "credentialsRef": {"name": credentials}});
    story.source_for(name, &more)
}

fn provider(story: &Story, kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": kind,
        "metadata": {"name": name}, "spec": story.block(),
    })
}

fn providers(story: &Story) -> Api<TokenProvider> {
    Api::namespaced(story.world.plane().admin(), &story.namespace)
}

/// `Ready` in words: its status and reason, or `absent`.
fn ready(status: &TokenProviderStatus) -> String {
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    ready.map_or_else(|| "absent".to_owned(), |ready| format!("{} {}", ready.status, ready.reason))
}

/// Waits until the status of a provider object has this `Ready`, this number of users and this number of failing users.
async fn until(
    story: &Story,
    name: &str,
    within: Duration,
    expected: (&str, i32, i32),
) -> TokenProviderStatus {
    eventually(expected.0, within, async || {
        let found = providers(story).get(name).await.map_err(|error| error.to_string())?;
        kstatus::check(&found).unwrap_or_else(|broken| panic!("kstatus: {}", broken.join("; ")));
        let status = found.status.unwrap_or_default();
        let said = (ready(&status), status.token_sources, status.failing);
        let is_said = said == (expected.0.to_owned(), expected.1, expected.2);
        if is_said { Ok(status) } else { Err(format!("{status:#?}")) }
    })
    .await
}

/// The number of writes of provider statuses among these calls.
fn writes(calls: &[AuditEntry], resource: &str) -> usize {
    calls.iter().filter(|call| call.resource == resource && call.subresource == "status").count()
}

pub(crate) async fn outage_and_recovery_show(story: &mut Story) {
    const USERS: i32 = 5;
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "s3cr3t-of-the-client").await;
    story.credentials("rotated", "s3cr3t-of-the-client").await;
    for number in 0..USERS {
        let credentials = if number < 2 { "rotated" } else { "client" };
        story.apply(&source(story, &format!("user-{number}"), "TokenProvider", "ours", credentials)).await;
    }
    story.apply(&provider(story, "TokenProvider", "ours")).await;
    story.apply(&provider(story, "TokenProvider", "unused")).await;
    for number in 0..USERS {
        story.ready(&format!("user-{number}")).await;
    }
    let mark = story.world.plane().audit_mark();
    let reachable = Reason::EndpointReachable;
    let good = until(story, "ours", SWEPT, (&format!("True {reachable}"), USERS, 0)).await;
    assert!(good.last_success_time.is_some() && good.observed_generation == Some(1), "{good:#?}");
    let unused = until(story, "unused", SWEPT, ("absent", 0, 0)).await;
    assert_eq!(unused, TokenProviderStatus::default());
    eventually("two writes", SWEPT, async || match writes(&story.calls_since(mark), "tokenproviders") {
        2 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    // Neither the writes nor the time cause a call, nor a request.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let calls = story.calls_since(mark);
    assert!(calls.len() == 2 && writes(&calls, "tokenproviders") == 2, "{calls:#?}");
    assert_eq!(story.provider.count(TOKEN), USERS.unsigned_abs() as usize);

    story.provider.go_down();
    story.credentials("rotated", "s3cr3t-of-the-client-2").await;
    let expected = (&*format!("False {}", Reason::EndpointUnreachable), USERS, 2);
    let failing = until(story, "ours", SOON, expected).await;
    let message = &failing.conditions[0].message;
    assert!(message.contains("2 of 5 TokenSources"), "{message}");
    assert!(!message.contains("user-") && !message.contains(&story.namespace), "{message}");
    assert_eq!(failing.last_success_time, good.last_success_time);

    story.provider.come_back();
    let recovered = until(story, "ours", SWEPT, (&format!("True {reachable}"), USERS, 0)).await;
    assert!(recovered.last_success_time > good.last_success_time);
    assert!(
        recovered.conditions[0].last_transition_time > failing.conditions[0].last_transition_time,
        "{recovered:#?}"
    );

    for number in 0..USERS {
        let name = format!("user-{number}");
        story.sources().delete(&name, &DeleteParams::default()).await.expect("deleted");
    }
    let left = until(story, "ours", SWEPT, ("absent", 0, 0)).await;
    assert_eq!(left.last_success_time, recovered.last_success_time);
}

pub(crate) async fn refused_clients_leave_a_provider_ready(story: &mut Story) {
    story.provider.respond(TOKEN, |request, _| match request.form_value("client_id").as_deref() {
        Some("the-client") => Answer::token(3600),
        _ => Answer::error(401, "invalid_client"),
    });
    story.credentials("client", "s3cr3t-of-the-client").await;
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "wrong", "annotations": {"tokensource.dev/allowed-hosts": story.provider.host()}},
            "stringData": {"client_id": "another", "client_secret": "s3cr3t-that-is-wrong"},
        }))
        .await;
    story.apply(&source(story, "refused", "TokenProvider", "shared", "wrong")).await;
    story.apply(&provider(story, "TokenProvider", "shared")).await;
    story.failing("refused", "InvalidClient").await;
    // The status of this provider makes no tool wait, although its only user gets no token.
    until(story, "shared", SWEPT, ("absent", 1, 0)).await;
    story.apply(&source(story, "good", "TokenProvider", "shared", "client")).await;
    story.ready("good").await;
    let expected = format!("True {}", Reason::EndpointReachable);
    // The transition is written immediately, although another count would wait for a minute.
    until(story, "shared", SWEPT, (&expected, 2, 0)).await;
}

/// A controller with a selector, or a controller for a single namespace, would count only a part of the users.
pub(crate) async fn controller_that_sees_a_part_of_the_users_writes_no_status(story: &mut Story) {
    let shared = format!("part-{}", story.namespace);
    story.world.plane().apply(&provider(story, "ClusterTokenProvider", &shared).to_string()).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "s3cr3t-of-the-client").await;
    let labelled = |name: &str, kind: &str, provider: &str| {
        let mut source = source(story, name, kind, provider, "client");
        source["metadata"]["labels"] = json!({"part": "one"});
        source
    };
    let (own, of_all) =
        (labelled("own", "TokenProvider", "ours"), labelled("shared", "ClusterTokenProvider", &shared));
    let mark = story.world.plane().audit_mark();
    story.run_with(&["--allow-network", "127.0.0.0/8", "--selector", "part=one"]).await;
    story.apply(&provider(story, "TokenProvider", "ours")).await;
    story.apply(&own).await;
    story.apply(&of_all).await;
    story.ready("own").await;
    story.ready("shared").await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(writes(&story.calls_since(mark), "tokenproviders"), 0);
    story.run_with(&["--allow-network", "127.0.0.0/8"]).await;
    until(story, "ours", SWEPT, (&format!("True {}", Reason::EndpointReachable), 1, 0)).await;
    let clusters: Api<ClusterTokenProvider> = Api::all(story.world.plane().admin());
    assert_eq!(clusters.get(&shared).await.expect("the ClusterTokenProvider").status, None);
}

/// If the right is missing, tokens are served as before, and the log names the missing right once.
pub(crate) async fn missing_right_costs_one_line(story: &mut Story) {
    let mut objects = overlay(story);
    objects.retain(|object| {
        let kind = object.types.as_ref().map(|types| types.kind.clone()).unwrap_or_default();
        ["Namespace", "ServiceAccount", "Role", "RoleBinding"].contains(&kind.as_str())
    });
    for object in &mut objects {
        for rule in object.data.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
            if rule["resources"] == json!(["tokensources/status", "tokenproviders/status"]) {
                rule["resources"] = json!(["tokensources/status"]);
            }
        }
    }
    story.world.plane().apply_objects(&objects).await;
    let plane = story.world.plane();
    let kubeconfig =
        plane.kubeconfig_for_service_account("tokensource-system", "tokensource-controller").await;
    let namespace = story.namespace.clone();
    story.run_as(&kubeconfig, &["--namespace", &namespace, "--allow-network", "127.0.0.0/8"]).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "s3cr3t-of-the-client").await;
    for name in ["one", "two", "three"] {
        story.apply(&provider(story, "TokenProvider", name)).await;
    }
    story.apply(&source(story, "user", "TokenProvider", "one", "client")).await;
    story.ready("user").await;
    let lines = || {
        let log = story.controller.logs();
        let lines =
            log.lines().filter(|line| line.contains(" WARN ") && line.contains("status of a provider"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    eventually("a line", Duration::from_secs(60), async || {
        if lines().is_empty() { Err("none".to_owned()) } else { Ok(()) }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    let lines = lines();
    assert!(lines.len() == 1 && lines[0].contains("forbidden"), "{lines:#?}");
    assert!(story.controller.get("/readyz").await.is_ok(), "tokens do not depend on the right");
}

/// Two replicas for the whole cluster, and tenants in four namespaces. Only controllers for the whole cluster write the
/// statuses of ClusterTokenProviders. They would disturb the other stories, so this story has a control plane of its own.
pub(crate) async fn tenants_share_the_status_of_a_cluster_provider(story: &mut Story) {
    let world = World::start(Shape::default()).await;
    let plane = world.plane();
    let (first, second) = (plane.namespace("first").await, plane.namespace("second").await);
    let (dormant, stranger) = (plane.namespace("dormant").await, plane.namespace("stranger").await);
    for namespace in [&first, &second, &dormant] {
        let labels = json!({"story": "admitted"});
        let admitted = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}});
        plane.apply(&admitted.to_string()).await;
    }
    shipped::grant_lease(plane, &first).await;
    let arguments = ["--leader-elect", "--lease-namespace", &first, "--allow-network", "127.0.0.0/8"];
    let replicas =
        [start_as(world.kubeconfig(), &arguments).await, start_as(world.kubeconfig(), &arguments).await];
    // The server fails on the scope that the second tenant requests.
    story.provider.respond(TOKEN, |request, _| match request.form_value("scope").as_deref() {
        Some("deadly") => Answer::status(500),
        _ => Answer::token(3600),
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "client", "annotations": {"tokensource.dev/allowed-hosts": story.provider.host()}},
        "stringData": {"client_id": "the-client", "client_secret": "s3cr3t-of-the-client"},
    });
    for namespace in [&first, &second, &dormant, &stranger] {
        plane.apply_in(namespace, &secret.to_string()).await;
    }
    let user = source(story, "user", "ClusterTokenProvider", "shared", "client");
    plane.apply_in(&first, &user.to_string()).await;
    let mut deadly = user.clone();
    deadly["spec"]["token"] = json!({"scopes": ["deadly"]});
    plane.apply_in(&second, &deadly.to_string()).await;
    // The suspended TokenSources do not change `Ready` of the provider. The provider does not admit the namespace `stranger`, so the
    // TokenSource there is not counted.
    let mut suspended = user.clone();
    suspended["spec"]["suspend"] = json!(true);
    plane.apply_in(&dormant, &suspended.to_string()).await;
    plane.apply_in(&stranger, &suspended.to_string()).await;
    let mut shared = provider(story, "ClusterTokenProvider", "shared");
    shared["spec"]["allowedNamespaces"] = json!({"matchLabels": {"story": "admitted"}});
    plane.apply(&shared.to_string()).await;
    plane.apply_in(&first, &provider(story, "TokenProvider", "unused").to_string()).await;

    let clusters: Api<ClusterTokenProvider> = Api::all(plane.admin());
    let expected = format!("True {}", Reason::EndpointReachable);
    let found = eventually(&expected, SWEPT, async || {
        let provider = clusters.get("shared").await.map_err(|error| error.to_string())?;
        match provider.status {
            Some(status) if ready(&status) == expected => Ok(status),
            other => Err(format!("{other:#?}\n{}", replicas[0].process().tail(5))),
        }
    })
    .await;
    assert_eq!((found.token_sources, found.failing), (3, 1), "{found:#?}");
    assert!(!found.conditions[0].message.contains(&second), "{found:#?}");
    // The requests of the failing tenant continue to fail, and neither the leader nor the other replica writes a further
    // status.
    tokio::time::sleep(Duration::from_secs(25)).await;
    let mut calls = plane.audit();
    // The check of the admission policies has left a TokenProvider in a namespace of its own.
    calls.retain(|call| call.user == CONTROLLER && ["", &first, &second].contains(&call.namespace.as_str()));
    assert_eq!(writes(&calls, "clustertokenproviders"), 1, "{calls:#?}");
    assert_eq!(writes(&calls, "tokenproviders"), 1, "{calls:#?}");
    story.world.has_used(calls);
}

/// The table that kubectl prints has the columns of the definition.
pub(crate) async fn kubectl_shows_the_columns(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "s3cr3t-of-the-client").await;
    story.apply(&source(story, "user", "TokenProvider", "ours", "client")).await;
    story.apply(&provider(story, "TokenProvider", "ours")).await;
    until(story, "ours", SWEPT, (&format!("True {}", Reason::EndpointReachable), 1, 0)).await;
    let plane = story.world.plane();
    let mut kubectl = tokio::process::Command::new(plane.kubectl());
    kubectl.args(["get", "tokenproviders", "--namespace", &story.namespace]);
    let output = kubectl.env("KUBECONFIG", plane.kubeconfig_for("admin")).output().await.expect("kubectl");
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows: Vec<&str> = table.lines().collect();
    let headers = ["NAME", "READY", "REASON", "USED", "LAST SUCCESS", "ENDPOINT", "AGE"];
    let mut rest = rows[0];
    for header in headers {
        rest = rest.split_once(header).unwrap_or_else(|| panic!("{header} is missing in {table}")).1;
    }
    let cells: Vec<&str> = rows[1].split_whitespace().collect();
    assert_eq!(cells[..4], ["ours", "True", "EndpointReachable", "1"], "{table}");
    assert!(cells[4].ends_with('s') && cells[5] == story.provider.url(TOKEN), "{table}");
}
