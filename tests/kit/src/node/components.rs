//! The command lines and files of a node's programs.
//!
//! Knows flags and formats; must not know when the programs are ready or what they run.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::json;

use super::{ADDRESS, NAME, PAUSE_IMAGE};
use crate::assets;
use crate::process::Program;

/// The socket of containerd, relative to the directory.
pub(super) const SOCKET: &str = "containerd.sock";

/// The network of pods; Services are in 10.0.0.0/24.
const POD_NETWORK: &str = "10.1.0.0/24";

/// Writes the settings of containerd, of its network and of the kubelet.
pub(super) fn write_files(directory: &Path, cgroup: &str) {
    let network = json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [{
            "type": "ptp",
            "ipam": { "type": "host-local", "subnet": POD_NETWORK, "routes": [{ "dst": "0.0.0.0/0" }] },
        }],
    });
    for (name, text) in [
        ("containerd.toml", containerd_settings(directory)),
        ("cni/pods.conflist", network.to_string()),
        ("kubelet.yaml", kubelet_settings(directory, cgroup)),
    ] {
        let path = directory.join(name);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text))
            .unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
    }
}

/// containerd uses runc, because crun refuses hosts that have both versions of cgroups.
fn containerd_settings(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        r#"version = 2
root = "{directory}/containerd"
state = "{directory}/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "{directory}/{SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
path = "{directory}/opt"
[plugins."io.containerd.grpc.v1.cri"]
disable_apparmor = true
restrict_oom_score_adj = true
sandbox_image = "{PAUSE_IMAGE}"
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{directory}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "runc"
SystemdCgroup = false
"#
    )
}

fn kubelet_settings(directory: &Path, cgroup: &str) -> String {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": ADDRESS,
        "authentication": { "anonymous": { "enabled": false }, "webhook": { "enabled": true } },
        "authorization": { "mode": "Webhook" },
        "containerRuntimeEndpoint": format!("unix://{}", directory.join(SOCKET).display()),
        "clusterDNS": [ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": "/etc/resolv.conf",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": false,
        "enforceNodeAllocatable": [],
        // The directory is in memory, whose size the kubelet cannot determine.
        "localStorageCapacityIsolation": false,
        "evictionHard": { "memory.available": "1Mi", "nodefs.available": "1Mi", "imagefs.available": "1Mi" },
        "imageGCHighThresholdPercent": 100,
        "volumePluginDir": directory.join("volume-plugins"),
        // How soon a mounted Secret shows a new value. The default is a minute, and the story's tokens live for two minutes.
        "syncFrequency": "10s",
    })
    .to_string()
}

pub(super) fn containerd(directory: &Path) -> Program {
    let arguments = vec!["--config".to_owned(), directory.join("containerd.toml").display().to_string()];
    Program::new(directory, "containerd", "containerd", arguments)
}

/// A DNS server that knows these names and answers that all others do not exist. Without `--local`, dnsmasq would refuse to
/// answer for the others, because it has no upstream server, and a refusal ends a client's search through the domains of
/// resolv.conf.
pub(super) fn name_server(directory: &Path, names: &[(&str, Ipv4Addr)]) -> Program {
    let mut arguments: Vec<String> = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--pid-file",
        "--user=root",
        "--no-hosts",
        "--no-resolv",
        "--bind-interfaces",
        "--local=/#/",
    ]
    .map(ToOwned::to_owned)
    .into();
    arguments.push(format!("--listen-address={ADDRESS}"));
    arguments.extend(names.iter().map(|(name, address)| format!("--host-record={name},{address}")));
    Program::new(directory, "dnsmasq", "dnsmasq", arguments)
}

pub(super) fn kubelet(directory: &Path, kubeconfig: &Path) -> Program {
    let arguments = vec![
        format!("--config={}", directory.join("kubelet.yaml").display()),
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--root-dir={}", directory.join("kubelet").display()),
        format!("--cert-dir={}", directory.join("kubelet-pki").display()),
        format!("--hostname-override={NAME}"),
        format!("--node-ip={ADDRESS}"),
    ];
    Program::new(directory, "kubelet", assets::node().join("kubelet"), arguments)
}

pub(super) fn kube_proxy(directory: &Path, kubeconfig: &Path) -> Program {
    let arguments = vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--hostname-override={NAME}"),
        format!("--cluster-cidr={POD_NETWORK}"),
        "--proxy-mode=iptables".into(),
        // With 0, kube-proxy leaves the machine's limits unchanged.
        "--conntrack-max-per-core=0".into(),
        "--conntrack-min=0".into(),
        "--conntrack-tcp-timeout-established=0s".into(),
        "--conntrack-tcp-timeout-close-wait=0s".into(),
    ];
    Program::new(directory, "kube-proxy", assets::node().join("kube-proxy"), arguments)
}

pub(super) fn kube_scheduler(directory: &Path, kubeconfig: &Path) -> Program {
    let arguments = vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--leader-elect=false".into(),
        "--secure-port=0".into(),
    ];
    Program::new(directory, "kube-scheduler", assets::node().join("kube-scheduler"), arguments)
}
