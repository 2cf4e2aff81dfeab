//! A reference to a workload whose pods are restarted for a new token. Knows the kinds that roll out a change of their pod
//! template; must not know when they are restarted.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rule;

/// A workload in the namespace of the `TokenSource`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Deployment, StatefulSet or DaemonSet (apps/v1).
    pub kind: WorkloadKind,

    /// Name of the workload. A workload that does not exist is skipped: its pods will start with the current token.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: String,
}

/// The kinds that roll out a change of their pod template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum WorkloadKind {
    /// apps/v1 Deployment
    Deployment,
    /// apps/v1 `StatefulSet`
    StatefulSet,
    /// apps/v1 `DaemonSet`
    DaemonSet,
}
