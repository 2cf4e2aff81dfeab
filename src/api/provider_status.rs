//! The status of both kinds of provider object. It counts TokenSources and never names one, because more people may read a
//! ClusterTokenProvider than the TokenSources that use it. Must not know how the counts are made.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Whether TokenSources get tokens from the provider. Written at transitions, and otherwise at most once a minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenProviderStatus {
    /// The generation of the spec that the conditions describe; absent while there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// How many TokenSources use the provider.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub token_sources: i32,

    /// How many TokenSources had a last request that failed for a reason of the endpoint, and not of the client.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub failing: i32,

    /// When the last successful request was sent. Up to ten minutes old if nothing else has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_time: Option<Time>,

    /// The condition Ready, once a request has succeeded or failed for a reason of the endpoint. There is none while no
    /// TokenSource uses the provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
