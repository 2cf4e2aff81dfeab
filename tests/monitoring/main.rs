//! deploy/monitoring without a cluster: promtool's judgement of the rules, and the consistency of the files.
//! `stories::monitoring` tests with a real controller and a real Prometheus. Knows the structure of the files; must not know
//! the purpose of an alert, which alerts.yaml describes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // tests end where they fail

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};
use tokensource_kit::shipped::repository;
use tokensource_kit::{assets, prometheus};

fn groups() -> Value {
    prometheus::spec(&repository().join("deploy/monitoring/prometheusrule.yaml"))["groups"].clone()
}

fn alerts() -> Vec<Value> {
    groups().as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn cases() -> String {
    std::fs::read_to_string(repository().join("tests/monitoring/alerts.yaml")).unwrap()
}

/// promtool's output for these groups; an error if it finds a fault.
fn promtool(verb: &str, groups: &Value) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yaml"), json!({"groups": groups}).to_string()).unwrap();
    std::fs::write(folder.path().join("alerts.yaml"), cases()).unwrap();
    let file = if verb == "test" { "alerts.yaml" } else { "rules.yaml" };
    let output = Command::new(assets::prometheus().join("promtool"))
        .args([verb, "rules", file])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// With the summaries as the only annotations: promtool compares all of them, and the descriptions would have to be repeated
/// in alerts.yaml.
fn summarised(mut groups: Value) -> Value {
    for group in groups.as_array_mut().unwrap() {
        for rule in group["rules"].as_array_mut().unwrap() {
            rule["annotations"] = json!({"summary": rule["annotations"]["summary"]});
        }
    }
    groups
}

#[test]
fn promtool_finds_no_fault_with_the_rules() {
    let said = promtool("check", &groups()).unwrap();
    assert!(said.contains(&format!("{} rules found", alerts().len())), "{said}");
    let mut broken = groups();
    broken[0]["rules"][0]["expr"] = json!("max by (");
    promtool("check", &broken).unwrap_err();
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    promtool("test", &summarised(groups())).unwrap();
    // Every case matters: an alert that always or never fires is noticed.
    for index in 0..alerts().len() {
        for expression in ["vector(1) > 2", "vector(1)"] {
            let mut altered = summarised(groups());
            altered[0]["rules"][index]["expr"] = json!(expression);
            assert!(
                promtool("test", &altered).is_err(),
                "{expression} in place of {}",
                alerts()[index]["expr"]
            );
        }
    }
}

#[test]
fn every_alert_has_a_case_of_each_kind() {
    let cases: Value = serde_saphyr::from_str(&cases()).unwrap();
    let all: Vec<_> = cases["tests"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|case| case["alert_rule_test"].as_array().unwrap().clone())
        .collect();
    for alert in alerts() {
        for fires in [true, false] {
            let found = all.iter().any(|case| {
                case["alertname"] == alert["alert"]
                    && case["exp_alerts"].as_array().unwrap().is_empty() != fires
            });
            assert!(
                found,
                "{} has no case in which it {}",
                alert["alert"],
                if fires { "fires" } else { "does not" }
            );
        }
    }
}

/// The anchors that GitHub makes of a document's headings.
fn anchors(document: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(repository().join(document)).unwrap();
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            title.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
        })
        .collect()
}

#[test]
fn every_alert_tells_a_person_what_to_do_and_where_to_read() {
    for alert in alerts() {
        let annotations = &alert["annotations"];
        assert!(annotations["description"].as_str().unwrap().contains("kubectl"), "{alert}");
        let (document, anchor) = annotations["runbook"].as_str().unwrap().split_once('#').unwrap();
        assert_eq!(
            anchor,
            alert["alert"].as_str().unwrap().to_lowercase(),
            "a part of its own in {document}"
        );
        assert!(anchors(document).contains(anchor), "{document} has no {anchor}: {:?}", anchors(document));
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{alert}");
    }
}

/// The objects of an overlay with this component.
fn built() -> Vec<kube::core::DynamicObject> {
    let output = Command::new(assets::kubernetes().join("kubectl"))
        .args(["kustomize", "tests/monitoring/overlay"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    tokensource_kit::manifest::parse(&String::from_utf8(output.stdout).unwrap())
}

#[test]
fn an_overlay_takes_it_up_and_the_monitor_finds_the_pods() {
    let objects = built();
    let one = |kind: &str, name: &str| {
        let found = objects.iter().find(|object| {
            object.types.as_ref().unwrap().kind == kind && object.metadata.name.as_deref() == Some(name)
        });
        found.unwrap_or_else(|| panic!("no {kind} {name}")).data.clone()
    };
    let monitor = one("PodMonitor", "tokensource");
    let pods = &one("Deployment", "tokensource-controller")["spec"]["template"];
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], pods["metadata"]["labels"]);
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    let ports = pods["spec"]["containers"][0]["ports"].as_array().unwrap();
    assert!(ports.iter().any(|port| port["name"] == endpoint["port"]), "{endpoint}");
    assert_eq!(one("PrometheusRule", "tokensource")["spec"]["groups"], groups());
    let dashboard = one("ConfigMap", "tokensource-dashboard");
    let shipped = std::fs::read_to_string(repository().join("deploy/monitoring/dashboard.json")).unwrap();
    assert_eq!(dashboard["data"]["tokensource.json"], shipped);
}

#[test]
fn the_document_names_every_metric_that_is_used() {
    let read = |file: &str| std::fs::read_to_string(repository().join(file)).unwrap();
    let documented = prometheus::named(&read("docs/metrics.md"), "tokensource_");
    let used = read("deploy/monitoring/prometheusrule.yaml") + &read("deploy/monitoring/dashboard.json");
    for metric in prometheus::named(&used, "tokensource_") {
        let family = metric.trim_end_matches("_bucket");
        assert!(documented.contains(family), "docs/metrics.md does not tell of {family}");
    }
}
