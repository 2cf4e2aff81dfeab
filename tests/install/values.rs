//! The values: wrong values are refused, and the defaults, the schema and the documentation name the same values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use tokensource_kit::chart;

use crate::helm::{Helm, kustomize};

#[test]
fn wrong_values_are_refused_with_their_name() {
    let helm = Helm::offline();
    for (values, said) in [
        (json!({"replica": 2}), "additional properties 'replica' not allowed"),
        // The message names similar names.
        (json!({"replica": 2}), "'replicaCount', 'replicas', 'resources'"),
        (json!({"Tolerations": []}), "value must be one of 'tolerations', 'topologySpreadConstraints'"),
        (json!({"serviceMonitor": {"enabled": true}}), "value must be 'monitoring.serviceMonitor'"),
        (json!({"http_proxy": "http://p"}), "value must be 'proxy.url'"),
        (json!({"zone": 1}), "'affinity', 'allowNetworks', "),
        (
            json!({"image": {"registri": "r"}}),
            "at '/image/registri': value must be 'absent: the names here are digest, ",
        ),
        (json!({"imagePullSecrets": [{"nam": "a"}]}), "the names here are name'"),
        (json!({"livenessProbe": {"httpGet": {}}}), "at '/livenessProbe/httpGet'"),
        (json!({"replicas": "two"}), "at '/replicas': got string, want integer"),
        (json!({"replicas": -1}), "at '/replicas': minimum: got -1, want 0"),
        (json!({"namespaces": "team-a"}), "at '/namespaces': got string, want array"),
        (json!({"namespaces": ["Team_A"]}), "at '/namespaces/0'"),
        (json!({"namespaces": ["a", "a"]}), "at '/namespaces'"),
        (json!({"allowNetworks": ["10.0.0.1"]}), "at '/allowNetworks/0'"),
        (json!({"logFormat": "xml"}), "value must be one of 'text', 'json'"),
        (json!({"crds": {"keep": "false"}}), "at '/crds/keep': got string, want boolean"),
        (json!({"extraArgs": ["concurrency"]}), "at '/extraArgs/0'"),
        (
            json!({"resources": {"limit": {}}}),
            "at '/resources/limit': value must be 'absent: the names here are claims, limits, requests'",
        ),
        (json!({"tolerations": [{"keys": "a"}]}), "at '/tolerations/0/keys'"),
        (json!({"caBundle": {"pem": "MIIB…"}}), "at '/caBundle/pem'"),
        (json!({"proxy": {"url": "http://user:password@proxy.example"}}), "at '/proxy/url'"),
        (json!({"otlp": {"endpoint": "https://user:password@collector.example"}}), "at '/otlp/endpoint'"),
        (json!({"otlp": {"endpoint": "https://c.example", "samplingRatio": 2}}), "at '/otlp/samplingRatio'"),
        // The templates refuse the following values, because a template can give a reason.
        (json!({"extraArgs": ["--namespace=a"]}), "--namespace=a has a value of its own"),
        (json!({"extraArgs": ["--https-proxy=http://p"]}), "--https-proxy=http://p has a value of its own"),
        (json!({"proxy": {"credentialsSecret": "p"}}), "no effect without proxy.url"),
        (json!({"proxy": {"apiServer": true}}), "no effect without proxy.url"),
        (json!({"otlp": {"headersSecret": "o"}}), "no effect without otlp.endpoint"),
        (json!({"otlp": {"samplingRatio": 0.5}}), "no effect without otlp.endpoint"),
        (json!({"caBundle": {"configMap": "c", "pem": "-----BEGIN CERTIFICATE-----"}}), "exclude each other"),
        (
            json!({"caBundle": {"includeSystem": true}}),
            "no effect without caBundle.pem or caBundle.configMap",
        ),
        (json!({"extraEnv": [{"name": "RUST_LOG", "value": "debug"}]}), "RUST_LOG has a value of its own"),
        (
            json!({"extraEnv": [{"name": "TOKENSOURCE_SELECTOR"}]}),
            "TOKENSOURCE_SELECTOR has a value of its own",
        ),
        (json!({"extraEnv": [{"name": "HTTPS_PROXY", "value": "p"}]}), "set proxy.url"),
        (
            json!({"extraEnv": [{"name": "SSL_CERT_DIR"}], "caBundle": {"configMap": "c"}}),
            "exclude each other",
        ),
        (json!({"image": {"registry": "a.example", "repository": "b.example/t"}}), "begins with a host, too"),
        (json!({"serviceAccount": {"create": false}}), "name yours in serviceAccount.name"),
        (
            json!({"serviceAccount": {"create": false, "name": "a", "annotations": {"a": "b"}}}),
            "serviceAccount.annotations has no effect",
        ),
        (json!({"podLabels": {"app.kubernetes.io/name": "a"}}), "is a label of the chart's own"),
        (json!({"commonLabels": {"helm.sh/chart": "a"}}), "is a label of the chart's own"),
        (
            json!({"monitoring": {"podMonitor": {"enabled": true}, "serviceMonitor": {"enabled": true}}}),
            "count each pod twice",
        ),
        (json!({"crds": {"install": false, "enabled": true}}), "they mean the same"),
        (json!({"crds": {"install": false}, "installCRDs": true}), "they mean the same"),
    ] {
        let problem = helm.try_template(&values).err().unwrap_or_else(|| panic!("{values} is taken"));
        assert!(problem.contains(said), "{values}: {problem}");
    }
}

/// Other names for values, which have no default of their own.
const ALIASES: [&str; 3] = ["crds.enabled", "installCRDs", "replicaCount"];

/// Without this test, a typing error in a default would be found only by a user who overrides the default.
#[test]
fn schema_knows_the_values_and_no_others() {
    let text = std::fs::read_to_string(chart::directory().join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let mut found = BTreeMap::new();
    properties("", &schema, &mut found);
    let wanted: BTreeSet<_> = chart::values().into_iter().map(|value| value.path).collect();
    for path in &wanted {
        assert!(found.contains_key(path), "{path} is not in the schema");
    }
    for path in found.keys().filter(|path| !ALIASES.contains(&path.as_str())) {
        let known = wanted.iter().any(|wanted| wanted == path || path.starts_with(&format!("{wanted}.")));
        assert!(known, "{path} is in the schema only");
    }
}

fn properties(path: &str, schema: &Value, found: &mut BTreeMap<String, Value>) {
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        assert!(
            member["type"] != "object"
                || path == "global"
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
        serde_saphyr::from_str(&std::fs::read_to_string(chart::directory().join("Chart.yaml")).unwrap())
            .unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(chart["version"], version);
    assert_eq!(chart["appVersion"], version);
    for overlay in ["cluster", "namespaced"] {
        assert!(kustomize(overlay).contains(&format!("image: tokensource:{version}")), "{overlay}");
    }
}

/// Artifact Hub shows the annotations of the chart.
#[test]
fn chart_names_the_kinds_of_this_version() {
    let chart: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(chart::directory().join("Chart.yaml")).unwrap())
            .unwrap();
    let listed = chart["annotations"]["artifacthub.io/crds"].as_str().unwrap();
    let listed: Vec<Value> = serde_saphyr::from_str(listed).unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|kind| (kind["kind"].clone(), kind["version"].clone(), kind["name"].clone()))
        .collect();
    let definitions = tokensource::api::definitions().map(|definition| {
        let version = definition.spec.versions[0].name.clone();
        (definition.spec.names.kind.into(), version.into(), definition.metadata.name.unwrap().into())
    });
    assert_eq!(listed, definitions);
}
