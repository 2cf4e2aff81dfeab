//! The external programs: kube-apiserver and its companions, helm, Keycloak, Prometheus, tinyproxy, Envoy, and programs that
//! check a release.
//!
//! Knows the scripts in `tests/assets`, which build or fetch missing programs and print a folder. Must not know versions,
//! download addresses or `KUBEBUILDER_ASSETS`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Declares a function for each folder. The function runs the script at its first call in a process.
macro_rules! folders {
    ($($(#[$doc:meta])+ $name:ident: $script:literal $($argument:literal)?,)+) => {
        $($(#[$doc])+
        pub fn $name() -> &'static Path {
            static FOLDER: OnceLock<PathBuf> = OnceLock::new();
            FOLDER.get_or_init(|| run($script, &[$($argument)?]))
        })+
    };
}

folders! {
    /// The folder with `etcd`, `kube-apiserver`, `kube-controller-manager` and `kubectl`. The first call on a
    /// machine takes minutes.
    kubernetes: "kubernetes.sh",
    /// The same folder with at least `etcd` and `kube-apiserver`: `make demo` builds no more.
    server: "kubernetes.sh" "server",
    /// The folder with `kubelet`, `kube-proxy` and `kube-scheduler`. The first call on a machine takes minutes.
    node: "kubernetes.sh" "node",
    /// The folder with Helm 3's `helm`.
    helm3: "helm.sh" "3",
    /// The folder with `helm`, which is Helm 4's.
    helm: "helm.sh",
    /// Keycloak's folder, ready to start.
    keycloak: "keycloak.sh",
    /// The folder with `prometheus` and `promtool`.
    prometheus: "prometheus.sh",
    /// The folder with `alertmanager` and `amtool`. `alertmanager` must be started in it, where its templates are.
    alertmanager: "alertmanager.sh",
    /// The folder with `tinyproxy`.
    tinyproxy: "tinyproxy.sh",
    /// The folder with `envoy`.
    envoy: "envoy.sh",
    /// The folder with `actionlint`.
    actionlint: "actionlint.sh",
    /// The folder with `otelcol`.
    otelcol: "otelcol.sh",
    /// The folder with `oras`.
    oras: "oras.sh",
    /// The folder with `krew`.
    krew: "krew.sh",
}

/// Runs a script and shows its stderr, so that a person sees why it takes minutes.
fn run(script: &str, arguments: &[&str]) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(script);
    let output = Command::new("bash")
        .arg(&script)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("running {}: {error}; it needs bash", script.display()));
    assert!(
        output.status.success(),
        "{} failed ({}); its own message is above",
        script.display(),
        output.status
    );
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    assert!(folder.is_dir(), "{} printed `{}`, which is no folder", script.display(), folder.display());
    folder
}
