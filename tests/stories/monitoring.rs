//! A real Prometheus scrapes the real controller with deploy/monitoring: every rule and every query of the dashboard finds
//! its series.

use std::time::Duration;

use serde_json::json;
use tokensource_kit::eventually;
use tokensource_kit::prometheus::{self, Prometheus};
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::shipped::repository;

use crate::story::{Story, TOKEN};

/// The deadline: two scrapes after the slowest event, on a busy machine.
const SEEN: Duration = Duration::from_secs(45);

async fn start(story: &Story) -> Prometheus {
    let directory = repository().join("deploy/monitoring");
    let endpoint = &prometheus::spec(&directory.join("podmonitor.yaml"))["podMetricsEndpoints"][0];
    let mut rules = prometheus::spec(&directory.join("prometheusrule.yaml"));
    // These rules replace the metrics of the kubelet.
    let kubelet = |record: &str| json!({"record": record, "expr": "tokensource_leader + 1", "labels": {"container": "controller"}});
    let containers = ["container_cpu_usage_seconds_total", "container_memory_working_set_bytes"];
    let group = json!({"name": "kubelet", "rules": containers.map(kubelet)});
    rules["groups"].as_array_mut().unwrap().push(group);
    // The Prometheus operator adds such labels to a target. They must not replace the label `namespace` of a TokenSource's
    // series.
    let target = json!({"cluster": "here", "namespace": "tokensource-system", "pod": "the-pod"});
    Prometheus::start(story.controller.address(), &target, endpoint, &rules).await
}

/// Waits until a query yields exactly this number, once.
async fn yields(prometheus: &Prometheus, query: &str, number: &str) {
    eventually(query, SEEN, async || {
        let found = prometheus.query(query).await?;
        match found.as_slice() {
            [one] if one["value"][1] == number => Ok(()),
            _ => Err(format!("{found:?} instead of {number}")),
        }
    })
    .await;
}

pub(crate) async fn every_query_finds_what_it_asks_for(story: &mut Story) {
    let prometheus = start(story).await;
    // A TokenSource that is renewed every few seconds, and a TokenSource without credentials.
    story.provider.always(TOKEN, Answer::token(14));
    story.ask("brief", &json!({})).await;
    // The TokenSource without credentials uses this TokenProvider.
    story
        .apply(&json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenProvider", "metadata": {"name": "shared"},
            "spec": story.block(),
        }))
        .await;
    let bare = json!({
        "provider": null, "providerRef": {"kind": "TokenProvider", "name": "shared"},
        "credentialsRef": {"name": "nowhere"},
    });
    story.apply(&story.source_for("bare", &bare)).await;
    story.ready("brief").await;
    story.failing("bare", "CredentialsNotFound").await;

    let ours = format!("{{namespace=\"{}\",pod=\"the-pod\"}}", story.namespace);
    yields(&prometheus, &format!("count(tokensource_ready{ours})"), "2").await;
    yields(&prometheus, &format!("sum(tokensource_ready{ours})"), "1").await;
    let host = "provider=\"localhost\",cluster=\"here\"";
    yields(&prometheus, &format!("count(tokensource_ready{{{host}}})"), "2").await;
    let missing =
        format!("tokensource_failure_reason{{{host},name=\"bare\",reason=\"CredentialsNotFound\"}}");
    yields(&prometheus, &missing, "1").await;
    yields(&prometheus, "count(tokensource_failure_reason)", "1").await;
    yields(&prometheus, "sum by (job) (tokensource_leader{namespace=\"tokensource-system\"})", "1").await;

    let directory = repository().join("deploy/monitoring");
    let queries = prometheus::queries(&directory.join("dashboard.json"));
    assert!(queries.len() > 20, "{queries:#?}");
    for query in &queries {
        eventually(query, SEEN, async || {
            let found = prometheus.query(query).await?;
            // A division by zero has a result, which is not a number.
            if found.iter().any(|one| one["value"][1] != "NaN") { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }
    let rules = std::fs::read_to_string(directory.join("prometheusrule.yaml")).unwrap();
    let metrics = prometheus::named(&(rules + &queries.join(" ")), "tokensource_");
    assert!(metrics.len() > 10, "{metrics:?}");
    for metric in &metrics {
        assert!(!prometheus.query(metric).await.unwrap().is_empty(), "no series of {metric}");
    }
    let rules = prometheus.rules().await;
    assert!(rules.len() > 25, "{rules:?}");
    assert!(rules.values().all(|(health, error)| health == "ok" && error.is_none()), "{rules:?}");
    // Every family of a scrape is documented.
    let document = std::fs::read_to_string(repository().join("docs/metrics.md")).unwrap();
    let text = story.controller.metrics().await;
    for metric in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(document.contains(metric), "docs/metrics.md does not name {metric}");
    }
}
