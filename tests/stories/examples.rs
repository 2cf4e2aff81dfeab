//! The manifests of the documentation: those of five providers with servers that answer and refuse as documented; the
//! manifests of the catalog, of the workloads and of `tokensource init` with the API server alone; and the commands of the
//! pages, unchanged.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DynamicObject, ListParams, ObjectMeta};
use tokensource_kit::lookalikes::Lookalike;
use tokensource_kit::shipped::repository;
use tokensource_kit::{eventually, manifest};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::story::Story;

/// A misspelled field, and a forbidden value: the check must refuse such mistakes in the catalog.
const SLIPS: [(&str, &str, &str); 2] = [
    ("tokenEndpont", "https://h.example/t", "field not declared in schema"),
    ("tokenEndpoint", "http://h.example/t", "write a full https:// URL"),
];

/// The YAML files of a directory of the repository, sorted.
fn files(directory: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository().join(directory)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

/// Checked by the API server with the schema. tests/golden compares the requests.
pub(crate) async fn catalog_is_accepted(story: &mut Story) {
    let plane = story.world.plane();
    let files = files("deploy/examples/catalog");
    assert!(!files.is_empty());
    for file in files {
        let mut objects = manifest::load(&file);
        manifest::into_namespace(&mut objects, &story.namespace);
        let accepted = plane.rehearse(&story.namespace, &objects).await;
        assert!(accepted.is_ok(), "{}: {}", file.display(), accepted.unwrap_err());
        for (field, value, words) in SLIPS {
            let mut wrong = objects.clone();
            let source = wrong.iter_mut().find(|object| object.data.get("spec").is_some()).unwrap();
            source.data["spec"]["provider"][field] = value.into();
            let refusal = plane.rehearse(&story.namespace, &wrong).await.unwrap_err().to_string();
            assert!(refusal.contains(words), "{}: {refusal}", file.display());
        }
    }
    let stored = story.sources().list(&ListParams::default()).await.unwrap();
    assert!(stored.items.is_empty(), "a rehearsal stores nothing");
}

/// The manifests of `tokensource init` for the lines of `tests/golden/init`, checked by the API server with the schema.
pub(crate) async fn manifests_of_init_are_accepted(story: &mut Story) {
    let plane = story.world.plane();
    let files = files("tests/golden/init");
    assert!(files.len() > 35, "{} manifests", files.len());
    let mut refused = Vec::new();
    for file in files {
        let mut objects = manifest::load(&file);
        manifest::into_namespace(&mut objects, &story.namespace);
        if let Err(error) = plane.rehearse(&story.namespace, &objects).await {
            refused.push(format!("{}: {error}", file.display()));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// The workloads of docs/workloads.md, checked by the API server's schema of a Deployment.
pub(crate) async fn workloads_are_accepted(story: &mut Story) {
    let plane = story.world.plane();
    for file in ["pod", "workloads/go", "workloads/node", "workloads/python"] {
        let mut objects = manifest::load(repository().join(format!("deploy/examples/{file}.yaml")));
        manifest::into_namespace(&mut objects, &story.namespace);
        let accepted = plane.rehearse(&story.namespace, &objects).await;
        assert!(accepted.is_ok(), "{file}: {}", accepted.unwrap_err());
        let mut wrong = objects;
        wrong[0].data["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = serde_json::json!([]);
        let refusal = plane.rehearse(&story.namespace, &wrong).await.unwrap_err().to_string();
        assert!(refusal.contains("field not declared in schema"), "{file}: {refusal}");
    }
}

/// Pages, and the Secrets that their commands create, with the input at their prompts.
const PAGES: [(&str, &[&str]); 5] = [
    ("prisjakt", &["prisjakt-client"]),
    ("pliant", &["pliant-client", "pliant-sandbox-client"]),
    ("v2", &["v2-client"]),
    ("ocrolus", &["ocrolus-client"]),
    ("apiax", &["apiax-user"]),
];

/// Runs a script in the story's namespace with this input at its prompt.
async fn typed_at_a_prompt(kubectl: &Path, kubeconfig: &Path, script: &str, typed: &str) {
    let path = format!("{}:/usr/bin:/bin", kubectl.parent().unwrap().display());
    let mut command = Command::new("bash");
    command.args(["-c", &format!("set -euo pipefail\n{script}")]);
    command.env("PATH", path).env("KUBECONFIG", kubeconfig).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{typed}\n").as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{said}");
    assert!(typed.is_empty() || !said.contains(typed), "a secret is shown: {said}");
}

/// Checks that a Secret has the keys and hosts of the Secret in the manifest, and the typed value.
fn assert_as_in(manifest: &[DynamicObject], made: Secret, typed: &str) {
    let written = manifest.iter().find(|object| object.metadata.name == made.metadata.name).unwrap();
    let data = made.data.unwrap();
    assert!(data.keys().eq(written.data["stringData"].as_object().unwrap().keys()), "{:?}", data.keys());
    let confidential = data.get("client_secret").or(data.get("password")).unwrap();
    assert_eq!(String::from_utf8_lossy(&confidential.0), typed);
    let hosts = |metadata: &ObjectMeta| {
        metadata.annotations.as_ref().unwrap()["tokensource.dev/allowed-hosts"].clone()
    };
    assert_eq!(hosts(&made.metadata), hosts(&written.metadata));
}

/// The commands of docs/providers, unchanged: they create the Secret of the provider's manifest, and rotate it.
pub(crate) async fn credentials_are_put_as_the_pages_say(story: &mut Story) {
    let kubectl = story.world.plane().kubectl();
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    std::fs::copy(story.world.plane().kubeconfig_for("admin"), &kubeconfig).unwrap();
    let here = format!("kubectl config set-context --current --namespace={}", story.namespace);
    typed_at_a_prompt(&kubectl, &kubeconfig, &here, "").await;
    for (name, secrets) in PAGES {
        let page = std::fs::read_to_string(repository().join(format!("docs/providers/{name}.md"))).unwrap();
        let scripts: Vec<_> =
            page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert_eq!(scripts.len(), secrets.len(), "{name}");
        let manifest = manifest::load(repository().join(format!("deploy/examples/{name}.yaml")));
        for (script, secret) in scripts.iter().zip(secrets) {
            for typed in ["the-f1rst $ecret=+/", "the-sec0nd \"one\""] {
                typed_at_a_prompt(&kubectl, &kubeconfig, script, typed).await;
                assert_as_in(&manifest, story.secret(secret).await, typed);
            }
        }
    }
}

const SERVED: [&str; 6] = ["prisjakt", "pliant", "pliant-sandbox", "v2", "ocrolus", "apiax"];

pub(crate) async fn requests_are_as_documented(story: &mut Story) {
    let providers = Lookalike::all(&story.world.authority);
    for provider in &providers {
        provider.set_lifetime(Duration::from_secs(60));
    }
    for file in ["prisjakt", "pliant", "v2", "ocrolus", "apiax"] {
        let mut objects = manifest::load(repository().join(format!("deploy/examples/{file}.yaml")));
        for provider in &providers {
            provider.stand_in(&mut objects);
        }
        manifest::into_namespace(&mut objects, &story.namespace);
        story.world.plane().apply_objects(&objects).await;
    }
    for name in SERVED {
        story.ready(name).await;
    }
    // The tokens are renewed after half of the lifetime, well within a minute. No request is refused, so the requests are as
    // documented.
    eventually("a second token each", Duration::from_secs(45), async || {
        let waiting: Vec<_> = providers.iter().filter(|provider| provider.count() < 2).collect();
        if waiting.is_empty() { Ok(()) } else { Err(format!("{} still wait", waiting.len())) }
    })
    .await;
    for provider in &providers {
        assert_eq!(provider.refusals(), Vec::<String>::new(), "{}", provider.name());
    }
    for name in SERVED {
        let provider = providers.iter().find(|provider| provider.name() == name).unwrap();
        eventually("the newest token in the Secret", Duration::from_secs(10), async || {
            let token = story.value(&format!("{name}-token"), "access_token").await;
            if provider.issued().last() == Some(&token) && provider.accepts(&token) {
                Ok(())
            } else {
                Err(name)
            }
        })
        .await;
    }
}
