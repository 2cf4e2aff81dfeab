//! The command lines and files of the three programs.
//!
//! Knows flags, and etcd's socket; must not know who speaks to the programs, or when the API server is ready.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use rcgen::KeyPair;

use crate::assets;
use crate::authority::Authority;
use crate::process::{Process, Program};

/// Relative to the directory. etcd requires "host:port" even for a Unix socket and names the file so. A socket needs no free
/// port, and no other program can reach it.
pub(super) const ETCD_SOCKET: &str = "etcd.sock:0";

/// The socket by which the second API server reaches etcd.
pub(super) const PIPE_SOCKET: &str = "pipe.sock:0";

/// The API server logs one line for each request when the request is answered or, for a watch, has begun. Writes of
/// controllers to objects of `tokensource.dev` and to Events are logged with their bodies, so that tests can search all
/// statuses and Events and not only the last.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Request
  userGroups: [tokensource-controllers, system:serviceaccounts]
  resources: [{group: tokensource.dev}, {group: events.k8s.io}]
- level: Metadata
";

/// The controllers for garbage collection, namespaces, ServiceAccounts, aggregated `ClusterRole`s and admission policies; none
/// for nodes or pods.
const CONTROLLERS: &str = "garbage-collector-controller,namespace-controller,serviceaccount-controller,\
    serviceaccount-token-controller,root-ca-certificate-publisher-controller,\
    clusterrole-aggregation-controller,validatingadmissionpolicy-status-controller";

/// The location of a control plane.
#[derive(Clone, Copy, Debug)]
pub(super) enum Site {
    /// The control plane listens on 127.0.0.1, where no pod could reach it.
    Alone,
    /// The control plane listens at the address of a node. The node's pods use this address and the Service `kubernetes`.
    Node(Ipv4Addr),
}

impl Site {
    pub(super) fn address(self) -> Ipv4Addr {
        match self {
            Self::Alone => Ipv4Addr::LOCALHOST,
            Self::Node(address) => address,
        }
    }
}

/// Writes certificates, keys and the audit policy.
pub(super) fn write_files(directory: &Path, authority: &Authority, site: Site) {
    let address = site.address().to_string();
    authority
        .issue(&["localhost", "127.0.0.1", "kubernetes.default.svc", "10.0.0.1", &address])
        .write(directory, "api-server");
    // Signs the tokens of ServiceAccounts.
    let key = KeyPair::generate().expect("generating a key");
    for (name, text) in [
        ("ca.crt", authority.pem()),
        ("sa.key", &key.serialize_pem()),
        ("sa.pub", &key.public_key_pem()),
        ("audit-policy.yaml", AUDIT_POLICY),
    ] {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
    }
}

pub(super) fn etcd(directory: &Path, quota: Option<u64>) -> Program {
    let mut arguments = vec![
        "--data-dir=etcd".to_owned(),
        "--unsafe-no-fsync".into(), // a test's data need not survive the machine
        "--log-level=warn".into(),
        format!("--listen-client-urls=unix://{ETCD_SOCKET}"),
        format!("--advertise-client-urls=unix://{ETCD_SOCKET}"),
        "--listen-peer-urls=unix://peer.sock:0".into(),
        "--initial-advertise-peer-urls=unix://peer.sock:0".into(),
        "--initial-cluster=default=unix://peer.sock:0".into(),
    ];
    arguments.extend(quota.map(|bytes| format!("--quota-backend-bytes={bytes}")));
    Program::new(directory, "etcd", assets::server().join("etcd"), arguments)
}

pub(super) fn api_server(directory: &Path, site: Site, port: u16, audited: bool) -> Program {
    let mut program = serving(directory, "api-server", site, port, ETCD_SOCKET);
    program.arguments.retain(|argument| audited || !argument.starts_with("--audit-"));
    program
}

/// The second API server, with a log of its own.
pub(super) fn follower(directory: &Path, port: u16) -> Program {
    serving(directory, "follower", Site::Alone, port, PIPE_SOCKET)
}

fn serving(directory: &Path, name: &str, site: Site, port: u16, etcd: &str) -> Program {
    let address = site.address();
    let file = |name: &str| directory.join(name).display().to_string();
    let mut arguments = vec![
        format!("--etcd-servers=unix://{}", file(etcd)),
        format!("--bind-address={address}"),
        format!("--advertise-address={address}"),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", file("api-server.crt")),
        format!("--tls-private-key-file={}", file("api-server.key")),
        format!("--cert-dir={}", file(name)),
        format!("--service-account-issuer=https://{address}:{port}"),
        format!("--service-account-key-file={}", file("sa.pub")),
        format!("--service-account-signing-key-file={}", file("sa.key")),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        format!("--audit-policy-file={}", file("audit-policy.yaml")),
        format!(
            "--audit-log-path={}",
            file(if name == "api-server" { "audit.log" } else { "follower-audit.log" })
        ),
        // The size is in megabytes. Rotation would remove entries that tests count.
        "--audit-log-maxsize=10000".into(),
    ];
    arguments.extend(
        match site {
            // The Service `kubernetes` has no endpoint.
            Site::Alone => ["--endpoint-reconciler-type=none", "--authorization-mode=RBAC"],
            // A node may read only the Secrets of its own pods, as in any cluster.
            Site::Node(_) => ["--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"],
        }
        .map(ToOwned::to_owned),
    );
    Program::new(directory, name, assets::server().join("kube-apiserver"), arguments)
}

pub(super) fn controller_manager(directory: &Path, site: Site, kubeconfig: &Path) -> Program {
    let controllers = match site {
        Site::Alone => CONTROLLERS,
        Site::Node(_) => "*",
    };
    let arguments = vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        "--secure-port=0".into(),
        "--leader-elect=false".into(),
        "--kube-api-qps=200".into(),
        "--kube-api-burst=400".into(),
        format!("--service-account-private-key-file={}", directory.join("sa.key").display()),
        format!("--root-ca-file={}", directory.join("ca.crt").display()),
        format!("--controllers={controllers}"),
    ];
    let binary = assets::kubernetes().join("kube-controller-manager");
    Program::new(directory, "controller-manager", binary, arguments)
}

/// Waits for etcd's socket, because an API server that starts first waits for seconds before it tries again.
pub(super) async fn await_socket(directory: &Path, etcd: &Process) -> Result<(), String> {
    let (socket, start) = (directory.join(ETCD_SOCKET), Instant::now());
    while !socket.exists() {
        if !etcd.is_running() || start.elapsed() > Duration::from_secs(30) {
            return Err(format!(
                "etcd does not listen on {}; its log ends:\n{}",
                socket.display(),
                etcd.tail(15)
            ));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
