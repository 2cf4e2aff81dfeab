//! deploy/examples/recipes/image-pull.yaml: the Secret is the configuration of a real registry client, which pulls from a
//! registry of the test. Like most registries, this registry requires the token at its own token service, as HTTP Basic.
//! Knows the requests of a pull: for the registry's own token, the manifest and the blobs.

use std::process::Command;

use kube::ResourceExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::{assets, unique};

use crate::recipe::Recipe;
use crate::story::Story;

const REPOSITORY: &str = "team/greeting";

pub(crate) async fn are_pulled_with_each_token(story: &Story) {
    let host = story.provider.host();
    let recipe = Recipe::apply(story, "image-pull.yaml", &[("registry.example.com", &host)]).await;
    serve(&recipe);
    let directory = tempfile::tempdir().unwrap();
    let image = recipe.object("Pod").data["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
    for number in 1..=3 {
        if number > 1 {
            recipe.renew().await;
            recipe.tokens.expire_the_others();
        }
        let configuration = directory.path().join(format!("{number}.json"));
        std::fs::write(&configuration, story.value(&recipe.secret(), ".dockerconfigjson").await).unwrap();
        let output = Command::new(assets::oras().join("oras"))
            .args([
                "pull",
                &image,
                "--plain-http=false",
                "--registry-config",
                configuration.to_str().unwrap(),
            ])
            .args(["--ca-file", &recipe.authority(), "--output", directory.path().to_str().unwrap()])
            .output()
            .unwrap();
        assert!(output.status.success(), "pull {number}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(recipe.tokens.last_was_presented(), "pull {number}");
        std::fs::remove_file(directory.path().join("greeting.txt")).expect("the file in the image");
    }
    assert_eq!(recipe.tokens.refused(), 0);
    assert_eq!(recipe.object("Pod").data["spec"]["serviceAccountName"], "puller");
    let account = recipe.object("ServiceAccount");
    assert_eq!(account.name_any(), "puller");
    assert_eq!(account.data["imagePullSecrets"], json!([{"name": recipe.secret()}]));
    // With this type, the API server checks the format of the data, too.
    assert_eq!(story.secret(&recipe.secret()).await.type_.as_deref(), Some("kubernetes.io/dockerconfigjson"));
}

/// A registry with one image.
fn serve(recipe: &Recipe<'_>) {
    let provider = &recipe.story.provider;
    let session = unique::word(24);
    let (tokens, answer) = (recipe.tokens.clone(), Answer::json(200, &json!({"token": session})));
    provider.respond("/auth", move |request, _| {
        let pulls = request.query().contains(&("scope".to_owned(), format!("repository:{REPOSITORY}:pull")));
        if pulls && tokens.admit(request) { answer.clone() } else { Answer::status(401) }
    });
    let challenge = format!(
        "Bearer realm=\"{}\",service=\"registry\",scope=\"repository:{REPOSITORY}:pull\"",
        provider.url("/auth")
    );
    let (file, configuration) = (b"hello\n".to_vec(), b"{}".to_vec());
    let manifest = manifest(&file, &configuration).to_string().into_bytes();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let parts = [
        (format!("manifests/{}", digest(&manifest)), kind, manifest.clone()),
        ("manifests/1".to_owned(), kind, manifest),
        (format!("blobs/{}", digest(&file)), "application/octet-stream", file),
        (format!("blobs/{}", digest(&configuration)), "application/octet-stream", configuration),
    ];
    for (path, kind, content) in parts {
        let (session, challenge) = (session.clone(), challenge.clone());
        // The connection is closed, because the answer to a HEAD has a body here. The client must not take this body for the next
        // answer.
        let answer = Answer::bytes(200, kind, &content)
            .header("Docker-Content-Digest", &digest(&content))
            .header("Connection", "close");
        provider.respond(&format!("/v2/{REPOSITORY}/{path}"), move |request, _| {
            if request.bearer() == Some(&session) {
                answer.clone()
            } else {
                Answer::status(401).header("WWW-Authenticate", &challenge)
            }
        });
    }
}

fn manifest(file: &[u8], configuration: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": digest(configuration), "size": configuration.len(),
        },
        "layers": [{
            "mediaType": "text/plain", "digest": digest(file), "size": file.len(),
            "annotations": {"org.opencontainers.image.title": "greeting.txt"},
        }],
    })
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", tokensource_kit::hex(&Sha256::digest(content)))
}
