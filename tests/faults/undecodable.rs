//! Objects that cannot be decoded, and that a user with rights to only these objects can write: while the controller runs
//! and at its start. Other objects are served, and no data of users is in the log.
//!
//! kubectl writes and reads them, because the client of the tests cannot decode them either.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokensource_kit::proxy::Proxy;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::{canaries, eventually, unique};

use crate::story::{SOON, Story, TOKEN};

/// Deeper than `serde_json` reads.
const DEPTH: usize = 200;
const COUNT: &str = "tokensource_undecodable_objects";

pub(crate) async fn objects_that_cannot_be_read_stop_nobody(story: &mut Story, _: &Proxy) {
    story.provider.always(TOKEN, Answer::token(3600));
    bystander(story);
    story.ask("before", &json!({})).await;
    for name in ["late", "fields"] {
        story.apply(&story.source_for(name, &json!({}))).await;
    }
    for name in ["before", "late", "fields"] {
        story.ready(name).await;
    }
    story.asked(3).await;

    // Objects become unreadable while the controller runs.
    nest_managed_fields(story);
    write_what_cannot_be_read(story).await;
    story.apply(&story.source_for("meanwhile", &json!({}))).await;
    story.ready("meanwhile").await;
    refused(story).await;
    // The controller replaces its own status.
    story.ready("late").await;
    // The controller does not read managedFields: a change takes effect, and credentials are read.
    let more = json!([{"op": "add", "path": "/spec/token", "value": {"scopes": ["more"]}}]);
    patch(story, "tokensource/fields", &more, &[]);
    story.asked(5).await;
    assert!(!story.controller.logs().contains("Watch failed"), "one object must not end a watch");
    assert_eq!(story.controller.metric(COUNT, &[("kind", "TokenSource")]).await, Some(2.0));
    assert_eq!(story.controller.metric(COUNT, &[("kind", "TokenProvider")]).await, Some(1.0));

    // The controller is started while objects are unreadable.
    story.controller.restart().await;
    story.apply(&story.source_for("after", &json!({}))).await;
    story.ready("after").await;
    refused(story).await;
    let log = story.controller.logs();
    let named =
        |line: &&str| line.contains("An object cannot be read completely") && line.contains("\"claims\"");
    assert_eq!(log.lines().filter(named).count(), 2, "once for each start of the process");

    // An object is corrected.
    patch(
        story,
        "tokensource/claims",
        &json!([{"op": "remove", "path": "/spec/provider/assertionGrant"}]),
        &[],
    );
    story.ready("claims").await;
    eventually("the mended object is not counted", SOON, async || {
        match story.controller.metric(COUNT, &[("kind", "TokenSource")]).await {
            Some(1.0) => Ok(()),
            found => Err(format!("{found:?}")),
        }
    })
    .await;
    // The end of the story reads all remaining objects.
    kubectl(story, &["delete", "tokensource/newer", "tokenprovider/deep"], "");
    let none = json!([{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]);
    for object in WITH_FIELDS {
        patch(story, object, &none, &[]);
    }
}

const WITH_FIELDS: [&str; 3] = ["secret/client", "tokensource/fields", "tokenprovider/shared"];

/// The Secret of another user as kubectl applies it: its data is repeated in an annotation.
fn bystander(story: &Story) {
    let secret = format!("bystander-{}", unique::word(24));
    canaries::register("a bystander's Secret", &secret);
    let manifest = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bystander"}, "stringData": {"password": secret},
    });
    kubectl(story, &["apply", "-f", "-"], &manifest.to_string());
}

/// An entry of managedFields that anyone who may update the object can write.
fn nest_managed_fields(story: &Story) {
    create(
        story,
        &json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenProvider",
            "metadata": {"name": "shared"}, "spec": story.block(),
        })
        .to_string(),
    );
    let entry = format!(
        r#"[{{"op":"add","path":"/metadata/managedFields/-","value":{{"manager":"nester","operation":"Update","apiVersion":"v1",
            "time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{}}}}}]"#,
        nested("f:a", "{}", 150)
    );
    for object in WITH_FIELDS.into_iter().chain([format!("namespace/{}", story.namespace).as_str()]) {
        kubectl(story, &["patch", object, "--type=json", "-p", &entry], "");
    }
}

async fn write_what_cannot_be_read(story: &Story) {
    let with_claims = |mut object: Value, pointer: &str| {
        let block = object.pointer_mut(pointer).expect("the provider block");
        block["assertionGrant"] = json!({"claims": "HERE"});
        object["metadata"]["namespace"] = json!(story.namespace);
        object.to_string().replace("\"HERE\"", &nested("a", "0", DEPTH))
    };
    create(story, &with_claims(story.source_for("claims", &json!({})), "/spec/provider"));
    let provider = json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenProvider",
        "metadata": {"name": "deep"}, "spec": story.block(),
    });
    create(story, &with_claims(provider, "/spec"));
    let referring = json!({"provider": null, "providerRef": {"kind": "TokenProvider", "name": "deep"}});
    story.apply(&story.source_for("referring", &referring)).await;

    let late = json!([{"op": "replace", "path": "/status/renewAt", "value": "2026-01-01T00:00:00+99:99"}]);
    patch(story, "tokensource/late", &late, &["--subresource=status"]);

    // Simulates CRDs of a newer version.
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/renewal/properties/onRevoked/enum/-";
    let newer = json!([{"op": "add", "path": path, "value": "Explode"}]);
    patch(story, "customresourcedefinition/tokensources.tokensource.dev", &newer, &[]);
    let source = story.source_for("newer", &json!({"renewal": {"onRevoked": "Explode"}})).to_string();
    eventually("the newer CRD", SOON, async || try_kubectl(story, &["create", "-f", "-"], &source).map(drop))
        .await;
}

/// Waits until the status of each unreadable TokenSource, and of a TokenSource with an unreadable provider, reports
/// `InvalidSpec`.
async fn refused(story: &Story) {
    let reason = "jsonpath={.status.conditions[?(@.type==\"Renewed\")].reason}";
    for name in ["claims", "newer", "referring"] {
        eventually(name, SOON, async || {
            match kubectl(story, &["get", "tokensource", name, "-o", reason], "").as_str() {
                "InvalidSpec" => Ok(()),
                other => Err(other.to_owned()),
            }
        })
        .await;
    }
}

fn nested(name: &str, innermost: &str, depth: usize) -> String {
    format!("{}{innermost}{}", format!("{{\"{name}\":").repeat(depth), "}".repeat(depth))
}

fn create(story: &Story, object: &str) {
    kubectl(story, &["create", "-f", "-"], object);
}

fn patch(story: &Story, object: &str, patch: &Value, more: &[&str]) {
    let patch = patch.to_string();
    kubectl(story, &[&["patch", object, "--type=json", "-p", patch.as_str()], more].concat(), "");
}

fn kubectl(story: &Story, arguments: &[&str], input: &str) -> String {
    try_kubectl(story, arguments, input).unwrap_or_else(|error| panic!("kubectl {}: {error}", arguments[0]))
}

fn try_kubectl(story: &Story, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut kubectl = Command::new(story.world.plane().kubectl())
        .arg("--kubeconfig")
        .arg(story.world.plane().kubeconfig_for("admin"))
        .args(["--namespace", &story.namespace])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl");
    kubectl.stdin.take().expect("piped").write_all(input.as_bytes()).expect("taken");
    let output = kubectl.wait_with_output().expect("an end");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(said) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
