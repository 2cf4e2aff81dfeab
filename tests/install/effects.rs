//! The values one by one: each value is set, and the rendered objects show the value in the right place, with Helm 3 and with
//! Helm 4. Knows the effect of each value; must not know how the templates achieve the effect.

use std::collections::BTreeSet;

use kube::ResourceExt;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use tokensource_kit::chart;

use crate::helm::{Helm, find, kind};

/// The difference that a value makes: a rendering with the value shows it, and a rendering without the value does not.
enum Effect {
    /// This value at this place of an object.
    At(&'static str, &'static str, &'static str, Value),
    /// This many objects of a kind.
    Count(&'static str, usize),
}

use Effect::{At, Count};

const DEPLOYMENT: &str = "tokensource-controller";

/// Within the Deployment's pod.
fn pod(pointer: &'static str, expected: Value) -> Effect {
    At("Deployment", DEPLOYMENT, pointer, expected)
}

const IMAGE: &str = "/spec/template/spec/containers/0/image";
const ENV: &str = "/spec/template/spec/containers/0/env/1";
const PULL: &str = "/spec/template/spec/imagePullSecrets";
const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";

/// The argument after `controller`, `--leader-elect` and `--lease-name`.
fn argument(expected: &str) -> Effect {
    pod("/spec/template/spec/containers/0/args/3", json!(expected))
}

/// Values, and one effect of them.
fn cases() -> Vec<(Value, Effect)> {
    [names(), images(), controller(), container(), pods(), rights(), network(), monitoring()]
        .into_iter()
        .flatten()
        .collect()
}

fn names() -> Vec<(Value, Effect)> {
    let labels = json!({"commonLabels": {"team": "platform"}});
    let label = |kind, name, pointer| (labels.clone(), At(kind, name, pointer, json!("platform")));
    let selector =
        json!({"app.kubernetes.io/name": "tokensource", "app.kubernetes.io/instance": "tokensource"});
    vec![
        (
            json!({"nameOverride": "oauth"}),
            At("Deployment", "tokensource-oauth-controller", "/spec/selector/matchLabels", selector.clone()),
        ),
        (
            json!({"fullnameOverride": "oauth"}),
            At("Deployment", "oauth-controller", "/spec/selector/matchLabels", selector),
        ),
        (
            json!({"fullnameOverride": "oauth"}),
            At("Role", "oauth-leader", "/rules/1/resourceNames/0", json!("oauth")),
        ),
        label("Deployment", DEPLOYMENT, "/metadata/labels/team"),
        label("Deployment", DEPLOYMENT, "/spec/template/metadata/labels/team"),
        label("ClusterRole", DEPLOYMENT, "/metadata/labels/team"),
        label("CustomResourceDefinition", "tokensources.tokensource.dev", "/metadata/labels/team"),
        (json!({"replicas": 3}), At("Deployment", DEPLOYMENT, "/spec/replicas", json!(3))),
        (json!({"replicaCount": 4}), At("Deployment", DEPLOYMENT, "/spec/replicas", json!(4))),
        (json!({"replicaCount": 1}), Count("PodDisruptionBudget", 0)),
    ]
}

fn images() -> Vec<(Value, Effect)> {
    let digest = format!("sha256:{}", "a".repeat(64));
    let whole = json!({"image": {"repository": "quay.example:5000/team/tokensource", "tag": "1.2.3"}});
    let mirrored = |registry: &str| {
        let mut values = whole.clone();
        values["global"] = json!({"imageRegistry": registry});
        values
    };
    vec![
        (
            json!({"image": {"registry": "registry.example"}}),
            pod(IMAGE, json!("registry.example/tokensource:0.1.0")),
        ),
        (json!({"image": {"repository": "team/tokensource"}}), pod(IMAGE, json!("team/tokensource:0.1.0"))),
        (whole.clone(), pod(IMAGE, json!("quay.example:5000/team/tokensource:1.2.3"))),
        (json!({"image": {"tag": "1.2.3"}}), pod(IMAGE, json!("tokensource:1.2.3"))),
        (
            json!({"image": {"tag": "1.2.3", "digest": digest}}),
            pod(IMAGE, json!(format!("tokensource@{digest}"))),
        ),
        (
            json!({"global": {"imageRegistry": "mirror.example"}}),
            pod(IMAGE, json!("mirror.example/tokensource:0.1.0")),
        ),
        (
            json!({"global": {"imageRegistry": "mirror.example"}, "image": {"registry": "registry.example"}}),
            pod(IMAGE, json!("mirror.example/tokensource:0.1.0")),
        ),
        // The image is not `mirror.example/quay.example:5000/…`, which no mirror has.
        (mirrored("mirror.example"), pod(IMAGE, json!("mirror.example/team/tokensource:1.2.3"))),
        (mirrored("mirror.example/cache/"), pod(IMAGE, json!("mirror.example/cache/team/tokensource:1.2.3"))),
        (
            json!({"image": {"pullPolicy": "Always"}}),
            pod("/spec/template/spec/containers/0/imagePullPolicy", json!("Always")),
        ),
        (json!({"image": {"pullSecrets": ["one"]}}), pod(PULL, json!([{"name": "one"}]))),
        (json!({"imagePullSecrets": [{"name": "two"}]}), pod(PULL, json!([{"name": "two"}]))),
        (
            json!({"imagePullSecrets": [{"name": "two"}, "three"], "image": {"pullSecrets": ["one"]},
                   "global": {"imagePullSecrets": ["two", {"name": "four"}]}}),
            pod(PULL, json!([{"name": "two"}, {"name": "three"}, {"name": "one"}, {"name": "four"}])),
        ),
    ]
}

fn controller() -> Vec<(Value, Effect)> {
    let env = |name: &str, value: &str| pod(ENV, json!({"name": name, "value": value}));
    let proxied =
        |member: &str, value: Value| json!({"proxy": {"url": "http://proxy.example:3128", member: value}});
    let traced = |member: &str, value: Value| json!({"otlp": {"endpoint": "http://otel.monitoring.svc:4318", member: value}});
    vec![
        (json!({"namespaces": ["team-a"]}), argument("--namespace=team-a")),
        (json!({"selector": "slice=a"}), argument("--selector=slice=a")),
        (json!({"allowNetworks": ["10.1.2.0/24"]}), argument("--allow-network=10.1.2.0/24")),
        (json!({"denyNetworks": ["10.0.0.0/8"]}), argument("--deny-network=10.0.0.0/8")),
        (json!({"onlyClusterProviders": true}), argument("--only-cluster-providers")),
        (json!({"logFormat": "json"}), argument("--log-format=json")),
        (json!({"logLevel": "debug"}), pod("/spec/template/spec/containers/0/env/0/value", json!("debug"))),
        (
            json!({"proxy": {"url": "http://proxy.example:3128"}}),
            argument("--https-proxy=http://proxy.example:3128"),
        ),
        (
            proxied("noProxy", json!([".svc"])),
            pod("/spec/template/spec/containers/0/args/4", json!("--no-proxy=.svc")),
        ),
        (
            proxied("apiServer", json!(true)),
            pod("/spec/template/spec/containers/0/args/4", json!("--api-server-proxy")),
        ),
        (
            proxied("credentialsSecret", json!("proxy")),
            pod("/spec/template/spec/volumes/0/secret/secretName", json!("proxy")),
        ),
        (traced("samplingRatio", json!(1)), argument("--otlp-endpoint=http://otel.monitoring.svc:4318")),
        (
            traced("samplingRatio", json!(0.1)),
            pod("/spec/template/spec/containers/0/args/4", json!("--otlp-sampling-ratio=0.1")),
        ),
        (
            traced("headersSecret", json!("otlp")),
            pod("/spec/template/spec/volumes/0/secret/secretName", json!("otlp")),
        ),
        (
            json!({"extraArgs": ["--concurrency=32"]}),
            pod("/spec/template/spec/containers/0/args/4", json!("--concurrency=32")),
        ),
        (json!({"extraEnv": [{"name": "RUST_BACKTRACE", "value": "1"}]}), env("RUST_BACKTRACE", "1")),
        (json!({"caBundle": {"pem": PEM}}), env("SSL_CERT_FILE", "/etc/tokensource/ca.crt")),
        (
            json!({"caBundle": {"pem": PEM}}),
            At("ConfigMap", "tokensource-authorities", "/data/ca.crt", json!(format!("{PEM}\n"))),
        ),
        (
            json!({"caBundle": {"configMap": "ours", "key": "our.pem"}}),
            pod(
                "/spec/template/spec/volumes/0/configMap",
                json!({"name": "ours", "items": [{"key": "our.pem", "path": "our.pem"}]}),
            ),
        ),
        (
            json!({"caBundle": {"configMap": "ours", "includeSystem": true}}),
            env("SSL_CERT_DIR", "/etc/ssl/certs:/etc/tokensource"),
        ),
    ]
}

fn container() -> Vec<(Value, Effect)> {
    let at = |pointer, expected| pod(pointer, expected);
    vec![
        (
            json!({"extraVolumes": [{"name": "more", "emptyDir": {}}]}),
            at("/spec/template/spec/volumes/0", json!({"name": "more", "emptyDir": {}})),
        ),
        (
            json!({"extraVolumeMounts": [{"name": "more", "mountPath": "/more"}]}),
            at(
                "/spec/template/spec/containers/0/volumeMounts/0",
                json!({"name": "more", "mountPath": "/more"}),
            ),
        ),
        (
            json!({"resources": {"limits": {"cpu": 1}}}),
            at(
                "/spec/template/spec/containers/0/resources",
                json!({"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": 1, "memory": "256Mi"}}),
            ),
        ),
        (
            json!({"livenessProbe": {"failureThreshold": 9}}),
            at(
                "/spec/template/spec/containers/0/livenessProbe",
                json!({"httpGet": {"path": "/livez", "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 9}),
            ),
        ),
        (
            json!({"readinessProbe": {"periodSeconds": 30}}),
            at(
                "/spec/template/spec/containers/0/readinessProbe",
                json!({"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 30, "timeoutSeconds": 5}),
            ),
        ),
        (
            json!({"livenessProbe": {"enabled": false}}),
            at("/spec/template/spec/containers/0/livenessProbe", Value::Null),
        ),
        (
            json!({"startupProbe": {"enabled": true}}),
            at(
                "/spec/template/spec/containers/0/startupProbe",
                json!({"httpGet": {"path": "/livez", "port": "http"}, "periodSeconds": 5, "failureThreshold": 30}),
            ),
        ),
        (
            json!({"podSecurityContext": {"runAsUser": 1_000_680_000}}),
            at("/spec/template/spec/securityContext/runAsUser", json!(1_000_680_000)),
        ),
        (
            json!({"podSecurityContext": {"fsGroup": 7}}),
            at(
                "/spec/template/spec/securityContext",
                json!({"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 7}),
            ),
        ),
        (
            json!({"securityContext": {"seLinuxOptions": {"level": "s0"}}}),
            at(
                "/spec/template/spec/containers/0/securityContext",
                json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}, "seLinuxOptions": {"level": "s0"}}),
            ),
        ),
    ]
}

fn pods() -> Vec<(Value, Effect)> {
    let as_it_stands =
        |name: &'static str, value: Value, pointer: &'static str| (json!({name: value}), pod(pointer, value));
    let own = json!({"app.kubernetes.io/name": "tokensource", "app.kubernetes.io/instance": "tokensource"});
    vec![
        (json!({"deploymentAnnotations": {"a": "b"}}), pod("/metadata/annotations/a", json!("b"))),
        (json!({"podAnnotations": {"a": "b"}}), pod("/spec/template/metadata/annotations/a", json!("b"))),
        (json!({"podLabels": {"a": "b"}}), pod("/spec/template/metadata/labels/a", json!("b"))),
        as_it_stands("strategy", json!({"type": "Recreate"}), "/spec/strategy"),
        as_it_stands(
            "priorityClassName",
            json!("system-cluster-critical"),
            "/spec/template/spec/priorityClassName",
        ),
        as_it_stands("dnsPolicy", json!("Default"), "/spec/template/spec/dnsPolicy"),
        // The chart's options stay, and keep names from being looked up in the cluster's own domains.
        (
            json!({"dnsConfig": {"nameservers": ["10.0.0.53"]}}),
            pod(
                "/spec/template/spec/dnsConfig",
                json!({"nameservers": ["10.0.0.53"], "options": [{"name": "ndots", "value": "1"}]}),
            ),
        ),
        as_it_stands(
            "hostAliases",
            json!([{"ip": "10.1.2.3", "hostnames": ["login.example"]}]),
            "/spec/template/spec/hostAliases",
        ),
        as_it_stands(
            "nodeSelector",
            json!({"kubernetes.io/os": "linux"}),
            "/spec/template/spec/nodeSelector",
        ),
        as_it_stands(
            "tolerations",
            json!([{"key": "dedicated", "operator": "Exists"}]),
            "/spec/template/spec/tolerations",
        ),
        as_it_stands("affinity", json!({"nodeAffinity": {}}), "/spec/template/spec/affinity"),
        (
            json!({"topologySpreadConstraints": [{"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]}),
            pod(
                "/spec/template/spec/topologySpreadConstraints",
                json!([{"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": own}}]),
            ),
        ),
        (json!({"podDisruptionBudget": {"enabled": false}}), Count("PodDisruptionBudget", 0)),
        (
            json!({"podDisruptionBudget": {"maxUnavailable": "50%"}}),
            At("PodDisruptionBudget", DEPLOYMENT, "/spec/maxUnavailable", json!("50%")),
        ),
        (
            json!({"podDisruptionBudget": {"minAvailable": 1}}),
            At("PodDisruptionBudget", DEPLOYMENT, "/spec/minAvailable", json!(1)),
        ),
        (
            json!({"podDisruptionBudget": {"minAvailable": 1}}),
            At("PodDisruptionBudget", DEPLOYMENT, "/spec/maxUnavailable", Value::Null),
        ),
    ]
}

fn rights() -> Vec<(Value, Effect)> {
    let account = json!({"serviceAccount": {"create": false, "name": "ours"}});
    vec![
        (json!({"crds": {"install": false}}), Count("CustomResourceDefinition", 0)),
        (json!({"crds": {"enabled": false}}), Count("CustomResourceDefinition", 0)),
        (json!({"installCRDs": false}), Count("CustomResourceDefinition", 0)),
        (
            json!({"crds": {"keep": false}}),
            At(
                "CustomResourceDefinition",
                "tokensources.tokensource.dev",
                "/metadata/annotations",
                Value::Null,
            ),
        ),
        (json!({"policy": {"enabled": false}}), Count("ValidatingAdmissionPolicy", 0)),
        (json!({"rbac": {"create": false}}), Count("ClusterRole", 0)),
        (json!({"rbac": {"create": false}}), Count("ClusterRoleBinding", 0)),
        (json!({"rbac": {"create": false}}), Count("Role", 0)),
        (json!({"rbac": {"create": false}}), Count("RoleBinding", 0)),
        (json!({"rbac": {"aggregate": false}}), Count("ClusterRole", 1)),
        (account.clone(), Count("ServiceAccount", 0)),
        (account.clone(), pod("/spec/template/spec/serviceAccountName", json!("ours"))),
        (account.clone(), At("ClusterRoleBinding", DEPLOYMENT, "/subjects/0/name", json!("ours"))),
        (account, At("RoleBinding", "tokensource-leader", "/subjects/0/name", json!("ours"))),
        (
            json!({"serviceAccount": {"name": "ours"}}),
            At("ServiceAccount", "ours", "/metadata/namespace", json!("tokensource-system")),
        ),
        (
            json!({"serviceAccount": {"annotations": {"a": "b"}}}),
            At("ServiceAccount", DEPLOYMENT, "/metadata/annotations/a", json!("b")),
        ),
    ]
}

fn network() -> Vec<(Value, Effect)> {
    let policy = |pointer, expected| At("NetworkPolicy", DEPLOYMENT, pointer, expected);
    let from = json!([{"podSelector": {}}]);
    vec![
        (json!({"networkPolicy": {"ingress": false}}), Count("NetworkPolicy", 0)),
        (json!({"networkPolicy": {"metricsFrom": from}}), policy("/spec/ingress/0/from", from)),
        (
            json!({"networkPolicy": {"enabled": true}}),
            policy("/spec/policyTypes", json!(["Ingress", "Egress"])),
        ),
        (
            json!({"networkPolicy": {"enabled": true, "egressPorts": [8443]}}),
            policy("/spec/egress/1/ports", json!([{"port": 8443, "protocol": "TCP"}])),
        ),
        (
            json!({"networkPolicy": {"enabled": true, "extraEgress": [{"ports": [{"port": 1}]}]}}),
            policy("/spec/egress/2/ports/0/port", json!(1)),
        ),
    ]
}

fn monitoring() -> Vec<(Value, Effect)> {
    const NAME: &str = DEPLOYMENT;
    const SERVICE: &str = "tokensource-metrics";
    let on = |part: &str, member: &str, value: Value| json!({"monitoring": {part: {"enabled": true, member: value}}});
    let label = || json!({"release": "prometheus"});
    let mut cases = vec![
        (
            on("service", "labels", label()),
            At("Service", SERVICE, "/metadata/labels/release", json!("prometheus")),
        ),
        (
            on("service", "annotations", json!({"a": "b"})),
            At("Service", SERVICE, "/metadata/annotations/a", json!("b")),
        ),
        (
            on("podMonitor", "labels", label()),
            At("PodMonitor", NAME, "/metadata/labels/release", json!("prometheus")),
        ),
        (
            on("podMonitor", "interval", json!("1m")),
            At("PodMonitor", NAME, "/spec/podMetricsEndpoints/0/interval", json!("1m")),
        ),
        (
            on("podMonitor", "scrapeTimeout", json!("5s")),
            At("PodMonitor", NAME, "/spec/podMetricsEndpoints/0/scrapeTimeout", json!("5s")),
        ),
        (
            on("serviceMonitor", "labels", label()),
            At("ServiceMonitor", NAME, "/metadata/labels/release", json!("prometheus")),
        ),
        (
            on("serviceMonitor", "interval", json!("1m")),
            At("ServiceMonitor", NAME, "/spec/endpoints/0/interval", json!("1m")),
        ),
        (
            on("serviceMonitor", "scrapeTimeout", json!("5s")),
            At("ServiceMonitor", NAME, "/spec/endpoints/0/scrapeTimeout", json!("5s")),
        ),
        (on("serviceMonitor", "labels", label()), Count("Service", 1)),
        (
            on("prometheusRule", "labels", label()),
            At("PrometheusRule", NAME, "/metadata/labels/release", json!("prometheus")),
        ),
        (
            on("prometheusRule", "runbookUrl", json!("https://wiki.example.com/operations")),
            At(
                "PrometheusRule",
                NAME,
                "/spec/groups/0/rules/0/annotations/runbook_url",
                json!("https://wiki.example.com/operations#tokenexpired"),
            ),
        ),
        (
            on("dashboard", "labels", label()),
            At("ConfigMap", "tokensource-dashboard", "/metadata/labels/release", json!("prometheus")),
        ),
    ];
    // A label that the values name twice is written once.
    let mut twice = on("podMonitor", "labels", label());
    twice["commonLabels"] = json!({"release": "all"});
    cases.push((twice, At("PodMonitor", NAME, "/metadata/labels/release", json!("prometheus"))));
    cases
}

impl Effect {
    fn is_seen(&self, objects: &[DynamicObject]) -> bool {
        match self {
            Count(wanted, count) => objects.iter().filter(|object| kind(object) == *wanted).count() == *count,
            At(kind, name, pointer, expected) => {
                place(objects, kind, name, pointer).is_some_and(|place| place == *expected)
            }
        }
    }

    fn shown(&self, objects: &[DynamicObject]) -> String {
        match self {
            Count(kind, count) => format!("not {count} {kind}"),
            At(kind, name, pointer, expected) => {
                let found = place(objects, kind, name, pointer);
                format!("{kind} {name} {pointer}: {found:?}, not {expected}")
            }
        }
    }
}

/// The value at a place of an object, null if there is none; None if there is no such object.
fn place(objects: &[DynamicObject], wanted: &str, name: &str, pointer: &str) -> Option<Value> {
    let object = objects.iter().find(|object| kind(object) == wanted && object.name_any() == name)?;
    Some(serde_json::to_value(object).unwrap().pointer(pointer).cloned().unwrap_or_default())
}

fn each_value_has_its_effect(helm: &Helm) {
    let plain = helm.template(&json!({}));
    let mut problems = Vec::new();
    for (values, effect) in cases() {
        match helm.try_template(&values) {
            Ok(rendered) if !effect.is_seen(&rendered) => {
                problems.push(format!("{values}: {}", effect.shown(&rendered)));
            }
            Ok(_) if effect.is_seen(&plain) => {
                problems.push(format!("{values}: seen without the value, too"));
            }
            Ok(_) => {}
            Err(problem) => problems.push(format!("{values}: {problem}")),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn each_value_has_its_effect_with_helm_4() {
    each_value_has_its_effect(&Helm::offline());
}

#[test]
fn each_value_has_its_effect_with_helm_3() {
    each_value_has_its_effect(&Helm::offline().of_major_3());
}

/// Adds the path of each value that is set.
fn places(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    found.insert(path.to_owned());
    for (name, member) in value.as_object().into_iter().flatten() {
        places(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, member, found);
    }
}

#[test]
fn no_value_is_without_a_case() {
    let mut set = BTreeSet::new();
    for (values, _) in cases() {
        places("", &values, &mut set);
    }
    // `rendering` compares the rights that `rolloutRestart.enabled` grants.
    for value in chart::leaves().iter().filter(|value| value.path != "rolloutRestart.enabled") {
        assert!(set.contains(&value.path), "{} has no case in this file", value.path);
    }
}

/// Values with the names that `helm create` gives and that other charts have, all at the same time.
pub(crate) fn conventional() -> Value {
    json!({
        "nameOverride": "tokens", "fullnameOverride": "oauth-tokens", "replicaCount": 3,
        "commonLabels": {"team": "platform"},
        "global": {"imageRegistry": "mirror.example", "imagePullSecrets": [{"name": "everywhere"}], "other": {"of": "the parent"}},
        "image": {"registry": "registry.example", "repository": "team/tokensource", "tag": "1.2.3", "digest": "", "pullPolicy": "IfNotPresent"},
        "imagePullSecrets": [{"name": "registry"}],
        "installCRDs": true, "crds": {"enabled": true, "keep": true},
        "serviceAccount": {"create": true, "name": "tokens", "annotations": {"example.com/role": "tokens"}},
        "rbac": {"create": true, "aggregate": true},
        "extraArgs": ["--concurrency=32"], "extraEnv": [{"name": "RUST_BACKTRACE", "value": "1"}],
        "extraVolumes": [{"name": "more", "emptyDir": {}}], "extraVolumeMounts": [{"name": "more", "mountPath": "/more", "readOnly": true}],
        "podAnnotations": {"a": "b"}, "podLabels": {"c": "d"}, "deploymentAnnotations": {"e": "f"},
        "podSecurityContext": {"fsGroup": 2000}, "securityContext": {"runAsUser": 1000},
        "resources": {"limits": {"memory": "512Mi"}},
        "livenessProbe": {"initialDelaySeconds": 1}, "readinessProbe": {"failureThreshold": 2}, "startupProbe": {"enabled": true},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "nodeSelector": {"kubernetes.io/os": "linux"}, "tolerations": [{"operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}}, "priorityClassName": "system-cluster-critical",
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
        "dnsPolicy": "ClusterFirst", "dnsConfig": {"searches": ["example.com"]},
        "hostAliases": [{"ip": "10.1.2.3", "hostnames": ["login.example"]}],
        "podDisruptionBudget": {"enabled": true, "minAvailable": 1},
        "networkPolicy": {"enabled": true},
        "monitoring": {"serviceMonitor": {"enabled": true, "labels": {"release": "prometheus"}, "interval": "1m", "scrapeTimeout": "10s"}},
    })
}

#[test]
fn conventional_names_work_together() {
    for helm in [Helm::offline(), Helm::offline().of_major_3()] {
        let rendered = helm.template(&conventional());
        let deployment = find(&rendered, "Deployment", "oauth-tokens-controller");
        assert_eq!(deployment.labels()["team"], "platform");
        let pod = &deployment.data["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["image"], "mirror.example/team/tokensource:1.2.3");
        assert_eq!(pod["serviceAccountName"], "tokens");
        find(&rendered, "ServiceMonitor", "oauth-tokens-controller");
    }
}

/// On `OpenShift`, each namespace assigns the user of its pods, and refuses a pod that names another user. Its name
/// servers listen on another port than Kubernetes's.
#[test]
fn openshift_chooses_the_user_and_has_another_port_for_dns() {
    let helm = Helm::offline();
    let rendered = |values: Value, more: &[&str]| {
        let chart = chart::directory().display().to_string();
        let values = helm.values(&values);
        let common = ["template", "tokensource", &chart, "--values", &values];
        tokensource_kit::manifest::parse(&helm.run(&[&common[..], more].concat()))
    };
    let context = |values: Value, more: &[&str]| {
        let objects = rendered(values, more);
        find(&objects, "Deployment", DEPLOYMENT).data["spec"]["template"]["spec"]["securityContext"].clone()
    };
    let openshift = ["--api-versions", "security.openshift.io/v1"];
    let rest = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    assert_eq!(context(json!({}), &openshift), rest);
    assert_eq!(context(json!({}), &[])["runAsUser"], 65532);
    let chosen = json!({"podSecurityContext": {"runAsUser": 1_000_680_000}});
    assert_eq!(context(chosen, &openshift)["runAsUser"], 1_000_680_000);

    let policy = json!({"networkPolicy": {"enabled": true}});
    for (more, dns) in [(&openshift[..], json!([53, 53, 5353, 5353])), (&[], json!([53, 53]))] {
        let objects = rendered(policy.clone(), more);
        let egress = &find(&objects, "NetworkPolicy", DEPLOYMENT).data["spec"]["egress"];
        let ports = egress[0]["ports"].as_array().unwrap().iter();
        assert_eq!(json!(ports.map(|port| port["port"].clone()).collect::<Vec<_>>()), dns);
    }
}
