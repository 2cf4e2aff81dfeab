//! A real node: containerd, kubelet, kube-proxy, kube-scheduler and a DNS server, inside an [`Enclosure`].
//!
//! Knows how these programs are started and when they are ready, and the processes of containers. Must not know what runs in
//! the pods. The node's network is CNI's `ptp`: pods reach one another, the node, and nothing else; no network policy is enforced.

mod archive;
mod components;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node as NodeObject, Pod};
use kube::Api;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub use self::archive::{PAUSE_IMAGE, pack};
use crate::control_plane::ControlPlane;
use crate::enclosure::Enclosure;
use crate::eventually;
use crate::process::Process;

/// The node's name.
pub const NAME: &str = "worker";
/// The node's only address: all servers outside the pods use it, such as the API server and the DNS server.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 30, 99, 1);
/// The deadline under load; otherwise the start takes five seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running node. The processes of its pods end with the enclosure.
pub struct Node {
    programs: Vec<Process>,
    socket: PathBuf,
}

impl Node {
    /// Starts a node and waits until pods can be scheduled to it. The DNS server knows only these names.
    pub async fn start(
        enclosure: &Enclosure,
        plane: &ControlPlane,
        images: &Path,
        names: &[(&str, Ipv4Addr)],
    ) -> Self {
        let directory = enclosure.directory().join("node");
        components::write_files(&directory, &enclosure.cgroup());
        let mut node = Self { programs: Vec::new(), socket: directory.join(components::SOCKET) };
        node.programs.push(Process::start(components::name_server(&directory, names)));
        node.programs.push(Process::start(components::containerd(&directory)));
        eventually("containerd", PATIENCE, async || node.try_ctr(&["version"])).await;
        node.import(images);
        for (program, user) in [
            (components::kubelet as fn(&Path, &Path) -> _, "system:node:worker"),
            (components::kube_proxy, "system:kube-proxy"),
            (components::kube_scheduler, "system:kube-scheduler"),
        ] {
            node.programs.push(Process::start(program(&directory, &plane.kubeconfig_for(user))));
        }
        node.ready(plane).await;
        node
    }

    async fn ready(&self, plane: &ControlPlane) {
        let nodes: Api<NodeObject> = Api::all(plane.admin());
        eventually("a node that is Ready", PATIENCE, async || {
            self.check();
            let node = nodes.get(NAME).await.map_err(|error| error.to_string())?;
            let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
            let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
            match ready {
                Some(condition) if condition.status == "True" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// Panics if one of the programs has ended.
    pub fn check(&self) {
        for program in &self.programs {
            assert!(
                program.is_running(),
                "{} has ended ({:?}); its log ends:\n{}",
                program.program().name,
                program.exit_status(),
                program.tail(20)
            );
        }
    }

    /// Makes the images of an archive known, so that no pod needs a registry.
    pub fn import(&self, archive: &Path) {
        self.ctr(&["images", "import", &archive.display().to_string()]);
    }

    /// The process id of a pod's only container in the enclosure's PID namespace.
    pub fn pid(&self, pod: &Pod) -> Option<u32> {
        let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
        let container = status.container_id.as_ref()?.strip_prefix("containerd://")?.to_owned();
        // TASK PID STATUS
        let tasks = self.ctr(&["tasks", "list"]);
        let line = tasks.lines().find(|line| line.starts_with(&container) && line.contains("RUNNING"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Ends a pod's only container immediately, as a crash would.
    pub fn kill9(&self, pod: &Pod) {
        let pid = self.pid(pod).and_then(|pid| i32::try_from(pid).ok()).expect("a running container");
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap_or_else(|error| panic!("killing {pid}: {error}"));
    }

    fn ctr(&self, arguments: &[&str]) -> String {
        self.try_ctr(arguments).unwrap_or_else(|problem| panic!("ctr {}: {problem}", arguments.join(" ")))
    }

    fn try_ctr(&self, arguments: &[&str]) -> Result<String, String> {
        let socket = self.socket.display().to_string();
        let mut command = Command::new("ctr");
        command.args(["--address", &socket, "--namespace", "k8s.io"]).args(arguments).stdin(Stdio::null());
        let output = command.output().map_err(|error| format!("{error} (apt-get install containerd)"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}
