//! `tokensource doctor` on a control plane of its own, installed from the shipped manifests, where faults are planted.
//! Knows which finding each fault must give; the rules of the findings have unit tests.

use std::collections::BTreeSet;
use std::process::Stdio;

use chrono::{TimeDelta, Utc};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use tokensource_kit::admission::policies_judge;
use tokensource_kit::authority::Authority;
use tokensource_kit::control_plane::ControlPlane;
use tokensource_kit::controller::ControllerProcess;
use tokensource_kit::scripted_provider::{Answer, ScriptedProvider};
use tokensource_kit::shipped::{definitions, repository};
use tokensource_kit::{eventually, manifest, token_sources};
use tokio::process::Command;

use crate::people::{PROGRAM, Said, judged};
use crate::story::{SOON, Story, TOKEN, start_as};

const SYSTEM: &str = "tokensource-system";
const ALLOW: [&str; 2] = ["--allow-network", "127.0.0.0/8"];

/// An installation as `kubectl apply -k` makes it, but with the controller as a process.
struct Installation {
    plane: ControlPlane,
    provider: ScriptedProvider,
    namespace: String,
}

impl Installation {
    async fn new() -> Self {
        let plane = ControlPlane::start_with(&definitions()).await;
        for file in ["namespace", "serviceaccount", "lease", "key", "deployment"] {
            let file = repository().join(format!("deploy/kustomize/base/{file}.yaml"));
            plane.apply_objects(&manifest::load(file)).await;
        }
        for file in ["cluster/rbac", "policy/policy"] {
            let file = repository().join(format!("deploy/kustomize/{file}.yaml"));
            plane.apply_objects(&manifest::load(file)).await;
        }
        policies_judge(&plane).await;
        // A user who may do everything, and whose calls the audit log records under another name than the calls of this test.
        plane
            .apply(
                &json!({
                    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                    "metadata": {"name": "alice"},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
                })
                .to_string(),
            )
            .await;
        let namespace = plane.namespace("team").await;
        let provider = ScriptedProvider::start(&Authority::new("The doctor's authority"));
        provider.always(TOKEN, Answer::token(3600));
        Self { plane, provider, namespace }
    }

    async fn controller(&self) -> ControllerProcess {
        let kubeconfig = self.plane.kubeconfig_for_service_account(SYSTEM, "tokensource-controller").await;
        start_as(&kubeconfig, &[&["--leader-elect", "--lease-namespace", SYSTEM], &ALLOW[..]].concat()).await
    }

    async fn source(&self, name: &str, endpoint: &str, suspend: bool) {
        let hosts = format!("{},localhost:1", self.provider.host());
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "client", "annotations": {"tokensource.dev/allowed-hosts": hosts}},
            "stringData": {"client_id": "the-client", "client_secret": "s3cr3t-of-the-doctor"},
        });
        let source = json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource", "metadata": {"name": name},
            "spec": {
                "provider": {"tokenEndpoint": endpoint, "tls": {"caBundle": self.provider.ca_pem()}},
                "credentialsRef": {"name": "client"}, "target": {"name": format!("{name}-token")}, "suspend": suspend,
            },
        });
        for object in [secret, source] {
            self.plane.apply_in(&self.namespace, &object.to_string()).await;
        }
    }

    async fn until(&self, name: &str, reason: &str) {
        let api = token_sources(self.plane.admin(), &self.namespace);
        eventually(reason, SOON, async || {
            let source = api.get(name).await.map_err(|error| error.to_string())?;
            let status = source.data["status"].to_string();
            if status.contains(&format!("\"reason\":\"{reason}\"")) { Ok(()) } else { Err(status) }
        })
        .await;
    }

    /// Changes an object of any kind.
    async fn patch(
        &self,
        kind: (&str, &str, &str),
        namespace: Option<&str>,
        name: &str,
        patch: Patch<Value>,
    ) {
        let patched = self.api(kind, namespace).patch(name, &PatchParams::default(), &patch).await;
        patched.unwrap_or_else(|error| panic!("{kind:?} {name}: {error}"));
    }

    async fn delete(&self, kind: (&str, &str, &str), name: &str) {
        let deleted = self.api(kind, None).delete(name, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("{kind:?} {name}: {error}"));
    }

    fn api(&self, (group, version, kind): (&str, &str, &str), namespace: Option<&str>) -> Api<DynamicObject> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        match namespace {
            Some(namespace) => Api::namespaced_with(self.plane.admin(), namespace, &kind),
            None => Api::all_with(self.plane.admin(), &kind),
        }
    }

    async fn said(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env("KUBECONFIG", self.plane.kubeconfig_for("alice"));
        command.stdin(Stdio::null()).kill_on_drop(true);
        judged(command.output().await.expect("the program runs"))
    }

    /// The exit code, and `check result reason` of every finding.
    async fn doctor(&self, arguments: &[&str]) -> (i32, BTreeSet<String>) {
        let said = self.said(&[&["doctor", "-o", "json"], arguments].concat()).await;
        let report: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.all));
        let word = |finding: &Value, key: &str| finding[key].as_str().expect("a word").to_owned();
        let findings = report["findings"].as_array().expect("a list").iter().map(|finding| {
            format!("{} {} {}", word(finding, "check"), word(finding, "result"), word(finding, "reason"))
        });
        (said.code, findings.collect())
    }
}

const DEFINITION: (&str, &str, &str) = ("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
const BINDING: (&str, &str, &str) =
    ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding");
const POLICY: (&str, &str, &str) = ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy");
const ROLE: (&str, &str, &str) = ("rbac.authorization.k8s.io", "v1", "ClusterRole");
const LEASE: (&str, &str, &str) = ("coordination.k8s.io", "v1", "Lease");

#[track_caller]
fn assert_found(found: &BTreeSet<String>, expected: &[&str]) {
    for finding in expected {
        assert!(found.contains(*finding), "{finding} is not in {found:#?}");
    }
}

pub(crate) async fn doctor_finds_planted_faults(story: &mut Story) {
    story.controller.kill9();
    let installed = Installation::new().await;
    let controller = installed.controller().await;
    installed.source("good", &installed.provider.url(TOKEN), false).await;
    installed.until("good", "TokenIssued").await;
    let everything = [&["-A"], &ALLOW[..]].concat();
    finds_nothing(&installed, &everything).await;
    plant(&installed).await;
    controller.kill9();
    let (code, found) = eventually("a stale lease", SOON * 3, async || {
        let (code, found) = installed.doctor(&everything).await;
        let is_stale = found.contains("leader failure LeaseStale");
        if is_stale { Ok((code, found)) } else { Err(format!("{found:?}")) }
    })
    .await;
    assert_eq!(code, 1);
    assert_found(
        &found,
        &[
            "definitions failure DefinitionMissing",
            "definitions failure DefinitionOutdated",
            "rights failure ControllerRightMissing",
            "leader failure SeveralControllers",
            "leader failure LeaseStale",
            "leader failure LeaseMissing",
            "hosts failure ControllerCannotReach",
            "policy failure PolicyNotBound",
            "policy warning PolicyNotEnforced",
            "policy warning PolicyOutdated",
            "tokens failure NotReady",
            "tokens warning Suspended",
        ],
    );

    // First, the lease has a holder with a wrong clock and another version. Then the lease has no holder.
    let wrong = (Utc::now() - TimeDelta::minutes(10)).to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let lease = json!({"metadata": {"annotations": {"tokensource.dev/version": "9.9.9"}}, "spec": {"renewTime": wrong}});
    installed.patch(LEASE, Some(SYSTEM), "tokensource", Patch::Merge(lease)).await;
    let (_, found) = installed.doctor(&everything).await;
    assert_found(
        &found,
        &[
            "clock failure ControllerClockSkew",
            "versions warning VersionSkew",
            "definitions warning DefinitionDiffers",
        ],
    );
    let nobody = json!({"spec": {"holderIdentity": null}});
    installed.patch(LEASE, Some(SYSTEM), "tokensource", Patch::Merge(nobody)).await;
    assert_found(&installed.doctor(&everything).await.1, &["leader failure NoLeader"]);

    // For a user without rights, the command lists what was not checked, and this is no failure.
    let (code, found) = installed.doctor(&["--as", "bob", "-n", &installed.namespace]).await;
    assert_eq!(code, 0, "{found:#?}");
    assert_found(
        &found,
        &[
            "definitions notChecked NotChecked",
            "rights warning UserRightMissing",
            "leader notChecked NotChecked",
            "policy notChecked NotChecked",
            "tokens notChecked NotChecked",
        ],
    );
    installed.said(&["doctor", "-A", "-n", "x"]).await.has(2, &["cannot be used with"]);

    let read: Vec<_> = installed
        .plane
        .audit()
        .into_iter()
        .filter(|entry| entry.user == "alice" && entry.resource == "secrets")
        .collect();
    assert!(read.is_empty(), "doctor read Secrets: {read:?}");
}

/// All eight checks are ok, in JSON and as a table.
async fn finds_nothing(installed: &Installation, everything: &[&str]) {
    let (code, found) = installed.doctor(everything).await;
    assert_eq!(
        (code, found.iter().filter(|finding| finding.ends_with(" ok Ok")).count()),
        (0, 8),
        "{found:#?}"
    );
    let requests = installed.provider.count(TOKEN);
    let table = installed.said(&[&["doctor"], everything].concat()).await;
    table.has(
        0,
        &["RESULT", "ok       definitions", "One controller leads", "The host of the provider is reached"],
    );
    assert_eq!(installed.provider.count(TOKEN), requests, "doctor sends no request");
    // The command refuses loopback addresses unless they are allowed: the controller reaches the host, and this machine does not.
    assert_found(&installed.doctor(&["-A"]).await.1, &["hosts warning HostUnreachable"]);
}

/// Faults that the controller reports, and mistakes of an operator.
async fn plant(installed: &Installation) {
    installed.source("unreachable", "https://localhost:1/token", false).await;
    installed.until("unreachable", "EndpointUnreachable").await;
    installed.source("asleep", &installed.provider.url(TOKEN), true).await;
    installed.until("asleep", "Suspended").await;
    installed.delete(DEFINITION, "clustertokenproviders.tokensource.dev").await;
    let field = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/timeout";
    let removed: json_patch::Patch =
        serde_json::from_value(json!([{"op": "remove", "path": field}])).unwrap();
    installed.patch(DEFINITION, None, "tokenproviders.tokensource.dev", Patch::Json(removed)).await;
    let rules = json!({"rules": [{"apiGroups": ["tokensource.dev"], "resources": ["tokensources"], "verbs": ["list", "watch"]}]});
    installed.patch(ROLE, None, "tokensource-controller", Patch::Merge(rules)).await;
    installed.delete(BINDING, "tokensource-references").await;
    let audit = json!({"spec": {"validationActions": ["Audit"]}});
    installed.patch(BINDING, None, "tokensource-provider-references", Patch::Merge(audit)).await;
    let changed = json!({"spec": {"validations": [{"expression": "true"}]}});
    installed.patch(POLICY, None, "tokensource-provider-references", Patch::Merge(changed)).await;
    let second = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "second", "namespace": SYSTEM, "labels": {"app.kubernetes.io/name": "tokensource"}},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{
                "name": "controller", "image": "tokensource:0.0.1",
                "args": ["controller", "--leader-elect", "--lease-name=second"],
            }]},
        }},
    });
    installed.plane.apply(&second.to_string()).await;
}
