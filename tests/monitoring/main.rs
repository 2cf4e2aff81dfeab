//! deploy/monitoring without a cluster: promtool checks the rules, and the tests check the consistency of the files.
//! `stories::monitoring` tests with a real controller and a real Prometheus. Knows the structure of the files; must not know
//! the purpose of an alert, which alerts.yaml describes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // tests end where they fail
// A picture is precise to a tenth of a pixel, and its numbers are small.
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod dashboard;
mod fleet;
mod inhibition;
mod picture;

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};
use tokensource_kit::shipped::repository;
use tokensource_kit::{assets, prometheus};

fn groups() -> Value {
    prometheus::spec(&repository().join("deploy/monitoring/prometheusrule.yaml"))["groups"].clone()
}

/// The rules in all groups.
fn rules() -> Vec<Value> {
    groups().as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

fn cases() -> Value {
    let text = std::fs::read_to_string(repository().join("tests/monitoring/alerts.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// promtool's output for these groups and cases; an error if it finds a fault.
fn promtool(verb: &str, groups: &Value, cases: &Value) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("rules.yaml"), json!({"groups": groups}).to_string()).unwrap();
    std::fs::write(directory.path().join("alerts.yaml"), cases.to_string()).unwrap();
    let file = if verb == "test" { "alerts.yaml" } else { "rules.yaml" };
    let output = Command::new(assets::prometheus().join("promtool"))
        .args([verb, "rules", file])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// Keeps only the summaries among the annotations: promtool compares all annotations, and alerts.yaml would have to repeat the
/// descriptions.
fn summarised(mut groups: Value) -> Value {
    for group in groups.as_array_mut().unwrap() {
        for rule in group["rules"].as_array_mut().unwrap() {
            if rule["alert"].is_string() {
                rule["annotations"] = json!({"summary": rule["annotations"]["summary"]});
            }
        }
    }
    groups
}

#[test]
fn promtool_finds_no_fault_with_the_rules() {
    let said = promtool("check", &groups(), &cases()).unwrap();
    assert!(said.contains(&format!("{} rules found", rules().len())), "{said}");
    let mut broken = groups();
    broken[0]["rules"][0]["expr"] = json!("max by (");
    promtool("check", &broken, &cases()).unwrap_err();
}

/// The cases of these alerts only. Each of the others would take seconds.
fn cases_of(alerts: &[Value]) -> Value {
    let mut cases = cases();
    cases["tests"].as_array_mut().unwrap().retain(|case| {
        let mut of_case = case["alert_rule_test"].as_array().unwrap().iter();
        of_case.any(|test| alerts.iter().any(|alert| alert["alert"] == test["alertname"]))
    });
    cases
}

/// The alerts that need a rule: the rule itself if it is an alert; otherwise the alerts whose expressions name the record of
/// the rule, directly or through other records.
fn alerts_that_need(rule: &Value) -> Vec<Value> {
    let Some(record) = rule["record"].as_str() else { return vec![rule.clone()] };
    let names = |other: &Value| {
        let words = prometheus::named(other["expr"].as_str().unwrap(), "tokensource:");
        words.contains(record)
    };
    rules().iter().filter(|other| names(other)).flat_map(alerts_that_need).collect()
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    promtool("test", &summarised(groups()), &cases()).unwrap();
    // Every rule matters: a rule that always or never has a value is noticed.
    for (group, of_group) in groups().as_array().unwrap().iter().enumerate() {
        for (index, rule) in of_group["rules"].as_array().unwrap().iter().enumerate() {
            let needed = alerts_that_need(rule);
            // No test would notice an error in a recording rule that no alert needs.
            assert!(!needed.is_empty(), "no alert needs {rule}");
            for expression in ["vector(1) > 2", "vector(1)"] {
                let mut altered = summarised(groups());
                altered[group]["rules"][index]["expr"] = json!(expression);
                let found = promtool("test", &altered, &cases_of(&needed));
                assert!(found.is_err(), "{expression} in place of {}", rule["expr"]);
            }
        }
    }
}

#[test]
fn every_rule_keeps_the_label_of_the_cluster() {
    for rule in rules() {
        let expression = rule["expr"].as_str().unwrap();
        for grouping in ["by (", "on ("] {
            let mut labels = expression.split(grouping).skip(1);
            assert!(labels.all(|labels| labels.starts_with("cluster")), "{expression}");
        }
        // No aggregation without a grouping, which would remove every label.
        for aggregation in ["sum(", "max(", "min(", "avg(", "count(", "without ("] {
            assert!(!expression.contains(aggregation), "{expression}");
        }
    }
}

#[test]
fn a_provider_is_blamed_for_these_reasons() {
    use tokensource::api::{Reason, ReasonKind};
    let blamed = |reason: &Reason| {
        let others = [Reason::RateLimited, Reason::ProviderError, Reason::DiscoveryFailed];
        reason.kind() == ReasonKind::Endpoint || others.contains(reason)
    };
    let expected: BTreeSet<_> =
        Reason::ALL.iter().copied().filter(blamed).map(Reason::as_str).map(str::to_owned).collect();
    let faults =
        rules().into_iter().find(|rule| rule["record"] == "tokensource:provider_faults:count").unwrap();
    let expression = faults["expr"].as_str().unwrap();
    let (_, reasons) = expression.split_once("reason=~\"").unwrap();
    let reasons = reasons.split('"').next().unwrap();
    assert_eq!(reasons.split('|').map(str::to_owned).collect::<BTreeSet<_>>(), expected);
}

#[test]
fn every_alert_has_a_case_of_each_kind() {
    let cases = cases();
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
        let (document, anchor) = annotations["runbook_url"].as_str().unwrap().split_once('#').unwrap();
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
fn built(overlay: &str) -> Vec<kube::core::DynamicObject> {
    let output = Command::new(assets::kubernetes().join("kubectl"))
        .args(["kustomize", &format!("tests/monitoring/{overlay}")])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    tokensource_kit::manifest::parse(&String::from_utf8(output.stdout).unwrap())
}

#[test]
fn an_overlay_takes_it_up_and_the_monitor_finds_the_pods() {
    let objects = built("overlay");
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
fn an_overlay_sets_the_address_of_the_runbooks_and_changes_nothing_else() {
    let objects = built("runbooks");
    let found =
        objects.iter().find(|object| object.types.as_ref().unwrap().kind == "PrometheusRule").unwrap();
    let text = found.data["spec"]["groups"].to_string();
    assert_eq!(text.matches("https://wiki.example.com/tokensource#").count(), alerts().len());
    let original = text.replace("https://wiki.example.com/tokensource#", "docs/operations.md#");
    assert_eq!(serde_json::from_str::<Value>(&original).unwrap(), groups());
    assert!(!objects.iter().any(|object| object.metadata.name.as_deref() == Some("runbooks")));
}

#[test]
fn the_document_names_every_metric_that_is_used() {
    let read = |file: &str| std::fs::read_to_string(repository().join(file)).unwrap();
    let page = read("docs/metrics.md");
    let used = read("deploy/monitoring/prometheusrule.yaml") + &read("deploy/monitoring/dashboard.json");
    for prefix in ["tokensource_", "tokensource:"] {
        let documented = prometheus::named(&page, prefix);
        for metric in prometheus::named(&used, prefix) {
            let family = metric.trim_end_matches("_bucket").trim_end_matches("_count");
            // A single row describes the same ratio for each window.
            let family = family.split(":ratio_").next().unwrap();
            let is_described = documented.iter().any(|name| name.starts_with(family));
            assert!(is_described, "docs/metrics.md does not name {family}");
        }
    }
}
