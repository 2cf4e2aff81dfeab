//! A workload to restart, as the user names it. Knows the kinds that Kubernetes restarts by a change of their pod template;
//! must not know when they are.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rule;

/// A workload in the namespace of the `TokenSource`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Deployment, StatefulSet or DaemonSet (apps/v1).
    pub kind: WorkloadKind,

    /// Its name. One that does not exist is passed over: it will start with the token that is there then.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: String,
}

/// The kinds whose pods follow a change of the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum WorkloadKind {
    /// apps/v1 Deployment
    Deployment,
    /// apps/v1 `StatefulSet`
    StatefulSet,
    /// apps/v1 `DaemonSet`
    DaemonSet,
}

impl WorkloadKind {
    /// As the API server spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            WorkloadKind::Deployment => "Deployment",
            WorkloadKind::StatefulSet => "StatefulSet",
            WorkloadKind::DaemonSet => "DaemonSet",
        }
    }
}
