//! A real Kubernetes control plane on 127.0.0.1 or, for a node, on that node's address: etcd, kube-apiserver,
//! kube-controller-manager, and nothing else.
//!
//! Knows how the three are started, broken and repaired, their users, and the requests to them. Must not know the installed
//! objects. One control plane for each test binary is enough, because each story has a namespace of its own.

mod audit;
mod components;
mod follower;
mod users;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, PostParams};
use kube::{Api, Client};
use tempfile::TempDir;

pub use self::audit::AuditEntry;
use self::components::Site;
pub use self::follower::Follower;
use self::users::Users;
use crate::apply::{self, ApplyError};
use crate::authority::{Authority, https_client};
use crate::process::Process;
use crate::{manifest, unique};

/// The deadline of the start. On an idle machine the control plane is ready after 3 s, but a build may be running at the same time.
const PATIENCE: Duration = Duration::from_secs(90);

/// Deviations from the usual control plane.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// The quota of etcd in bytes; None for its default.
    pub etcd_quota: Option<u64>,
    /// A second API server, behind a pipe to etcd that can be frozen.
    pub follower: bool,
    /// No audit log, for benchmarks: the log costs the API server time.
    pub unaudited: bool,
    /// No kube-controller-manager: no garbage collection, no end of namespaces, no `ServiceAccount`s by default.
    pub uncontrolled: bool,
}

/// A running control plane. Dropping it ends the programs and removes their files. A static is never dropped, nor is
/// anything on `std::process::exit` (libtest-mimic's `exit`): the kernel still ends the programs, but files remain.
///
/// The methods take `&self`, so that stories can share a control plane. Each call of [`client`](Self::client) or
/// [`admin`](Self::admin) makes a new client, because a client belongs to the runtime on which it was made.
pub struct ControlPlane {
    etcd: Process,
    api_server: Process,
    controller_manager: Option<Process>,
    follower: Option<Follower>,
    users: Users,
    authority_pem: String,
    // Last, because fields are dropped in this order and the programs must end before their files are removed.
    directory: TempDir,
}

impl ControlPlane {
    /// Starts a control plane and waits until it is ready.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a control plane that has these objects, usually the CRDs, from the beginning.
    pub async fn start_with(objects: &[DynamicObject]) -> Self {
        Self::start_as(objects, Shape::default()).await
    }

    /// Starts a control plane of another shape.
    pub async fn start_as(objects: &[DynamicObject], shape: Shape) -> Self {
        for _ in 0..3 {
            match Self::attempt(objects, shape, Site::Alone).await {
                Ok(plane) => return plane,
                Err(problem) if problem.contains("address already in use") => {}
                Err(problem) => panic!("{problem}"),
            }
        }
        panic!("three times in a row somebody else took the port chosen for the API server");
    }

    /// Starts a control plane for a node at this address, with all controllers and the users a node's programs need.
    pub async fn start_for_node(address: Ipv4Addr) -> Self {
        let site = Site::Node(address);
        Self::attempt(&[], Shape::default(), site).await.unwrap_or_else(|problem| panic!("{problem}"))
    }

    async fn attempt(objects: &[DynamicObject], shape: Shape, site: Site) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("plane-").tempdir().expect("a temporary directory");
        let authority = Authority::new("a test control plane");
        let port = unique::port();
        let users = Users::enlist(directory.path(), site, port, authority.pem());
        components::write_files(directory.path(), &authority, site);

        let etcd = Process::start(components::etcd(directory.path(), shape.etcd_quota));
        components::await_socket(directory.path(), &etcd).await?;
        let api_server =
            Process::start(components::api_server(directory.path(), site, port, !shape.unaudited));
        let (url, token) = (users.server(), users.token("admin"));
        await_api(&url, authority.pem(), token, &[&etcd, &api_server]).await?;
        // The garbage collector discovers new kinds only every 30 s, but knows those that exist when it starts.
        apply::all(&users.client("admin"), None, objects).await.map_err(|error| error.to_string())?;
        let kubeconfig = users.kubeconfig("kube-controller-manager");
        let controller_manager = (!shape.uncontrolled)
            .then(|| Process::start(components::controller_manager(directory.path(), site, &kubeconfig)));
        let follower = if shape.follower {
            let follower = Follower::start(directory.path());
            await_api(&follower.server, authority.pem(), token, &[&etcd, &follower.api_server]).await?;
            Some(follower)
        } else {
            None
        };
        let authority_pem = authority.pem().to_owned();
        Ok(Self { etcd, api_server, controller_manager, follower, users, authority_pem, directory })
    }

    /// A client with all rights, for the test itself.
    pub fn admin(&self) -> Client {
        self.client("admin")
    }

    /// A client for one of the users `admin`, `controller` (group `tokensource-controllers`), `alice` and `bob` (group
    /// `tenants`), and `carol` (group `operators`). Of these, only `admin` has rights before a manifest grants them.
    pub fn client(&self, user: &str) -> Client {
        self.users.client(user)
    }

    /// A client for one of these users at another API server of this control plane.
    pub fn client_of(&self, user: &str, server: &str) -> Client {
        self.users.at(server, &self.authority_pem).client(user)
    }

    /// The kubeconfig file of one of these users.
    pub fn kubeconfig_for(&self, user: &str) -> PathBuf {
        self.users.kubeconfig(user)
    }

    /// A kubeconfig file of one of these users for a server in front of the API server.
    pub fn kubeconfig_through(&self, user: &str, server: &str, ca_pem: &str) -> PathBuf {
        self.users.kubeconfig_through(user, server, ca_pem)
    }

    /// A kubeconfig file of a `ServiceAccount`, valid for an hour, as in a pod.
    pub async fn kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> PathBuf {
        self.users.service_account(&self.admin(), namespace, name).await
    }

    /// The `kubectl` in the directory of the control plane's programs.
    pub fn kubectl(&self) -> PathBuf {
        crate::assets::kubernetes().join("kubectl")
    }

    /// Creates a namespace with a unique name: the prefix and a random end.
    pub async fn namespace(&self, prefix: &str) -> String {
        let name = format!("{prefix}-{}", unique::word(6));
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.clone());
        let api: Api<Namespace> = Api::all(self.admin());
        let created = api.create(&PostParams::default(), &namespace).await;
        created.unwrap_or_else(|error| panic!("creating the namespace {name}: {error}"));
        name
    }

    /// Applies YAML or JSON documents as `admin`; objects without a namespace are created in `default`.
    pub async fn apply(&self, manifests: &str) -> Vec<DynamicObject> {
        self.apply_objects(&manifest::parse(manifests)).await
    }

    /// Applies YAML or JSON documents as `admin`, all namespaced objects in this namespace.
    pub async fn apply_in(&self, namespace: &str, manifests: &str) -> Vec<DynamicObject> {
        let mut objects = manifest::parse(manifests);
        manifest::into_namespace(&mut objects, namespace);
        self.apply_objects(&objects).await
    }

    /// Applies objects as `admin`; panics with the API server's message if it refuses an object.
    pub async fn apply_objects(&self, objects: &[DynamicObject]) -> Vec<DynamicObject> {
        let client = self.admin();
        let new_kinds = apply::brings_new_kinds(&client, objects).await;
        let applied = apply::all(&client, None, objects).await.unwrap_or_else(|error| panic!("{error}"));
        if let Some(controller_manager) = self.controller_manager.as_ref().filter(|_| new_kinds) {
            // See `attempt`: otherwise owned objects of these kinds would stay uncollected for up to 41 s.
            controller_manager.kill9();
            controller_manager.start_again();
        }
        applied
    }

    /// Applies documents as any user into any namespace, and returns the refusal if the API server refuses a document.
    pub async fn try_apply(
        &self,
        user: &str,
        namespace: &str,
        manifests: &str,
    ) -> Result<Vec<DynamicObject>, ApplyError> {
        apply::all(&self.client(user), Some(namespace), &manifest::parse(manifests)).await
    }

    /// Asks the API server, as `admin`, whether it would accept these objects in this namespace; nothing is stored.
    pub async fn rehearse(&self, namespace: &str, objects: &[DynamicObject]) -> Result<(), ApplyError> {
        self.rehearse_as("admin", namespace, objects).await
    }

    /// As [`rehearse`](Self::rehearse), for any user.
    pub async fn rehearse_as(
        &self,
        user: &str,
        namespace: &str,
        objects: &[DynamicObject],
    ) -> Result<(), ApplyError> {
        apply::rehearse(&self.client(user), namespace, objects).await.map(drop)
    }

    /// All requests that the API server has answered so far, without those in progress; a watch counts when it begins.
    pub fn audit(&self) -> Vec<AuditEntry> {
        self.audit_since(0)
    }

    /// The requests answered after a mark.
    pub fn audit_since(&self, mark: u64) -> Vec<AuditEntry> {
        audit::read(&self.audit_log(), mark)
    }

    /// The bodies of the requests that controllers have sent about objects of `tokensource.dev` and Events so far.
    pub fn audited_bodies(&self) -> Vec<String> {
        audit::bodies(&self.audit_log())
    }

    /// A mark for [`audit_since`](Self::audit_since): now.
    pub fn audit_mark(&self) -> u64 {
        audit::mark(&self.audit_log())
    }

    /// etcd.
    pub fn etcd(&self) -> &Process {
        &self.etcd
    }

    /// The socket that etcd listens on; its gRPC gateway answers HTTP there.
    pub fn etcd_socket(&self) -> PathBuf {
        self.directory.path().join(components::ETCD_SOCKET)
    }

    /// The second API server. Panics if the shape of the control plane has none.
    pub fn follower(&self) -> &Follower {
        self.follower.as_ref().expect("a control plane of a shape with a follower")
    }

    /// kube-apiserver.
    pub fn api_server(&self) -> &Process {
        &self.api_server
    }

    /// kube-controller-manager: garbage collection, namespaces, `ServiceAccount`s.
    pub fn controller_manager(&self) -> &Process {
        self.controller_manager.as_ref().expect("a control plane of a shape with a kube-controller-manager")
    }

    /// Waits until the API server answers again, after one of the components was ended and started again.
    pub async fn ready(&self) {
        let (url, token) = (self.users.server(), self.users.token("admin"));
        let needed = [&self.etcd, &self.api_server];
        await_api(&url, &self.authority_pem, token, &needed)
            .await
            .unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// `https://ADDRESS:PORT`
    pub fn server(&self) -> String {
        self.users.server()
    }

    /// The authority that issued the API server's certificate, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.authority_pem
    }

    /// The temporary directory, with the logs `etcd.log`, `api-server.log`, `controller-manager.log`,
    /// `audit.log`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn audit_log(&self) -> PathBuf {
        self.directory.path().join("audit.log")
    }
}

/// Waits until `/readyz` reports readiness; fails with the logs if a program ends or at the deadline.
async fn await_api(url: &str, ca_pem: &str, token: &str, needed: &[&Process]) -> Result<(), String> {
    let client = https_client(ca_pem);
    let start = Instant::now();
    loop {
        let request = client.get(format!("{url}/readyz")).bearer_auth(token);
        let last = match request.send().await {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) => format!("{}: {}", response.status(), response.text().await.unwrap_or_default()),
            Err(error) => format!("{error:?}"),
        };
        if start.elapsed() > PATIENCE || needed.iter().any(|process| !process.is_running()) {
            return Err(format!(
                "the control plane is not ready after {:.1?}; the last answer of {url}/readyz: {last}\n{}",
                start.elapsed(),
                needed.iter().map(|process| description(process)).collect::<String>()
            ));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The state of a program, and the end of its log.
fn description(process: &Process) -> String {
    let state =
        process.exit_status().map_or_else(|| "still runs".to_owned(), |status| format!("ended: {status}"));
    format!(
        "--- {} {state}; {} ends:\n{}\n",
        process.program().name,
        process.log().display(),
        process.tail(15)
    )
}
