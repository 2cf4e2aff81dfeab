//! Provider objects of the namespace and of the cluster.

use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{Story, TOKEN, condition, is};

fn using(story: &Story, source: &str, kind: &str, name: &str) -> Value {
    story.source_for(source, &json!({"provider": null, "providerRef": {"kind": kind, "name": name}}))
}

pub(crate) async fn edited_provider_asks_once(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "s3cr3t-of-the-client").await;
    let mut provider = json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenProvider",
        "metadata": {"name": "ours"}, "spec": story.block(),
    });
    story.apply(&provider).await;
    story.apply(&using(story, "ref", "TokenProvider", "ours")).await;
    story.ready("ref").await;
    provider["spec"]["parameters"] = json!([{"name": "tenant", "value": "acme"}]);
    story.apply(&provider).await;
    story.asked_exactly(2).await;
    assert_eq!(story.provider.requests(TOKEN)[1].form_value("tenant").as_deref(), Some("acme"));
    story.ready("ref").await;
}

pub(crate) async fn missing_provider_is_named(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "s3cr3t-of-the-client").await;
    story.apply(&using(story, "early", "TokenProvider", "late")).await;
    let source = story.failing("early", "ProviderNotFound").await;
    assert!(condition(&source, ConditionType::Renewed).unwrap().2.contains("late"));
    story
        .apply(&json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenProvider",
            "metadata": {"name": "late"}, "spec": story.block(),
        }))
        .await;
    story.ready("early").await;
}

pub(crate) async fn cluster_provider_admits_by_label(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "s3cr3t-of-the-client").await;
    let name = format!("shared-{}", story.namespace);
    let mut spec = story.block();
    spec["allowedNamespaces"] = json!({"matchLabels": {"story": story.namespace}});
    let provider = json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "ClusterTokenProvider",
        "metadata": {"name": name}, "spec": spec,
    });
    story.world.plane().apply(&provider.to_string()).await;
    story.apply(&using(story, "guest", "ClusterTokenProvider", &name)).await;
    let source = story.failing("guest", "ProviderNotAllowed").await;
    assert!(is(&source, ConditionType::Stalled, "True"));
    story.asked_exactly(0).await;
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": story.namespace, "labels": {"story": story.namespace}},
    });
    story.world.plane().apply(&namespace.to_string()).await;
    story.ready("guest").await;
    story.asked_exactly(1).await;
}

pub(crate) async fn only_cluster_providers(story: &mut Story) {
    story.run_with(&["--allow-network", "127.0.0.0/8", "--only-cluster-providers"]).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("own", &json!({})).await;
    story.failing("own", "ProviderNotAllowed").await;
    story.asked_exactly(0).await;

    // The URL of a probe must have a host that an administrator has named, too.
    let name = story.namespace.clone();
    let provider = json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "ClusterTokenProvider",
        "metadata": {"name": name}, "spec": story.block(),
    });
    story.world.plane().apply(&provider.to_string()).await;
    let with_probe = |source: &str, url: &str| {
        let mut using = using(story, source, "ClusterTokenProvider", &name);
        using["spec"]["renewal"] = json!({"probe": {"url": url}});
        using
    };
    story.apply(&with_probe("stray", "https://collector.example/")).await;
    story.failing("stray", "ProviderNotAllowed").await;
    story.apply(&with_probe("homely", &story.provider.url("/echo"))).await;
    story.ready("homely").await;
    story.asked_exactly(1).await;
}
