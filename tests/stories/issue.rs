//! From `kubectl apply` to a token in a Secret, and back.

use std::time::Duration;

use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;
use tokensource::api::{ConditionType, annotation};
use tokensource_kit::eventually;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::shipped::repository;
use tokio::process::Command;

use crate::story::{Story, TOKEN, condition, is, text};

pub(crate) async fn token_arrives_with_everything_it_should_have(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let target = json!({"labels": {"team": "lending"}, "annotations": {"example.com/owner": "us"}});
    story.ask("all", &json!({"target": target})).await;
    let source = story.ready("all").await;
    let secret = story.secret("all-token").await;

    let keys: Vec<_> = secret.data.iter().flatten().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["access_token", "expires_at", "token_type"]);
    assert_eq!(text(&secret, "access_token"), story.provider.issued()[0]);
    assert_eq!(text(&secret, "token_type"), "Bearer");
    assert_eq!(text(&secret, "expires_at"), secret.annotations()[annotation::EXPIRES_AT]);
    assert_eq!(secret.labels()["team"], "lending");
    assert_eq!(secret.labels()["app.kubernetes.io/managed-by"], "tokensource");
    assert_eq!(secret.annotations()["example.com/owner"], "us");
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    let owner = &secret.owner_references()[0];
    assert_eq!((owner.uid.as_str(), owner.controller), (source.uid().unwrap().as_str(), Some(true)));

    let status = source.status.clone().unwrap();
    let (issued, expires, renews) =
        (status.issued_at.unwrap().0, status.expires_at.unwrap().0, status.renew_at.unwrap().0);
    assert_eq!(expires.as_second() - issued.as_second(), 3600);
    // The renewal is due after three quarters of the lifetime, less a jitter of up to a tenth of the remaining quarter.
    assert!((2610..=2700).contains(&(renews.as_second() - issued.as_second())));
    assert_eq!(status.target.unwrap().resource_version, secret.resource_version());
    assert_eq!((status.failures, status.token_type.as_deref()), (0, Some("Bearer")));
    assert!(is(&source, ConditionType::Renewed, "True"));
    assert!(condition(&source, ConditionType::Stalled).is_none());
    assert!(condition(&source, ConditionType::Reconciling).is_none());
    story.asked_exactly(1).await;
    assert_eq!(story.events("all").await, ["TokenIssued"]);
}

pub(crate) async fn kubectl_shows_the_columns_of_the_reference(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("shown", &json!({})).await;
    story.ready("shown").await;
    let plane = story.world.plane();
    let mut kubectl = Command::new(plane.kubectl());
    kubectl.args(["get", "tokensources", "--output", "wide", "--namespace", &story.namespace]);
    let output = kubectl.env("KUBECONFIG", plane.kubeconfig_for("admin")).output().await.expect("kubectl");
    let table = String::from_utf8_lossy(&output.stdout);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();

    let page = std::fs::read_to_string(repository().join("docs/reference.md")).expect("the reference");
    let (_, section) = page.split_once("### TokenSource columns\n").expect("a section on columns");
    let described = section.lines().take_while(|line| !line.starts_with('#'));
    let described = described.filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let columns: Vec<_> = ["NAME"].into_iter().chain(described).chain(["AGE"]).collect();
    assert!(columns.len() > 8 && rows.len() == 2, "{columns:?}\n{table}");
    assert_eq!(rows[0], columns);
    assert_eq!(rows[1][..4], ["shown", "True", "TokenIssued", "shown-token"], "{table}");
}

pub(crate) async fn deleted_source_takes_its_secret_along(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("gone", &json!({})).await;
    story.ready("gone").await;
    story.sources().delete("gone", &DeleteParams::default()).await.expect("deleted");
    eventually("garbage collection", Duration::from_secs(60), async || {
        match story.secrets().get_opt("gone-token").await {
            Ok(None) => Ok(()),
            other => {
                Err(format!("{:?}", other.map(|found| found.map(|secret| secret.metadata.resource_version))))
            }
        }
    })
    .await;
    story.asked_exactly(1).await;
}

pub(crate) async fn templates_shape_the_secret(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let config = r#"{"auths": {"registry.example.com": {"auth": {{ ("oauth2:" ~ access_token) | b64encode | tojson }}}}}"#;
    let docker = json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": config}});
    story.ask("shaped", &json!({"target": docker})).await;
    story.ready("shaped").await;
    let secret = story.secret("shaped-token").await;
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/dockerconfigjson"));
    assert_eq!(
        secret.data.iter().flatten().map(|(key, _)| key.as_str()).collect::<Vec<_>>(),
        [".dockerconfigjson"]
    );
    let read: serde_json::Value = serde_json::from_str(&text(&secret, ".dockerconfigjson")).expect("JSON");
    assert!(read["auths"]["registry.example.com"]["auth"].is_string());
    story.asked_exactly(1).await;

    // Other templates, another token; the old keys are removed.
    let header =
        json!({"type": null, "data": {".dockerconfigjson": null, "header": "Bearer {{ access_token }}\n"}});
    story.patch_source("shaped", &json!({"spec": {"target": header}})).await;
    eventually("exactly the new key", Duration::from_secs(20), async || {
        let Ok(Some(secret)) = story.secrets().get_opt("shaped-token").await else {
            return Err("no Secret".to_owned());
        };
        let keys: Vec<_> = secret.data.iter().flatten().map(|(key, _)| key.clone()).collect();
        if keys == ["header"] { Ok(()) } else { Err(format!("{keys:?}")) }
    })
    .await;
    story.ready("shaped").await;
    story.asked_exactly(2).await;
    assert_eq!(
        story.value("shaped-token", "header").await,
        format!("Bearer {}\n", story.provider.issued()[1])
    );
}
