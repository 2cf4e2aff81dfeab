//! The status of a `TokenSource`. It holds whole seconds and nothing volatile, so that a reconcile which changes nothing
//! produces exactly the status that it read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The state of the token, and when the controller will act next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenSourceStatus {
    /// The generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// When the request for the published token was sent. The token's lifetime counts from this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Time>,

    /// When the published token expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,

    /// When the controller will request the next token; absent while no request is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Time>,

    /// The published token's type, usually Bearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub token_type: Option<String>,

    /// The scope that the provider granted; absent if the response did not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub scope: Option<String>,

    /// The Secret that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetStatus>,

    /// Failed attempts in a row; 0 after a success.
    #[serde(default, skip_serializing_if = "super::is_default")]
    #[schemars(range(min = 0))]
    pub failures: i32,

    /// How many of the last failures in a row were of the same class: temporary errors, responses without a usable token,
    /// refused assertions, or other refusals. The time to the next attempt depends on this number.
    #[serde(default, skip_serializing_if = "super::is_default")]
    #[schemars(range(min = 0))]
    pub failures_of_class: i32,

    /// When the last failed attempt ended, or when a token was requested that could not be written. A success does not clear
    /// this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure_time: Option<Time>,

    /// When the controller will try the failed inputs again. Absent while failures is 0, and if only a change can help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Time>,

    /// The fingerprint of the inputs that failed. Changed inputs are tried immediately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub failed_inputs: Option<String>,

    /// The reason of the last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub failed_reason: Option<String>,

    /// How many tokens in a row were renewed because the probe rejected them.
    #[serde(default, skip_serializing_if = "super::is_default")]
    #[schemars(range(min = 0))]
    pub probe_rejections: i32,

    /// When the provider last returned the token that the target already held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_unchanged_time: Option<Time>,

    /// The token that the workloads of target.rolloutRestart were last restarted for, or that needed no restart, identified
    /// by the time when the provider first returned the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted_for: Option<Time>,

    /// The last value of the annotation tokensource.dev/renew-requested-at that was handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_renew_request: Option<String>,

    /// Notices about the token in the target that an operator should know, sorted by reason. None of them is a failed renewal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["reason"]))]
    pub notices: Vec<StatusNotice>,

    /// The conditions Ready and Renewed and, only while True, Stalled or Reconciling.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl TokenSourceStatus {
    /// The `observedGeneration` of a status that no controller has written, set by the definition's default. No object has
    /// this generation, so that kstatus does not report the object as current.
    pub const UNSEEN: i64 = -1;

    /// Whether no controller has written this status yet.
    pub fn is_blank(&self) -> bool {
        let seen = self.observed_generation.filter(|generation| *generation != Self::UNSEEN);
        seen.is_none() && Self { observed_generation: None, ..self.clone() } == Self::default()
    }
}

/// A notice about the token in the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusNotice {
    /// The name of the notice in CamelCase: a notice or a reason of docs/reasons.md.
    #[schemars(length(max = 64))]
    pub reason: String,

    /// A sentence for people.
    #[schemars(length(max = 1024))]
    pub message: String,

    /// Since when the notice has been reported.
    pub since: Time,
}

/// The Secret that holds the token, as the controller last saw it unchanged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// Name of the Secret, in the same namespace.
    #[schemars(length(max = 253))]
    pub name: String,

    /// The last resourceVersion at which the Secret held what the controller wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub resource_version: Option<String>,
}
