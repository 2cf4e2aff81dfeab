//! The environment of isolation runs: a control plane, providers, the controller as it is deployed, and three namespaces:
//! the victim's namespace, the hostile namespace with some innocent objects, and a bystander's namespace. Knows how this
//! environment is created; must not know attacks or laws.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use chrono::{DateTime, Utc};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokensource::api::{TokenSource, annotation};
use tokensource_kit::authority::{self, Authority};
use tokensource_kit::control_plane::ControlPlane;
use tokensource_kit::controller::{self, ControllerProcess};
use tokensource_kit::scripted_provider::{Answer, RecordedRequest, ScriptedProvider};
use tokensource_kit::shipped::{self, definitions};
use tokensource_kit::{canaries, eventually, unique};

use crate::laws::{Breach, Law};
use crate::tenant;

pub(crate) const TOKEN: &str = "/token";
/// The lifetime of the victim's tokens, in seconds.
pub(crate) const LIFE: u64 = 60;
/// How many TokenSources the victim has: a fifth at the shared host, three tenths at the shared `ClusterTokenProvider`.
pub(crate) const VICTIMS: usize = 50;
const INNOCENTS: usize = 5;
/// The object that both namespaces share.
pub(crate) const SHARED: &str = "shared";
const LEASE: &str = "tokensource";
const LEASE_NAMESPACE: &str = "tokensource-system";

pub(crate) struct World {
    pub(crate) controller: ControllerProcess,
    pub(crate) plane: ControlPlane,
    pub(crate) authority: Authority,
    /// A host that TokenSources of both namespaces name.
    pub(crate) host: ScriptedProvider,
    /// The provider of the `ClusterTokenProvider`.
    pub(crate) cluster: ScriptedProvider,
    /// The victim's own provider.
    pub(crate) own: ScriptedProvider,
    /// The hostile namespace's own provider.
    pub(crate) wild: ScriptedProvider,
    pub(crate) victim: String,
    pub(crate) hostile: String,
    pub(crate) scale: Scale,
    launcher: Launcher,
}

/// The size of each attack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// The percentage of the full number of objects.
    pub(crate) crowd: usize,
    /// The factor by which the pauses of each attack are multiplied: 1 if one attack runs alone.
    pub(crate) pause: u64,
}

/// How a controller is started: the program, and the means to prevent answers to name look-ups if possible.
pub(crate) struct Launcher {
    binary: PathBuf,
    /// Whether names without an entry in /etc/hosts are looked up at a server that never answers.
    pub(crate) silent_resolver: bool,
    _server: Option<std::net::UdpSocket>,
    _directory: tempfile::TempDir,
}

impl World {
    pub(crate) async fn build(scale: Scale) -> Self {
        authority::install_crypto();
        let plane = ControlPlane::start_with(&definitions()).await;
        shipped::grant(&plane).await;
        plane
            .apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {LEASE_NAMESPACE}}}}}"))
            .await;
        shipped::grant_lease(&plane, LEASE_NAMESPACE).await;
        let authority = Authority::new("Isolation's authority");
        let [host, cluster, own, wild] = [(); 4].map(|()| ScriptedProvider::start(&authority));
        for provider in [&host, &cluster, &own, &wild] {
            provider.respond(TOKEN, |request, _| answer(request));
        }
        let victim = plane.namespace("victim").await;
        let hostile = plane.namespace("hostile").await;
        bystander(&plane).await;
        let launcher = Launcher::new();
        let controller = launcher.start(&plane);
        controller.ready().await;
        let world =
            Self { controller, plane, authority, host, cluster, own, wild, victim, hostile, scale, launcher };
        world.share_provider().await;
        world
    }

    /// A second controller, started like the first controller.
    pub(crate) fn replica(&self) -> ControllerProcess {
        self.launcher.start(&self.plane)
    }

    pub(crate) fn silent_resolver(&self) -> bool {
        self.launcher.silent_resolver
    }

    async fn share_provider(&self) {
        let mut object = json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "ClusterTokenProvider",
            "metadata": {"name": SHARED}, "spec": block(&self.cluster),
        });
        // The provider does not admit all namespaces, so that labels of namespaces matter.
        object["spec"]["allowedNamespaces"] = json!({"matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [self.victim, self.hostile]}
        ]});
        self.plane.apply(&object.to_string()).await;
    }

    /// Applies the victim's objects and the innocent objects, and waits until all have tokens.
    pub(crate) async fn populate(&self) {
        for namespace in [&self.victim, &self.hostile] {
            let secret = format!("cs-{}", unique::word(24));
            canaries::register("a client's secret", &secret);
            let hosts =
                [&self.host, &self.cluster, &self.own, &self.wild].map(ScriptedProvider::host).join(",");
            let object = json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "client", "annotations": {annotation::ALLOWED_HOSTS: hosts}},
                "stringData": {"client_secret": secret},
            });
            self.plane.apply_in(namespace, &object.to_string()).await;
        }
        for number in 0..VICTIMS {
            let provider = match number % 10 {
                0 | 1 => json!({"provider": block(&self.host)}),
                2..=4 => json!({"providerRef": {"kind": "ClusterTokenProvider", "name": SHARED}}),
                _ => json!({"provider": block(&self.own)}),
            };
            self.apply(&self.victim, &format!("victim-{number:02}"), &provider).await;
        }
        for number in 0..INNOCENTS {
            let provider = json!({"provider": block([&self.host, &self.wild][number % 2])});
            self.apply(&self.hostile, &format!("innocent-{number}"), &provider).await;
        }
        for (namespace, count) in [(&self.victim, VICTIMS), (&self.hostile, INNOCENTS)] {
            eventually("the first tokens", Duration::from_secs(120), async || {
                let served = self.targets(namespace).await.len();
                (served == count).then_some(()).ok_or_else(|| {
                    format!("{served} of {count} in {namespace}; {}", self.controller.process().tail(5))
                })
            })
            .await;
        }
    }

    async fn apply(&self, namespace: &str, name: &str, provider: &Value) {
        let mut spec = json!({
            "clientId": name, "credentialsRef": {"name": "client"}, "target": {"name": target_of(name), "labels": {"isolation": "watched"}},
        });
        json_patch::merge(&mut spec, provider);
        let object = json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
            "metadata": {"name": name}, "spec": spec,
        });
        self.plane.apply_in(namespace, &object.to_string()).await;
    }

    /// The Secrets with a token of a namespace's victims and innocents.
    async fn targets(&self, namespace: &str) -> Vec<Secret> {
        let api: Api<Secret> = Api::namespaced(self.plane.admin(), namespace);
        let wanted = ListParams::default().labels("isolation=watched");
        let all = api.list(&wanted).await.map(|all| all.items).unwrap_or_default();
        all.into_iter().filter(|secret| secret.data.is_some()).collect()
    }

    /// Deletes the objects of the attacks, reverts their changes of the namespace, and requests new tokens for the innocent
    /// objects.
    pub(crate) async fn clean_up(&self) {
        tenant::clean_up(&self.plane.admin(), &self.hostile).await;
        let api: Api<TokenSource> = Api::namespaced(self.plane.admin(), &self.hostile);
        let patch = json!({"metadata": {"annotations": {annotation::RENEW_REQUESTED_AT: "the end"}}});
        for number in 0..INNOCENTS {
            let name = format!("innocent-{number}");
            let patched = api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await;
            patched.expect("an innocent TokenSource");
        }
    }

    /// The innocent TokenSources without a token that is younger than this.
    pub(crate) async fn unserved(&self, since: DateTime<Utc>) -> Vec<String> {
        let api: Api<Secret> = Api::namespaced(self.plane.admin(), &self.hostile);
        let mut unserved = Vec::new();
        for number in 0..INNOCENTS {
            let name = format!("innocent-{number}");
            let secret = api.get_opt(&target_of(&name)).await.ok().flatten();
            let issued = secret
                .as_ref()
                .and_then(|secret| secret.metadata.annotations.as_ref()?.get(annotation::ISSUED_AT));
            let issued = issued.and_then(|at| DateTime::parse_from_rfc3339(at).ok());
            if issued.is_none_or(|at| at.timestamp() < since.timestamp()) {
                unserved.push(format!("{name} has a token of {issued:?}"));
            }
        }
        unserved
    }

    pub(crate) async fn lease(&self) -> Option<Lease> {
        let api: Api<Lease> = Api::namespaced(self.plane.admin(), LEASE_NAMESPACE);
        api.get(LEASE).await.ok()
    }

    /// A breach if the lease had no holder before, or has had another holder since.
    pub(crate) async fn lease_breach(&self, before: Option<&Lease>) -> Option<Breach> {
        let held = |lease: Option<&Lease>| {
            let spec = lease.and_then(|lease| lease.spec.clone()).unwrap_or_default();
            (spec.holder_identity, spec.lease_transitions)
        };
        let (before, after) = (held(before), held(self.lease().await.as_ref()));
        let what = format!("the lease was held by {before:?} and is held by {after:?}");
        (before != after || before.0.is_none()).then_some(Breach { law: Law::Process, what })
    }
}

impl Launcher {
    /// If the test runs as root, the controller gets a file system of its own in which resolv.conf names a server that never
    /// answers.
    fn new() -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_tokensource"));
        let directory = tempfile::tempdir().expect("a temporary directory");
        let server = std::net::UdpSocket::bind("127.0.53.53:53").ok();
        let private = Command::new("unshare").args(["--mount", "true"]).output();
        if server.is_none() || !private.is_ok_and(|output| output.status.success()) {
            return Self { binary: program, silent_resolver: false, _server: None, _directory: directory };
        }
        let (resolver, script) = (directory.path().join("resolv.conf"), directory.path().join("tokensource"));
        std::fs::write(&resolver, "nameserver 127.0.53.53\n").expect("a file");
        let text = format!(
            "#!/bin/sh\nexec unshare --mount sh -c 'mount --bind {} /etc/resolv.conf && exec {} \"$@\"' tokensource \"$@\"\n",
            resolver.display(),
            program.display()
        );
        std::fs::write(&script, text).expect("a file");
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("a file");
        Self { binary: script, silent_resolver: true, _server: server, _directory: directory }
    }

    fn start(&self, plane: &ControlPlane) -> ControllerProcess {
        ControllerProcess::spawn(
            &self.binary,
            &plane.kubeconfig_for("controller"),
            &[
                "--leader-elect",
                "--lease-namespace",
                LEASE_NAMESPACE,
                "--allow-network",
                "127.0.0.0/8",
                "--selector",
                "isolation!=left",
            ],
            &[controller::AS_IN_THE_IMAGE.as_slice(), &[("RUST_LOG", "trace")]].concat(),
        )
    }
}

/// Good tokens, except for the clients and audiences that attacks use.
fn answer(request: &RecordedRequest) -> Answer {
    let member = |name: &str| request.form_value(name).unwrap_or_default();
    match (member("client_id").as_str(), member("audience").as_str()) {
        (_, "broken") => Answer::status(500),
        ("unavailable", _) => Answer::status(503),
        ("limited", _) => Answer::status(429).header("Retry-After", "1"),
        ("short", _) => Answer::token(20),
        _ => Answer::token(LIFE),
    }
}

/// The provider block of a TokenSource.
pub(crate) fn block(provider: &ScriptedProvider) -> Value {
    block_at(&provider.url(TOKEN), Some(provider.ca_pem()))
}

pub(crate) fn block_at(url: &str, authorities: Option<&str>) -> Value {
    let mut block = json!({"tokenEndpoint": url, "clientAuthentication": {"method": "client_secret_post"}});
    if let Some(pem) = authorities {
        block["tls"] = json!({"caBundle": pem});
    }
    block
}

pub(crate) fn target_of(name: &str) -> String {
    format!("{name}-token")
}

/// A namespace that does not use the controller, with a Secret of `kubectl apply`, which repeats the Secret's data in an
/// annotation.
async fn bystander(plane: &ControlPlane) {
    let (namespace, secret) = (plane.namespace("bystander").await, format!("by-{}", unique::word(32)));
    canaries::register("the bystander's secret", &secret);
    let manifest = plane.directory().join("bystander.yaml");
    let text =
        format!("{{apiVersion: v1, kind: Secret, metadata: {{name: mine}}, stringData: {{key: {secret}}}}}");
    std::fs::write(&manifest, text).expect("a file in the control plane's directory");
    let mut kubectl = Command::new(plane.kubectl());
    kubectl.arg("--kubeconfig").arg(plane.kubeconfig_for("admin"));
    let applied = kubectl.args(["--namespace", &namespace, "apply", "--filename"]).arg(&manifest).output();
    let applied = applied.expect("kubectl");
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
}
