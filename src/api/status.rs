//! What the controller reports. Whole seconds only, nothing volatile: a reconcile that changes nothing must be
//! able to produce exactly the status it read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What is known of the token, and when the controller will next act.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenSourceStatus {
    /// The generation of the spec this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// When the request for the published token was sent. Its life counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Time>,

    /// When the published token expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,

    /// When the controller will next ask for a token; absent while no request is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<Time>,

    /// The published token's type, usually Bearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub token_type: Option<String>,

    /// The scope the provider says it granted; absent where it said nothing.
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

    /// How many of these failures, up to the last, were of the same kind as the last: passing trouble, answers without a
    /// usable token, or refusals. How soon it is tried again depends on it.
    #[serde(default, skip_serializing_if = "super::is_default")]
    #[schemars(range(min = 0))]
    pub failures_of_class: i32,

    /// When the last failed attempt ended; kept after a success until the next failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure_time: Option<Time>,

    /// Not before this instant will the failed inputs be tried again. Absent while failures is 0, and where only a
    /// change can help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Time>,

    /// Fingerprint of the inputs that failed; other inputs are tried at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub failed_inputs: Option<String>,

    /// The reason of that failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub failed_reason: Option<String>,

    /// Tokens in a row that the probe has rejected and that were renewed for it.
    #[serde(default, skip_serializing_if = "super::is_default")]
    #[schemars(range(min = 0))]
    pub probe_rejections: i32,

    /// When the provider last answered with the very token the target already holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_unchanged_time: Option<Time>,

    /// Which token the workloads of target.rolloutRestart run with, as far as the controller has seen to it: since when
    /// that token has been in the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted_for: Option<Time>,

    /// The last value of the tokensource.dev/renew-requested-at annotation that has been dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_renew_request: Option<String>,

    /// Facts about the token in the target that are worth an operator's eye, sorted by reason. None of them is a failure to
    /// renew it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["reason"]))]
    pub notices: Vec<StatusNotice>,

    /// Ready, Renewed and, only while True, Stalled or Reconciling.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl TokenSourceStatus {
    /// The generation that the definition gives a status nobody has written: none that an object has, so that whoever
    /// judges by kstatus does not take the object for settled.
    pub const UNSEEN: i64 = -1;

    /// Nobody has written it yet.
    pub fn is_blank(&self) -> bool {
        let seen = self.observed_generation.filter(|generation| *generation != Self::UNSEEN);
        seen.is_none() && Self { observed_generation: None, ..self.clone() } == Self::default()
    }
}

/// A fact about the token in the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusNotice {
    /// A word in CamelCase from the table of notices or reasons.
    #[schemars(length(max = 64))]
    pub reason: String,

    /// A sentence for a person.
    #[schemars(length(max = 1024))]
    pub message: String,

    /// Since when this notice has been reported.
    pub since: Time,
}

/// The Secret that holds the token, as last seen to be intact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// Name of the Secret, in the same namespace.
    #[schemars(length(max = 253))]
    pub name: String,

    /// The resourceVersion at which its content was last known to be the controller's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub resource_version: Option<String>,
}
