//! The output of the chart: by default the same as kustomize's, and with other values as the values say.

use std::collections::BTreeSet;

use kube::ResourceExt;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use tokensource_kit::shipped::repository;
use tokensource_kit::{chart, manifest};

use crate::helm::{Helm, NAMESPACE, RELEASE, arguments, find, kind, kustomize, names};

const CONTROLLER: &str = "tokensource-controller";

#[test]
fn helm_lint_finds_nothing() {
    let helm = Helm::offline();
    let chart = chart::directory().display().to_string();
    let said = helm.run(&["lint", "--strict", &chart]);
    assert!(said.contains("0 chart(s) failed") && !said.contains("[WARNING]"), "{said}");
    helm.run(&["lint", "--strict", &chart, "--values", &helm.values(&everything())]);
}

#[test]
fn copies_equal_their_originals() {
    let originals = [("crds", "crds"), ("deploy/kustomize", ""), ("deploy/monitoring", "monitoring")];
    let files = chart::directory().join("files");
    let mut copied = BTreeSet::new();
    for (original, copy) in originals {
        for file in files_below(&repository().join(original)) {
            let copy = files.join(copy).join(file.strip_prefix(repository().join(original)).unwrap());
            if copy.exists() {
                let equal = std::fs::read(&file).unwrap() == std::fs::read(&copy).unwrap();
                assert!(equal, "{} is not {}: run `make generate`", copy.display(), file.display());
                copied.insert(copy);
            }
        }
    }
    assert_eq!(copied, files_below(&files).into_iter().collect(), "a copy without an original");
    assert!(copied.len() >= 7, "{copied:?}");
}

fn files_below(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The object without the parts that are specific to a release: labels, annotations, selectors, arguments and environment.
fn essence(object: &DynamicObject) -> Value {
    let mut object = serde_json::to_value(object).unwrap();
    for pointer in ["/metadata", "/spec/template/metadata"] {
        if let Some(metadata) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
            metadata.remove("labels");
            metadata.remove("annotations");
        }
    }
    for pointer in ["/spec", "/spec/template/spec/topologySpreadConstraints/0"] {
        let selects =
            ["Deployment", "PodDisruptionBudget", "NetworkPolicy"].iter().any(|kind| object["kind"] == *kind);
        if selects && let Some(holder) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
            holder.remove("selector");
            holder.remove("podSelector");
            holder.remove("labelSelector");
        }
    }
    if let Some(container) = object.pointer_mut("/spec/template/spec/containers/0") {
        let container = container.as_object_mut().unwrap();
        container.remove("args");
        container.remove("env");
    }
    object
}

/// The first difference of two documents. 600.0 and 600 count as equal, because kustomize
/// writes 600.0 as 600.
fn difference(path: &str, left: &Value, right: &Value) -> Option<String> {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let names: BTreeSet<_> = left.keys().chain(right.keys()).collect();
            names.into_iter().find_map(|name| {
                let member = |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or_default();
                difference(&format!("{path}/{name}"), &member(left), &member(right))
            })
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let pairs = left.iter().zip(right).enumerate();
            pairs.into_iter().find_map(|(at, (left, right))| difference(&format!("{path}/{at}"), left, right))
        }
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => None,
        _ => (left != right).then(|| format!("{path}: {left} and {right}")),
    }
}

#[test]
fn default_rendering_equals_the_cluster_overlay() {
    let mut wanted = manifest::parse(&kustomize("cluster"));
    // Helm creates the namespace only with `--create-namespace`.
    wanted.retain(|object| kind(object) != "Namespace");
    let rendered = Helm::offline().template(&json!({}));
    assert_eq!(names(&rendered), names(&wanted));
    for object in &wanted {
        let found = find(&rendered, kind(object), &object.name_any());
        let difference = difference("", &essence(found), &essence(object));
        assert_eq!(difference, None, "{} {}", kind(object), object.name_any());
    }
    let deployment = find(&rendered, "Deployment", CONTROLLER);
    assert_eq!(
        arguments(deployment),
        ["--leader-elect", "--lease-name=tokensource", "--log-format=text"],
        "the chart and the controller have the same defaults"
    );
}

#[test]
fn namespaces_get_the_role_of_the_namespaced_overlay() {
    let wanted = manifest::parse(&kustomize("namespaced"));
    let wanted = &find(&wanted, "Role", CONTROLLER).data["rules"];
    let rendered = Helm::offline().template(&json!({"namespaces": ["team-a", "team-b"]}));
    let mut of_the_cluster = names(&rendered);
    of_the_cluster.retain(|(kind, _)| kind.starts_with("ClusterRole"));
    let for_people =
        ["tokensource-edit", "tokensource-view"].map(|name| ("ClusterRole".to_owned(), name.to_owned()));
    assert_eq!(of_the_cluster, for_people);
    for name in ["Role", "RoleBinding"] {
        let objects: Vec<_> = rendered
            .iter()
            .filter(|object| kind(object) == name && object.name_any() == CONTROLLER)
            .collect();
        assert_eq!(
            objects.iter().map(|object| object.namespace().unwrap()).collect::<Vec<_>>(),
            ["team-a", "team-b"]
        );
        for object in objects {
            if name == "Role" {
                assert_eq!(&object.data["rules"], wanted);
            } else {
                assert_eq!(object.data["roleRef"]["kind"], "Role");
                assert_eq!(object.data["subjects"][0]["namespace"], NAMESPACE);
            }
        }
    }
    let arguments = arguments(find(&rendered, "Deployment", CONTROLLER));
    assert_eq!(arguments[2..4], ["--namespace=team-a", "--namespace=team-b"]);
}

#[test]
fn restarting_workloads_is_a_right_of_its_own() {
    let component = repository().join("deploy/kustomize/rollout-restart/rbac.yaml");
    let granted = &manifest::load(component)[0].data["rules"];
    for (values, role) in [(json!({}), "ClusterRole"), (json!({"namespaces": ["team-a"]}), "Role")] {
        let rules = |enabled: bool| {
            let mut values = values.clone();
            values["rolloutRestart"] = json!({"enabled": enabled});
            find(&Helm::offline().template(&values), role, CONTROLLER).data["rules"]
                .as_array()
                .unwrap()
                .clone()
        };
        let (without, with) = (rules(false), rules(true));
        assert!(!without.iter().any(|rule| rule["apiGroups"] == json!(["apps"])), "{without:?}");
        assert_eq!(with[..without.len()], without);
        assert_eq!(&with[without.len()..], granted.as_array().unwrap());
    }
}

/// Most values, each different from its default.
pub(crate) fn everything() -> Value {
    json!({
        "replicas": 3,
        "image": {"repository": "registry.example/tokensource", "digest": format!("sha256:{}", "0".repeat(64)),
                  "pullPolicy": "IfNotPresent", "pullSecrets": ["registry"]},
        "namespaces": ["team-a"],
        "selector": "slice notin (a,b)",
        "allowNetworks": ["10.1.2.0/24"], "denyNetworks": ["10.0.0.0/8", "fd00::/8"],
        "onlyClusterProviders": true,
        "proxy": {"url": "http://proxy.example:3128", "noProxy": [".svc", "10.0.0.0/8"],
                  "credentialsSecret": "proxy"},
        "otlp": {"endpoint": "http://otel.monitoring.svc:4318", "headersSecret": "otlp", "samplingRatio": 0.25},
        "caBundle": {"pem": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "key": "ours.pem"},
        "crds": {"keep": false},
        "rolloutRestart": {"enabled": true},
        "serviceAccount": {"annotations": {"example.com/role": "tokens"}},
        "logFormat": "json", "logLevel": "warn,tokensource=debug",
        "extraArgs": ["--concurrency=32"],
        "resources": {"requests": {"cpu": 1, "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "podAnnotations": {"example.com/note": "yes"},
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]}]}}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
                                       "whenUnsatisfiable": "DoNotSchedule"}],
        "podDisruptionBudget": {"maxUnavailable": "50%"},
        "networkPolicy": {"enabled": true, "egressPorts": [443, 6443, 8443],
            "extraEgress": [{"to": [{"ipBlock": {"cidr": "10.1.2.0/24"}}]}],
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
    })
}

#[test]
fn values_arrive_where_they_belong() {
    let rendered = Helm::offline().template(&everything());
    let deployment = find(&rendered, "Deployment", CONTROLLER);
    assert_eq!(
        arguments(deployment),
        [
            "--leader-elect",
            "--lease-name=tokensource",
            "--namespace=team-a",
            "--selector=slice notin (a,b)",
            "--allow-network=10.1.2.0/24",
            "--deny-network=10.0.0.0/8",
            "--deny-network=fd00::/8",
            "--https-proxy=http://proxy.example:3128",
            "--no-proxy=.svc",
            "--no-proxy=10.0.0.0/8",
            "--proxy-credentials-file=/etc/tokensource-proxy/credentials",
            "--otlp-endpoint=http://otel.monitoring.svc:4318",
            "--otlp-sampling-ratio=0.25",
            "--otlp-headers-file=/etc/tokensource-otlp/headers",
            "--only-cluster-providers",
            "--log-format=json",
            "--concurrency=32",
        ]
    );
    assert_eq!(deployment.data["spec"]["replicas"], 3);
    let pod = &deployment.data["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["image"], format!("registry.example/tokensource@sha256:{}", "0".repeat(64)));
    assert_eq!(
        container["env"],
        json!([{"name": "RUST_LOG", "value": "warn,tokensource=debug"},
               {"name": "SSL_CERT_FILE", "value": "/etc/tokensource/ours.pem"}])
    );
    assert_eq!(pod["volumes"][0]["configMap"]["name"], "tokensource-authorities");
    assert_eq!(pod["volumes"][1]["secret"]["secretName"], "proxy");
    assert_eq!(container["volumeMounts"][1]["mountPath"], "/etc/tokensource-proxy");
    assert_eq!(pod["volumes"][2]["secret"]["secretName"], "otlp");
    assert_eq!(container["volumeMounts"][2]["mountPath"], "/etc/tokensource-otlp");
    let authorities = find(&rendered, "ConfigMap", "tokensource-authorities");
    assert_eq!(authorities.data["data"]["ours.pem"], everything()["caBundle"]["pem"]);
    assert_eq!(pod["priorityClassName"], "system-cluster-critical");
    for name in ["nodeSelector", "tolerations", "affinity"] {
        assert_eq!(pod[name], everything()[name]);
    }
    assert_eq!(container["resources"], everything()["resources"]);
    let own = json!({"app.kubernetes.io/name": "tokensource", "app.kubernetes.io/instance": RELEASE});
    assert_eq!(pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"], own);
    let policy = find(&rendered, "NetworkPolicy", CONTROLLER);
    assert_eq!(policy.data["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(policy.data["spec"]["egress"].as_array().unwrap().len(), 5);
    assert_eq!(policy.data["spec"]["egress"][2]["ports"][0]["port"], 3128);
    assert_eq!(policy.data["spec"]["egress"][3]["ports"][0]["port"], 4318);
    assert_eq!(policy.data["spec"]["ingress"][0]["from"], everything()["networkPolicy"]["metricsFrom"]);
    let budget = find(&rendered, "PodDisruptionBudget", CONTROLLER);
    assert_eq!(budget.data["spec"]["maxUnavailable"], "50%");
    let account = find(&rendered, "ServiceAccount", CONTROLLER);
    assert_eq!(account.annotations()["example.com/role"], "tokens");
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "registry"}]));
    for object in rendered.iter().filter(|object| kind(object) == "CustomResourceDefinition") {
        assert!(object.annotations().is_empty(), "with crds.keep=false nothing keeps them");
    }
}

#[test]
fn disabled_objects_are_not_rendered() {
    let rendered = Helm::offline().template(&json!({
        "replicas": 1, "crds": {"install": false}, "policy": {"enabled": false},
        "networkPolicy": {"ingress": false},
    }));
    let kinds: BTreeSet<_> = rendered.iter().map(kind).collect();
    let left = [
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
        "Role",
        "RoleBinding",
        "Secret",
        "ServiceAccount",
    ];
    assert_eq!(kinds, BTreeSet::from(left), "no budget for a single replica, either");
}

/// The kubelet can always connect: a `NetworkPolicy` does not apply to the node of a pod.
#[test]
fn only_the_named_may_connect_to_the_pods() {
    let from = |values: Value| {
        let policy = find(&Helm::offline().template(&values), "NetworkPolicy", CONTROLLER).clone();
        assert_eq!(policy.data["spec"]["policyTypes"], json!(["Ingress"]), "egress stays unlimited");
        policy.data["spec"]["ingress"].clone()
    };
    let monitoring =
        json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]);
    assert_eq!(from(json!({}))[0]["from"], monitoring);
    // A rule with an empty list would permit all clients.
    assert_eq!(from(json!({"networkPolicy": {"metricsFrom": []}})), json!([]));
    for overlay in ["cluster", "namespaced"] {
        let objects = manifest::parse(&kustomize(overlay));
        assert_eq!(
            find(&objects, "NetworkPolicy", CONTROLLER).data["spec"]["ingress"][0]["from"],
            monitoring
        );
    }
}

/// Without this option, the resolver tries `login.example.com.svc.cluster.local` before the name itself, and a Service
/// `example` in the namespace `com` could answer.
#[test]
fn names_are_looked_up_as_they_stand() {
    let options = json!([{"name": "ndots", "value": "1"}]);
    let rendered = Helm::offline().template(&json!({}));
    for objects in
        [rendered, manifest::parse(&kustomize("cluster")), manifest::parse(&kustomize("namespaced"))]
    {
        let pod = &find(&objects, "Deployment", CONTROLLER).data["spec"]["template"]["spec"];
        assert_eq!(pod["dnsConfig"]["options"], options);
    }
}

#[test]
fn definitions_are_kept_unless_asked() {
    let rendered = Helm::offline().template(&json!({}));
    let definitions: Vec<_> =
        rendered.iter().filter(|object| kind(object) == "CustomResourceDefinition").collect();
    assert_eq!(definitions.len(), 3);
    for definition in definitions {
        assert_eq!(definition.annotations()["helm.sh/resource-policy"], "keep");
    }
}

#[test]
fn another_release_shares_no_name() {
    let helm = Helm::offline();
    let first = helm.template(&json!({"crds": {"install": false}}));
    let chart = chart::directory().display().to_string();
    let long = "a-name-as-long-as-helm-permits-it-which-is-53-charact";
    let arguments = ["template", long, &chart, "--namespace", NAMESPACE, "--set", "crds.install=false"];
    let second = manifest::parse(&helm.run(&arguments));
    let names: BTreeSet<_> = names(&first).into_iter().collect();
    for object in &second {
        assert!(object.name_any().len() <= 63, "{}", object.name_any());
        assert!(!names.contains(&(kind(object).to_owned(), object.name_any())), "{}", object.name_any());
    }
}

#[test]
fn monitoring_is_what_kustomize_has() {
    let originals: Vec<_> = files_below(&repository().join("deploy/monitoring"))
        .into_iter()
        .filter(|file| {
            !file.ends_with("kustomization.yaml") && file.extension().is_some_and(|end| end == "yaml")
        })
        .flat_map(manifest::load)
        .collect();
    assert_eq!(originals.len(), 4);
    for on in ["podMonitor", "serviceMonitor"] {
        let rendered = Helm::offline().template(&json!({
            "monitoring": {on: {"enabled": true}, "prometheusRule": {"enabled": true}, "dashboard": {"enabled": true}},
        }));
        let dashboard =
            std::fs::read_to_string(repository().join("deploy/monitoring/dashboard.json")).unwrap();
        assert_eq!(
            find(&rendered, "ConfigMap", "tokensource-dashboard").data["data"]["tokensource.json"],
            dashboard
        );
        for object in &rendered {
            let Some(original) = originals.iter().find(|original| kind(original) == kind(object)) else {
                continue;
            };
            let (found, wanted) = (object.data["spec"].clone(), original.data["spec"].clone());
            let without_selector = |mut spec: Value| {
                spec.as_object_mut().unwrap().remove("selector");
                spec
            };
            let difference = difference("", &without_selector(found), &without_selector(wanted));
            assert_eq!(difference, None, "{}", kind(object));
        }
    }
}
