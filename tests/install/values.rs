//! The values: what is refused, and that defaults, schema and documentation name the same ones.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use tokensource_kit::shipped::repository;

use crate::helm::{Helm, chart, kustomize};

#[test]
fn wrong_values_are_refused_with_their_name() {
    let helm = Helm::offline();
    for (values, said) in [
        (json!({"replica": 2}), "additional properties 'replica' not allowed"),
        (json!({"image": {"registry": "r"}}), "additional properties 'registry' not allowed"),
        (json!({"replicas": "two"}), "at '/replicas': got string, want integer"),
        (json!({"replicas": -1}), "at '/replicas': minimum: got -1, want 0"),
        (json!({"namespaces": "team-a"}), "at '/namespaces': got string, want array"),
        (json!({"namespaces": ["Team_A"]}), "at '/namespaces/0'"),
        (json!({"namespaces": ["a", "a"]}), "at '/namespaces'"),
        (json!({"allowNetworks": ["10.0.0.1"]}), "at '/allowNetworks/0'"),
        (json!({"logFormat": "xml"}), "value must be one of 'text', 'json'"),
        (json!({"crds": {"keep": "false"}}), "at '/crds/keep': got string, want boolean"),
        (json!({"extraArgs": ["concurrency"]}), "at '/extraArgs/0'"),
        (json!({"resources": {"limit": {}}}), "additional properties 'limit' not allowed"),
        (json!({"tolerations": [{"keys": "a"}]}), "additional properties 'keys' not allowed"),
        (json!({"caBundle": {"pem": "MIIB…"}}), "at '/caBundle/pem'"),
        (json!({"proxy": {"url": "http://user:password@proxy.example"}}), "at '/proxy/url'"),
        // By the templates, which can say it in a sentence.
        (json!({"extraArgs": ["--namespace=a"]}), "--namespace=a has a value of its own"),
        (json!({"extraArgs": ["--https-proxy=http://p"]}), "--https-proxy=http://p has a value of its own"),
        (json!({"proxy": {"credentialsSecret": "p"}}), "no effect without proxy.url"),
        (json!({"caBundle": {"configMap": "c", "pem": "-----BEGIN CERTIFICATE-----"}}), "exclude each other"),
    ] {
        let problem = helm.try_template(&values).err().unwrap_or_else(|| panic!("{values} is taken"));
        assert!(problem.contains(said), "{values}: {problem}");
    }
}

fn defaults() -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(chart().join("values.yaml")).unwrap()).unwrap()
}

/// Each value by its path; `resources`, and labels, count as one.
fn leaves(path: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value.as_object() {
        Some(members) if !members.is_empty() && path != "resources" && !path.ends_with(".labels") => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(&path, member, found);
            }
        }
        _ => {
            found.insert(path.to_owned(), value.clone());
        }
    }
}

#[test]
fn every_value_is_documented_with_its_default() {
    let mut wanted = BTreeMap::new();
    leaves("", &defaults(), &mut wanted);
    let page = std::fs::read_to_string(repository().join("docs/install.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let (path, default) = (cells.next()?.strip_suffix('`')?, cells.next()?);
        let default: Value = serde_saphyr::from_str(default.trim_matches('`')).unwrap();
        wanted.contains_key(path).then(|| (path.to_owned(), default))
    });
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), wanted, "docs/install.md beside values.yaml");
}

/// Otherwise a typing error in a default would be found by the first who overrides it.
#[test]
fn schema_knows_the_values_and_no_others() {
    let text = std::fs::read_to_string(chart().join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let (mut wanted, mut found) = (BTreeMap::new(), BTreeMap::new());
    leaves("", &defaults(), &mut wanted);
    properties("", &schema, &mut found);
    for path in wanted.keys() {
        assert!(found.contains_key(path), "{path} is not in the schema");
    }
    for path in found.keys().filter(|path| *path != "global") {
        let known = wanted.keys().any(|wanted| {
            wanted == path
                || wanted.starts_with(&format!("{path}."))
                || path.starts_with(&format!("{wanted}."))
        });
        assert!(known, "{path} is in the schema only");
    }
}

fn properties(path: &str, schema: &Value, found: &mut BTreeMap<String, Value>) {
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        assert!(
            member["type"] != "object"
                || member["additionalProperties"].is_object()
                || member["properties"].is_null()
                || member["additionalProperties"] == false,
            "{path} takes any key"
        );
        properties(&path, member, found);
        found.insert(path, member.clone());
    }
}

#[test]
fn versions_agree() {
    let chart: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(chart().join("Chart.yaml")).unwrap()).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(chart["version"], version);
    assert_eq!(chart["appVersion"], version);
    for overlay in ["cluster", "namespaced"] {
        assert!(kustomize(overlay).contains(&format!("image: tokensource:{version}")), "{overlay}");
    }
}
