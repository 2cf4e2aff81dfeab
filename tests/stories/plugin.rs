//! The plugin behaves like kubectl: flags of the cluster and of the user, names, labels, outputs, completion. Also the
//! commands that change several TokenSources in one call. Knows the real binary and RBAC. Must not know how a token is
//! requested.

use std::path::Path;

use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::scripted_provider::Answer;
use tokio::process::Command;

use crate::people::{PROGRAM, Said, command, judged, tokensource};
use crate::story::{Story, TOKEN, condition, is};

async fn here(story: &Story, arguments: &[&str]) -> Said {
    tokensource(story, &[arguments, &["-n", &story.namespace]].concat()).await
}

/// Gives a user or a group rights in the story's namespace, or in the whole cluster.
async fn allow(story: &Story, who: (&str, &str), name: &str, cluster: bool, rules: &Value) {
    let kind = if cluster { "ClusterRole" } else { "Role" };
    // Names of the cluster are shared by all stories.
    let name = format!("{}-{name}", story.namespace);
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "rules": rules,
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": format!("{kind}Binding"), "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": who.0, "name": who.1}],
    });
    for object in [role, binding] {
        if cluster {
            story.world.plane().apply(&object.to_string()).await;
        } else {
            story.apply(&object).await;
        }
    }
}

fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": groups, "resources": resources, "verbs": verbs})
}

async fn let_alice_read(story: &Story) {
    let rules = json!([rule(&["tokensource.dev"], &["tokensources"], &["get", "list", "watch"])]);
    allow(story, ("User", "alice"), "read", false, &rules).await;
}

/// Creates two TokenSources that have a token, and a TokenSource that has no token.
async fn three_sources(story: &Story) {
    story.provider.respond(TOKEN, |request, _| {
        if request.form_value("client_secret").as_deref() == Some("s3cr3t-that-is-refused") {
            return Answer::error(401, "invalid_client");
        }
        Answer::token(3600)
    });
    story.ask("one", &json!({})).await;
    let mut two = story.source_for("two", &json!({}));
    two["metadata"]["labels"] = json!({"team": "payments"});
    story.apply(&two).await;
    story.credentials("refused", "s3cr3t-that-is-refused").await;
    story.apply(&story.source_for("bad", &json!({"credentialsRef": {"name": "refused"}}))).await;
    story.ready("one").await;
    story.ready("two").await;
    story.failing("bad", "InvalidClient").await;
}

pub(crate) async fn status_selects_and_prints_as_kubectl_does(story: &mut Story) {
    three_sources(story).await;
    let_alice_read(story).await;
    let names = async |arguments: &[&str]| {
        let said = here(story, &[&["status", "-o", "name"], arguments].concat()).await;
        assert_eq!(said.code, 0, "{}", said.all);
        said.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let [bad, one, two] = ["bad", "one", "two"].map(|name| format!("tokensource.tokensource.dev/{name}"));
    assert_eq!(names(&[]).await, [bad.clone(), one.clone(), two.clone()]);
    assert_eq!(names(&["two", "one", "two"]).await, [one, two.clone()]);
    assert_eq!(names(&["-l", "team=payments"]).await, [two]);
    assert_eq!(names(&["--not-ready"]).await, [bad]);
    let nobody = here(story, &["status", "--not-ready", "-l", "team=payments"]).await;
    nobody.has(0, &["There are no such TokenSources in namespace"]);
    here(story, &["status", "one", "nobody"]).await.has(1, &["\"nobody\" not found"]);

    let wide = here(story, &["status", "-o", "wide"]).await;
    wide.has(
        0,
        &["ISSUED", "SUSPENDED", "PROVIDER", "MESSAGE", "/token", "does not accept the client's credentials"],
    );
    let yaml = here(story, &["status", "-o", "yaml", "one", "two"]).await;
    let rows: Vec<Value> = serde_saphyr::from_str(&yaml.out).expect("YAML");
    let json: Vec<Value> =
        serde_json::from_str(&here(story, &["status", "-o", "json", "one", "two"]).await.out).expect("JSON");
    assert_eq!(rows, json);
    assert_eq!((&rows[1]["name"], &rows[1]["suspended"]), (&json!("two"), &json!(false)));
    let page: Value =
        serde_saphyr::from_str(&here(story, &["status", "-o", "yaml", "bad"]).await.out).expect("YAML");
    assert_eq!(page["conditions"][1]["reason"], "InvalidClient", "{page:#}");
}

pub(crate) async fn flags_name_another_user_cluster_and_deadline(story: &mut Story) {
    three_sources(story).await;
    // alice may not impersonate anybody yet, and the command prints the API server's words.
    here(story, &["status", "--as", "bob"])
        .await
        .has(1, &["is forbidden: User \"alice\" cannot impersonate"]);
    let impersonate = json!([{
        "apiGroups": [""], "resources": ["users", "groups"], "resourceNames": ["bob", "readers"], "verbs": ["impersonate"],
    }]);
    allow(story, ("User", "alice"), "impersonate", true, &impersonate).await;
    tokensource_kit::eventually("the right", crate::story::SOON, async || {
        let said = here(story, &["status", "--as", "bob"]).await;
        let is_bob = said.all.contains("User \"bob\" cannot list resource");
        if is_bob && said.code == 1 { Ok(()) } else { Err(said.all) }
    })
    .await;
    // bob alone has no rights; as a member of this group he has.
    let rules = json!([rule(&["tokensource.dev"], &["tokensources"], &["get", "list"])]);
    allow(story, ("Group", "readers"), "group", false, &rules).await;
    tokensource_kit::eventually("the group", crate::story::SOON, async || {
        let said = here(story, &["status", "--as", "bob", "--as-group", "readers"]).await;
        if said.code == 0 && said.out.contains("InvalidClient") { Ok(()) } else { Err(said.all) }
    })
    .await;
    here(story, &["status", "--as", "bob"]).await.has(1, &["User \"bob\" cannot list resource"]);
    here(story, &["status", "--as", "mallory"]).await.has(1, &["cannot impersonate resource"]);
    here(story, &["status", "--as-group", "readers"]).await.has(2, &["--as <USER>"]);
    // The other commands act as that user, too.
    here(story, &["renew", "one", "--as", "bob"]).await.has(1, &["User \"bob\" cannot get resource"]);
    here(story, &["suspend", "one", "--as", "bob"]).await.has(1, &["User \"bob\" cannot get resource"]);

    let kubeconfig = story.world.plane().kubeconfig_for("admin").display().to_string();
    here(story, &["status", "--kubeconfig", &kubeconfig]).await.has(0, &["InvalidClient"]);
    here(story, &["status", "--kubeconfig", &kubeconfig, "--context", "test"])
        .await
        .has(0, &["InvalidClient"]);
    here(story, &["status", "--context", "nowhere"]).await.has(1, &["nowhere"]);
    here(story, &["status", "--request-timeout", "0", "--kubeconfig", &kubeconfig]).await.has(0, &["one"]);
    here(story, &["status", "--request-timeout", "soon"]).await.has(2, &["write a duration"]);
    // An API server that accepts connections and sends no answer.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = format!("https://{}", listener.local_addr().expect("its address"));
    let silent = story.world.plane().kubeconfig_through("alice", &server, story.world.plane().ca_pem());
    let silent = silent.display().to_string();
    let late = here(story, &["status", "--kubeconfig", &silent, "--request-timeout", "1s"]).await;
    late.has(1, &["no answer within 1 s"]);
    let version = tokensource(story, &["version", "--kubeconfig", &silent, "--request-timeout", "1s"]).await;
    version.has(1, &["Client Version: 0.", "no answer within 1 s"]);
    tokensource(story, &["version", "--kubeconfig", &silent, "--client"])
        .await
        .has(0, &["Client Version: 0."]);
    drop(listener);
    let both = tokensource(story, &["version", "--client=false", "-o", "json"]).await;
    both.has(0, &[]);
    let versions: Value = serde_json::from_str(&both.out).expect("JSON");
    assert!(
        versions["serverVersion"].as_str().is_some_and(|version| version.starts_with("v1.")),
        "{versions}"
    );
    // alice may read neither Leases nor Deployments.
    assert_eq!(versions["controllerVersions"], json!([]));
}

pub(crate) async fn suspended_sources_keep_their_token_until_they_are_resumed(story: &mut Story) {
    three_sources(story).await;
    let rules = json!([rule(&["tokensource.dev"], &["tokensources"], &["get", "list", "watch", "patch"])]);
    allow(story, ("User", "alice"), "write", false, &rules).await;
    // The admission policy requires the rights to the effects of the spec. After the refusal of a TokenSource, the command continues
    // with the others.
    let refused = here(story, &["suspend", "one", "two"]).await;
    refused.has(1, &["one: not changed", "two: not changed", "what the controller writes into Secrets"]);
    let rules = json!([rule(&[""], &["secrets"], &["get", "create"])]);
    allow(story, ("User", "alice"), "secrets", false, &rules).await;

    let before = story.value("one-token", "access_token").await;
    let generation = story.source("one").await.metadata.generation;
    let all = here(story, &["suspend", "--all"]).await;
    all.has(0, &[
        "one: suspended; the token in Secret one-token stays and expires in 59m, and no other is requested",
        "two: suspended",
        "bad: suspended; Secret bad-token has no valid token",
    ]);
    story
        .until("one", "Suspended", |source| {
            condition(source, ConditionType::Renewed).is_some_and(|(_, reason, _)| reason == "Suspended")
        })
        .await;
    assert_eq!(story.value("one-token", "access_token").await, before);
    here(story, &["suspend", "one"]).await.has(0, &["one: is suspended already"]);
    let listed = here(story, &["status", "-o", "json", "one", "two"]).await;
    listed.has(0, &["\"suspended\": true"]);

    let resumed = here(story, &["resume", "-l", "team=payments"]).await;
    resumed.has(0, &["two: resumed; the token is renewed"]);
    assert!(!resumed.out.contains("one:"), "{}", resumed.out);
    here(story, &["resume", "one"]).await.has(0, &["one: resumed; the token is renewed when it is due"]);
    story.ready("one").await;
    let source = story.source("one").await;
    assert_eq!(source.metadata.generation, generation.map(|generation| generation + 2));
    let fields = serde_json::to_value(&source.spec).unwrap();
    assert_eq!(fields.get("suspend"), None, "the spec is what it was");
    assert_eq!(story.value("one-token", "access_token").await, before, "no token request");
    here(story, &["resume", "one"]).await.has(0, &["one: is not suspended"]);
    here(story, &["resume"]).await.has(2, &["--all"]);
}

pub(crate) async fn renewal_of_all_namespaces_names_them(story: &mut Story) {
    three_sources(story).await;
    // A label that no other story has, because the namespaces of all stories are selected.
    let label = format!("story={}", story.namespace);
    for name in ["one", "bad"] {
        story.patch_source(name, &json!({"metadata": {"labels": {"story": story.namespace}}})).await;
    }
    let rules = json!([rule(&["tokensource.dev"], &["tokensources"], &["get", "list", "watch", "patch"])]);
    // The right is carol's, because other stories need alice without a right on the whole cluster.
    allow(story, ("User", "carol"), "all", true, &rules).await;
    let carol = story.world.plane().kubeconfig_for("carol").display().to_string();
    let everywhere = ["-A", "-l", &label, "--kubeconfig", &carol];
    tokensource_kit::eventually("the right", crate::story::SOON, async || {
        let said = tokensource(story, &[&["status"], &everywhere[..]].concat()).await;
        if said.code == 0 { Ok(()) } else { Err(said.all) }
    })
    .await;
    let all = tokensource(story, &[&["renew"], &everywhere[..]].concat()).await;
    let [one, bad] = ["one", "bad"].map(|name| format!("{}/{name}", story.namespace));
    all.has(
        1,
        &[
            &format!("{one}: requested"),
            &format!("{one}: renewed, expires"),
            &format!("{bad}: not renewed (InvalidClient)"),
        ],
    );
    assert!(!all.all.contains("/two"), "{}", all.all);
    assert!(is(&story.source("one").await, ConditionType::Ready, "True"));
}

/// The test calls kubectl as a shell does when somebody presses Tab, and kubectl calls the program.
pub(crate) async fn names_are_completed_from_the_cluster(story: &mut Story) {
    three_sources(story).await;
    let_alice_read(story).await;
    let directory = tempfile::tempdir().expect("a directory of our own");
    for name in ["kubectl-tokensource", "kubectl_complete-tokensource"] {
        std::os::unix::fs::symlink(PROGRAM, directory.path().join(name)).expect("the symlink");
    }
    let offered = async |arguments: &[&str]| {
        let kubectl = story.world.plane().kubectl();
        let all = [&["__complete", "tokensource"], arguments].concat();
        let mut kubectl: Command = command(story, Path::new(&kubectl), &all);
        kubectl.env("PATH", directory.path());
        judged(kubectl.output().await.expect("kubectl runs"))
    };
    let place = format!("--namespace={}", story.namespace);
    let names = offered(&["renew", &place, ""]).await;
    names.has(0, &["bad\tReady False", "one\tReady True", "two\tReady True", ":4"]);
    let more = offered(&["suspend", &place, "one", "t"]).await;
    more.has(0, &["two\tReady True", ":4"]);
    assert!(!more.out.contains("bad") && !more.out.contains("one\t"), "{}", more.out);
    offered(&["status", "--context", ""]).await.has(0, &["test\tcontext", ":4"]);
    // Names that alice may not list are not offered, and no error disturbs the command line.
    let none = offered(&["status", "-n", ""]).await;
    none.has(0, &[":4"]);
    assert_eq!(none.out.trim(), ":4", "{}", none.all);
}
