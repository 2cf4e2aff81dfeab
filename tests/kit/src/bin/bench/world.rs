//! The environment of a measurement: a control plane without other clients, the provider, and the controller as it is
//! shipped. Knows how these are started; must not know figures.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kube::Client;
use tokensource_kit::control_plane::{ControlPlane, Shape};
use tokensource_kit::controller::{self, ControllerProcess};
use tokensource_kit::{manifest, shipped};

use crate::journal::{Journal, Watches};
use crate::measure::{Server, cpu, cpu_of_threads};
use crate::provider::{Counts, Provider};
use crate::{fleet, provider};

/// The paths of the certificate authorities in distributions.
const AUTHORITIES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

pub(crate) struct World {
    pub(crate) plane: ControlPlane,
    pub(crate) provider: Provider,
    pub(crate) journal: Journal,
    pub(crate) admin: Client,
    _watches: Watches,
}

impl World {
    pub(crate) async fn build() -> Self {
        // The watches of kube-controller-manager would be counted as the controller's, and its garbage collector would share
        // the processors.
        let shape = Shape { unaudited: true, uncontrolled: true, ..Shape::default() };
        let plane = ControlPlane::start_as(&shipped::definitions(), shape).await;
        shipped::grant(&plane).await;
        let namespace = shipped::repository().join("deploy/kustomize/base/namespace.yaml");
        plane.apply_objects(&manifest::load(namespace)).await;
        shipped::grant_lease(&plane, "tokensource-system").await;
        let provider = Provider::start();
        plane.apply(&fleet::provider_object(&provider).to_string()).await;
        let admin = plane.admin();
        let journal = Journal::default();
        let watches = journal.follow(&admin);
        Self { plane, provider, journal, admin, _watches: watches }
    }

    /// Starts the release binary like the Deployment, with the allocator's settings of the image, and does not wait. The
    /// additional arguments permit requests to this machine, set a free port, and name the namespace of the lease, which a
    /// pod knows. The environment names the certificate authorities.
    pub(crate) fn controller(&self) -> ControllerProcess {
        let authorities = self.authorities().display().to_string();
        ControllerProcess::spawn(
            &binary(),
            &self.plane.kubeconfig_for("controller"),
            &["--leader-elect", "--lease-namespace", "tokensource-system", "--allow-network", "127.0.0.0/8"],
            &[controller::AS_IN_THE_IMAGE.as_slice(), &[("SSL_CERT_FILE", &authorities)]].concat(),
        )
    }

    /// The certificate authorities of this machine, like those in the image, and the provider's authority: so the provider
    /// object needs no bundle, as with most providers.
    fn authorities(&self) -> PathBuf {
        let path = self.plane.directory().join("authorities.pem");
        let system = AUTHORITIES.iter().find_map(|path| std::fs::read_to_string(path).ok());
        let pem = system.expect("this machine's certificate authorities (apt-get install ca-certificates)");
        std::fs::write(&path, pem + self.provider.ca_pem()).expect("a file in the control plane's directory");
        path
    }

    /// Starts a measurement. `client` is the CPU time that the measured client has used before.
    pub(crate) async fn meter(&self, client: Duration) -> Meter<'_> {
        // The server's metrics are read first, because reading them takes CPU time of the server.
        let server = Server::read(&self.admin).await;
        let before = Cost { server, ..Cost::now(self, client) };
        Meter { world: self, began: Instant::now(), before }
    }
}

/// The counters since the start of a measurement.
pub(crate) struct Meter<'a> {
    world: &'a World,
    began: Instant,
    before: Cost,
}

/// The cost of a measured activity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) elapsed: Duration,
    /// CPU time of the measured client: the controller or the bare client.
    pub(crate) client: Duration,
    pub(crate) api_server: Duration,
    pub(crate) etcd: Duration,
    pub(crate) provider: Duration,
    pub(crate) asked: Counts,
    pub(crate) server: Server,
    /// Events that the benchmark's own watches received.
    pub(crate) own_events: u64,
}

impl Meter<'_> {
    /// Ends the measurement. `client` is the CPU time that the client has used by now.
    pub(crate) async fn stop(self, client: Duration) -> Cost {
        let (elapsed, now) = (self.began.elapsed(), Cost::now(self.world, client));
        let server = Server::read(&self.world.admin).await;
        let before = self.before;
        Cost {
            elapsed,
            client: now.client.saturating_sub(before.client),
            api_server: now.api_server.saturating_sub(before.api_server),
            etcd: now.etcd.saturating_sub(before.etcd),
            provider: now.provider.saturating_sub(before.provider),
            asked: now.asked.since(before.asked),
            server: server.since(&before.server),
            own_events: now.own_events - before.own_events,
        }
    }
}

impl Cost {
    /// All counters at this moment.
    fn now(world: &World, client: Duration) -> Self {
        Self {
            client,
            api_server: cpu(world.plane.api_server()),
            etcd: cpu(world.plane.etcd()),
            provider: cpu_of_threads(provider::THREADS),
            asked: world.provider.counts(),
            own_events: world.journal.events(),
            ..Self::default()
        }
    }
}

/// The release binary is in the directory of this binary.
pub(crate) fn binary() -> PathBuf {
    let binary = std::env::current_exe().expect("this program's own path").with_file_name("tokensource");
    assert!(binary.exists(), "{} does not exist: run `make bench`, which builds it first", binary.display());
    binary
}
