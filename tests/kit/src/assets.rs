//! The external programs: kube-apiserver and its companions, helm, Keycloak, Prometheus, tinyproxy, Envoy, and programs that
//! check a release.
//!
//! Knows the scripts in `tests/assets`, which build or fetch missing programs and print a folder. Must not know versions,
//! download addresses or `KUBEBUILDER_ASSETS`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The folder with `etcd`, `kube-apiserver`, `kube-controller-manager` and `kubectl`. The first call on a
/// machine takes minutes.
pub fn kubernetes() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("kubernetes.sh", &[]))
}

/// The same folder with at least `etcd` and `kube-apiserver`: `make demo` builds no more.
pub fn server() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("kubernetes.sh", &["server"]))
}

/// The folder with `kubelet`, `kube-proxy` and `kube-scheduler`. The first call on a machine takes minutes.
pub fn node() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("kubernetes.sh", &["node"]))
}

/// The folder with Helm 3's `helm`.
pub fn helm3() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("helm.sh", &["3"]))
}

/// The folder with `helm`, which is Helm 4's.
pub fn helm() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("helm.sh", &[]))
}

/// Keycloak's folder, ready to start.
pub fn keycloak() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("keycloak.sh", &[]))
}

/// The folder with `prometheus` and `promtool`.
pub fn prometheus() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("prometheus.sh", &[]))
}

/// The folder with `alertmanager` and `amtool`. `alertmanager` must be started in it, where its templates are.
pub fn alertmanager() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("alertmanager.sh", &[]))
}

/// The folder with `tinyproxy`.
pub fn tinyproxy() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("tinyproxy.sh", &[]))
}

/// The folder with `envoy`.
pub fn envoy() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("envoy.sh", &[]))
}

/// The folder with `actionlint`.
pub fn actionlint() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("actionlint.sh", &[]))
}

/// The folder with `otelcol`.
pub fn otelcol() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("otelcol.sh", &[]))
}

/// The folder with `oras`.
pub fn oras() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("oras.sh", &[]))
}

/// The folder with `krew`.
pub fn krew() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| run("krew.sh", &[]))
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
