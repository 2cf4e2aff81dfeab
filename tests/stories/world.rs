//! What the stories share: one control plane with the CRDs, the controller's role and the admission policy as they are
//! shipped, and one Keycloak.
//! Knows how they are started, and that both are gone when the last story has ended.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tokensource_kit::authority::{self, Authority};
use tokensource_kit::control_plane::{ControlPlane, Shape};
use tokensource_kit::keycloak::Keycloak;
use tokensource_kit::manifest;

/// The user the controllers of the stories run as, bound to the role that is shipped and to nothing else.
pub(crate) const CONTROLLER: &str = "controller";

pub(crate) struct World {
    plane: OnceLock<ControlPlane>,
    kubeconfig: OnceLock<PathBuf>,
    keycloak: OnceLock<Keycloak>,
    pub(crate) authority: Authority,
}

impl World {
    /// Enough to name the stories.
    pub(crate) fn unbuilt() -> Arc<Self> {
        authority::install_crypto();
        Arc::new(Self {
            plane: OnceLock::new(),
            kubeconfig: OnceLock::new(),
            keycloak: OnceLock::new(),
            authority: Authority::new("The stories' authority"),
        })
    }

    pub(crate) fn build() -> Arc<Self> {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(Self::start(Shape::default()))
    }

    /// A control plane of this shape, with everything that is installed into it.
    pub(crate) async fn start(shape: Shape) -> Arc<Self> {
        let world = Self::unbuilt();
        let plane = ControlPlane::start_as(&definitions(), shape).await;
        let mut shipped = ["cluster/rbac.yaml", "policy/policy.yaml"]
            .map(|file| manifest::load(repository().join("deploy/kustomize").join(file)))
            .concat();
        // The ServiceAccount gets no more than what a story gives it.
        shipped
            .retain(|object| object.types.as_ref().is_some_and(|types| types.kind != "ClusterRoleBinding"));
        plane.apply_objects(&shipped).await;
        plane.apply(BINDING).await;
        let _ = world.kubeconfig.set(plane.kubeconfig_for(CONTROLLER));
        let _ = world.plane.set(plane);
        world
    }

    pub(crate) fn plane(&self) -> &ControlPlane {
        self.plane.get().expect("only listed stories run without a control plane")
    }

    /// The controllers' kubeconfig.
    pub(crate) fn kubeconfig(&self) -> &Path {
        self.kubeconfig.get().expect("written with the control plane")
    }

    /// The Keycloak, started by the first story that needs it.
    pub(crate) fn keycloak(&self) -> &Keycloak {
        self.keycloak.get_or_init(|| {
            // A thread of its own: the story that asks is inside a runtime already.
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

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn definitions() -> Vec<kube::core::DynamicObject> {
    ["tokensources", "tokenproviders", "clustertokenproviders"]
        .iter()
        .flat_map(|kind| manifest::load(repository().join(format!("crds/{kind}.yaml"))))
        .collect()
}

const BINDING: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: stories}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tokensource-controller}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: tokensource-controllers}
";
