//! The manifests of the documentation: five against providers that answer, and refuse, as their documents say; those of
//! the catalog against the API server alone.

use std::time::Duration;

use kube::api::ListParams;
use tokensource_kit::lookalikes::Lookalike;
use tokensource_kit::{eventually, manifest};

use crate::story::Story;
use crate::world::repository;

/// A misspelled field, and a value that a rule forbids: a catalog with such slips would be refused.
const SLIPS: [(&str, &str, &str); 2] = [
    ("tokenEndpont", "https://h.example/t", "field not declared in schema"),
    ("tokenEndpoint", "http://h.example/t", "write a full https:// URL"),
];

/// By the API server's own reading of the schema. What they ask for is compared in tests/golden.
pub(crate) async fn catalog_is_accepted(story: &mut Story) {
    let plane = story.world.plane();
    let mut files: Vec<_> = std::fs::read_dir(repository().join("deploy/examples/catalog"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
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

/// The workloads of docs/workloads.md, by the API server's schema of a Deployment.
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

const SERVED: [&str; 6] = ["prisjakt", "pliant", "pliant-sandbox", "v2", "ocrolus", "apiax"];

pub(crate) async fn documents_hold(story: &mut Story) {
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
    // Renewed at half life, long before the minute is over, and never refused: the requests are as documented.
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
