//! The parts that the stories share: one control plane with the shipped CRDs, role and admission policy, and one Keycloak.
//! Knows how they are started, and ends both after the last story.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use tokensource_kit::authority::{self, Authority};
use tokensource_kit::control_plane::{AuditEntry, ControlPlane, Shape};
use tokensource_kit::keycloak::Keycloak;
use tokensource_kit::shipped::{self, definitions};

/// The user of the controllers, which has only the shipped role.
pub(crate) const CONTROLLER: &str = "controller";

pub(crate) struct World {
    plane: OnceLock<ControlPlane>,
    kubeconfig: OnceLock<PathBuf>,
    keycloak: OnceLock<Keycloak>,
    /// The controllers' calls to the control planes of single stories.
    used_elsewhere: Mutex<Vec<AuditEntry>>,
    pub(crate) authority: Authority,
}

impl World {
    /// A world without a control plane, which is enough to list the stories.
    pub(crate) fn unbuilt() -> Arc<Self> {
        authority::install_crypto();
        Arc::new(Self {
            plane: OnceLock::new(),
            kubeconfig: OnceLock::new(),
            keycloak: OnceLock::new(),
            used_elsewhere: Mutex::default(),
            authority: Authority::new("The stories' authority"),
        })
    }

    pub(crate) fn build() -> Arc<Self> {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(Self::start(Shape::default()))
    }

    /// A control plane of this shape, with everything installed.
    pub(crate) async fn start(shape: Shape) -> Arc<Self> {
        let world = Self::unbuilt();
        let plane = ControlPlane::start_as(&definitions(), shape).await;
        shipped::grant(&plane).await;
        shipped::policies(&plane).await;
        let _ = world.kubeconfig.set(plane.kubeconfig_for(CONTROLLER));
        let _ = world.plane.set(plane);
        world
    }

    pub(crate) fn plane(&self) -> &ControlPlane {
        self.plane.get().expect("stories run only with a control plane")
    }

    /// Notes the calls of controllers to the control plane of a single story.
    pub(crate) fn has_used(&self, calls: Vec<AuditEntry>) {
        self.used_elsewhere.lock().expect("no story panics here").extend(calls);
    }

    /// The calls of controllers to the control planes of single stories.
    pub(crate) fn used_elsewhere(&self) -> Vec<AuditEntry> {
        self.used_elsewhere.lock().expect("no story panics here").clone()
    }

    /// The controllers' kubeconfig.
    pub(crate) fn kubeconfig(&self) -> &Path {
        self.kubeconfig.get().expect("written with the control plane")
    }

    /// The Keycloak, started by the first story that needs it.
    pub(crate) fn keycloak(&self) -> &Keycloak {
        self.keycloak.get_or_init(|| {
            // Keycloak is started on a thread of its own, because the calling story is inside a runtime already.
            std::thread::scope(|scope| {
                let started = scope.spawn(|| {
                    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
                    runtime.block_on(Keycloak::start(&self.authority))
                });
                started.join().expect("Keycloak starts")
            })
        })
    }
}
