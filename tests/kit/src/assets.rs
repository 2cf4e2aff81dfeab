//! The external programs: those of a Kubernetes cluster, helm, Keycloak, Prometheus and Alertmanager, tinyproxy, Envoy, an
//! OpenTelemetry collector, and programs that check workflows and releases.
//!
//! Knows the scripts in `tests/assets`, which build or fetch missing programs and print a directory. Must not know versions,
//! download addresses or `KUBEBUILDER_ASSETS`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Declares a function for each directory. The function runs the script at its first call in a process.
macro_rules! directories {
    ($($(#[$doc:meta])+ $name:ident: $script:literal $($argument:literal)?,)+) => {
        $($(#[$doc])+
        pub fn $name() -> &'static Path {
            static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
            DIRECTORY.get_or_init(|| run($script, &[$($argument)?]))
        })+
    };
}

directories! {
    /// The directory with `etcd`, `kube-apiserver`, `kube-controller-manager` and `kubectl`. The first call on a
    /// machine takes minutes.
    kubernetes: "kubernetes.sh",
    /// The directory of `kubernetes`, which then has at least `etcd` and `kube-apiserver`: `make demo` needs no more.
    server: "kubernetes.sh" "server",
    /// The directory with `kubelet`, `kube-proxy` and `kube-scheduler`. The first call on a machine takes minutes.
    node: "kubernetes.sh" "node",
    /// The directory with Helm 3's `helm`.
    helm3: "helm.sh" "3",
    /// The directory with `helm`, which is Helm 4's.
    helm: "helm.sh",
    /// Keycloak's directory, ready to start.
    keycloak: "keycloak.sh",
    /// The directory with `prometheus` and `promtool`.
    prometheus: "prometheus.sh",
    /// The directory with `alertmanager` and `amtool`. `alertmanager` must be started in it, where its templates are.
    alertmanager: "alertmanager.sh",
    /// The directory with `tinyproxy`.
    tinyproxy: "tinyproxy.sh",
    /// The directory with `envoy`.
    envoy: "envoy.sh",
    /// The directory with `actionlint`.
    actionlint: "actionlint.sh",
    /// The directory with `otelcol`.
    otelcol: "otelcol.sh",
    /// The directory with `oras`.
    oras: "oras.sh",
    /// The directory with `krew`.
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
    let directory = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    assert!(
        directory.is_dir(),
        "{} printed `{}`, which is no directory",
        script.display(),
        directory.display()
    );
    directory
}
