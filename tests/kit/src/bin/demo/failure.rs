//! A failure that is explained and repaired: the provider has a new client secret, and the cluster still has the old secret.
//!
//! Knows the commands of a user and their output. Fails if the explanation, the old token or the repair is missing.

use std::process::{Command, Output};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::table;
use crate::tour::{await_rows, indented};
use crate::volume::Volume;
use crate::{Demo, HERO, NAMESPACE, binary};

const SOON: Duration = Duration::from_secs(20);

pub(crate) async fn show(demo: &Demo, volume: &Volume) -> Result<(), String> {
    let credentials = demo.provider(HERO).rotate();
    println!(
        "The provider now accepts another client_secret, and Secret {HERO}-client still has the old client_secret. A renewal:"
    );
    let (command, renewal) = tokensource(demo, "renew")?;
    if renewal.status.success() {
        return Err("the renewal succeeded with a client secret that is no longer accepted".into());
    }
    println!("\n$ {command}\n{}", text(&renewal));
    println!("The condition in the status of the TokenSource:\n\n{}", condition(demo).await?);
    let (command, page) = tokensource(demo, "status")?;
    if !page.status.success() || !text(&page).contains("What to do about InvalidClient") {
        return Err(format!("`{command}` ({}) gives no advice:\n{}", page.status, text(&page)));
    }
    println!("$ {command}\n{}", text(&page));

    volume.refresh().await?;
    let answer = demo.fetch(volume).await?;
    let rows = table::rows(demo).await;
    let hero = rows.iter().find(|row| row.name == HERO).ok_or("the TokenSource was deleted")?;
    if hero.ready != "True" {
        return Err(format!("Ready is {} though the old token is good", hero.ready));
    }
    println!(
        "Ready is still True. The file still contains the old token, to which the provider's API answers {answer}."
    );
    println!("The repair: the demo writes the new client_secret into Secret {HERO}-client.");
    set_client_secret(demo, credentials.get("client_secret").ok_or("no client_secret was rotated")?).await?;
    await_rows(demo, "a new token", SOON, 1, |row| {
        row.name == HERO
            && row.ready == "True"
            && row.reason == "TokenIssued"
            && row.expires_at > hero.expires_at
    })
    .await
}

/// Runs one of the commands for people. Returns the command line as a user would type it, and its output.
fn tokensource(demo: &Demo, subcommand: &str) -> Result<(String, Output), String> {
    let line = format!("tokensource {subcommand} {HERO} --namespace {NAMESPACE}");
    let output = Command::new(binary())
        .args(line.split(' ').skip(1))
        .env("KUBECONFIG", demo.plane.kubeconfig_for("admin"))
        .output()
        .map_err(|error| format!("running `{line}`: {error}"))?;
    Ok((line, output))
}

fn text(output: &Output) -> String {
    indented(&[&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat())
}

/// The condition for the last attempt, from the API server.
async fn condition(demo: &Demo) -> Result<String, String> {
    let sources = tokensource_kit::token_sources(demo.plane.admin(), NAMESPACE);
    let source = sources.get(HERO).await.map_err(|error| format!("reading the TokenSource: {error}"))?;
    let conditions = source.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == "Renewed");
    let found = found.ok_or("there is no condition Renewed")?;
    let member = |name: &str| found[name].as_str().unwrap_or_default();
    if member("status") != "False" || member("reason") != "InvalidClient" || member("message").is_empty() {
        return Err(format!("the condition Renewed does not explain the failure: {found}"));
    }
    let members = ["type", "status", "reason", "message"].map(|name| format!("{name}: {}", member(name)));
    Ok(indented(&members.join("\n")))
}

/// Does what `kubectl patch secret ocrolus-client` does.
async fn set_client_secret(demo: &Demo, value: &str) -> Result<(), String> {
    let secrets: Api<Secret> = Api::namespaced(demo.plane.admin(), NAMESPACE);
    let patch = Patch::Merge(json!({ "stringData": { "client_secret": value } }));
    let patched = secrets.patch(&format!("{HERO}-client"), &PatchParams::default(), &patch).await;
    patched.map(drop).map_err(|error| format!("writing the credentials: {error}"))
}
