//! The recipes as objects: whether the API server accepts them, and whether programs that do not run here find the keys and
//! labels that they document. Knows those names.

use std::fs;

use kube::ResourceExt;
use serde_json::json;
use tokensource_kit::manifest;
use tokensource_kit::shipped::repository;

use crate::recipe::{self, Recipe};
use crate::story::{Story, text};

/// All files, by the API server's schema. Objects of other projects are left out, because their CRDs are not installed.
pub(crate) async fn api_server_accepts_every_manifest(story: &Story) {
    let plane = story.world.plane();
    let files = fs::read_dir(repository().join("deploy/examples/recipes")).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let mut objects = recipe::read(&file, &[]);
        objects.retain(recipe::is_served);
        manifest::into_namespace(&mut objects, &story.namespace);
        // The API server refuses a pod whose ServiceAccount does not exist.
        let accounts =
            objects.iter().filter(|object| object.types.as_ref().unwrap().kind == "ServiceAccount");
        plane.apply_objects(&accounts.cloned().collect::<Vec<_>>()).await;
        let accepted = plane.rehearse(&story.namespace, &objects).await;
        assert!(accepted.is_ok(), "{file}: {}", accepted.unwrap_err());
        objects[0].data["spec"]["target"]["secretName"] = json!("a");
        let refusal = plane.rehearse(&story.namespace, &objects).await.unwrap_err().to_string();
        assert!(refusal.contains("field not declared in schema"), "{file}: {refusal}");
    }
}

/// The keys of a recipe's Secret.
async fn keys(recipe: &Recipe<'_>) -> Vec<String> {
    recipe.story.secret(&recipe.secret()).await.data.unwrap().into_keys().collect()
}

/// The token that the provider has issued.
fn token(story: &Story) -> String {
    story.provider.issued().last().unwrap().clone()
}

pub(crate) async fn flux_finds_what_it_documents(story: &Story) {
    let recipe = Recipe::apply(story, "flux.yaml", &[]).await;
    let repository = recipe.object("GitRepository");
    assert_eq!(repository.data["spec"]["secretRef"], json!({"name": recipe.secret()}));
    assert!(repository.metadata.namespace.is_none() && recipe.source().metadata.namespace.is_none());
    assert_eq!(keys(&recipe).await, ["password", "username"]);
    let secret = story.secret(&recipe.secret()).await;
    assert_eq!((text(&secret, "username"), text(&secret, "password")), ("oauth2".to_owned(), token(story)));
}

pub(crate) async fn argo_cd_finds_what_it_documents(story: &Story) {
    let recipe = Recipe::apply(story, "argocd.yaml", &[]).await;
    let secret = story.secret(&recipe.secret()).await;
    assert_eq!(secret.labels()["argocd.argoproj.io/secret-type"], "repository");
    assert_eq!(keys(&recipe).await, ["password", "type", "url", "username"]);
    assert_eq!(text(&secret, "type"), "git");
    assert_eq!(recipe.object("Application").data["spec"]["source"]["repoURL"], text(&secret, "url"));
    assert_eq!((text(&secret, "username"), text(&secret, "password")), ("oauth2".to_owned(), token(story)));
    // The label stays at each renewal: without it Argo CD would forget the repository.
    recipe.renew().await;
    let secret = story.secret(&recipe.secret()).await;
    assert_eq!(secret.labels()["argocd.argoproj.io/secret-type"], "repository");
    assert_eq!(text(&secret, "password"), token(story));
}

pub(crate) async fn keda_finds_what_it_documents(story: &Story) {
    let recipe = Recipe::apply(story, "keda.yaml", &[]).await;
    let authentication = recipe.object("TriggerAuthentication");
    let reference = &authentication.data["spec"]["secretTargetRef"][0];
    // The parameter of the scaler `metrics-api` with `authMode: bearer`.
    assert_eq!(reference["parameter"], "token");
    let secret = story.secret(reference["name"].as_str().unwrap()).await;
    assert_eq!(text(&secret, reference["key"].as_str().unwrap()), token(story));
    let trigger = &recipe.object("ScaledObject").data["spec"]["triggers"][0];
    assert_eq!(
        (&trigger["type"], &trigger["metadata"]["authMode"]),
        (&json!("metrics-api"), &json!("bearer"))
    );
    assert_eq!(trigger["authenticationRef"], json!({"name": authentication.name_any()}));
}
