//! The target: the Secret that a token is published in. Must not know how the Secret is written.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::workload::Workload;
use super::{is_default, rule};

/// Types of Secrets that no target may have, because Kubernetes or this controller reads such Secrets as its own
/// credentials. The CRD has the same rule, but an object may have been stored before the rule existed.
pub const RESERVED_TYPES: [&str; 3] =
    ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token", "tokensource.dev/refresh-token"];

/// The keys of a target without `data`, in the order of the documentation.
pub const TARGET_KEYS: [&str; 3] = ["access_token", "token_type", "expires_at"];

/// The Secret that holds the token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Name of the Secret. Default: the TokenSource's own name. If a Secret of this name exists and belongs to another
    /// owner, the controller does not write to it and reports TargetConflict. After a change of the name, the Secret of the
    /// former name is deleted as soon as the new one holds a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: Option<String>,

    /// Type of the Secret. Default: Opaque. Kubernetes forbids changing the type of a Secret: if it is changed here, the
    /// controller deletes the Secret and creates it again.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::visible(), validation = Rule::new("!(self in ['kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token', 'tokensource.dev/refresh-token'])").message("Kubernetes, or this controller, reads Secrets of this type as credentials of its own: choose another, such as Opaque"))]
    pub type_: Option<String>,

    /// Labels to put on the Secret.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("maxProperties" = 64))]
    #[x_kube(validation = Rule::new("self.all(key, size(key) <= 317 && key.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))").message("a key is a name of at most 63 letters, digits, '-', '_' and '.', with an optional DNS prefix such as example.com/"))]
    #[x_kube(validation = Rule::new("self.all(key, !key.startsWith('tokensource.dev/') && key != 'app.kubernetes.io/managed-by')").message("tokensource.dev/ and app.kubernetes.io/managed-by are set by the controller: choose another label key"))]
    #[x_kube(validation = rule::label_values())]
    pub labels: BTreeMap<String, ShortText>,

    /// Annotations to put on the Secret.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("maxProperties" = 64))]
    #[x_kube(validation = Rule::new("self.all(key, size(key) <= 317 && key.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))").message("a key is a name of at most 63 letters, digits, '-', '_' and '.', with an optional DNS prefix such as example.com/"))]
    #[x_kube(validation = Rule::new("self.all(key, !key.startsWith('tokensource.dev/'))").message("tokensource.dev/ annotations are set by the controller: choose another key"))]
    pub annotations: BTreeMap<String, LongText>,

    /// The keys of the Secret, each with a minijinja template over access_token, token_type, scope, expires_at,
    /// issued_at, and fields with the members that response.keep names, for example
    /// `Authorization: Bearer {{ access_token }}`. Default: the keys access_token, token_type and expires_at (RFC 3339).
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = Rule::new("self.all(key, key.matches('^[-._A-Za-z0-9]+$') && size(key) <= 253)").message("a key of a Secret consists of letters, digits, '-', '_' and '.', 253 at the most"))]
    pub data: BTreeMap<String, LongText>,

    /// Hosts that may receive this token from other TokenSources of the namespace, which name this one in a tokenSourceRef:
    /// auth.example.com, *.example.com, or with a port. The controller writes them as the annotation
    /// tokensource.dev/allowed-hosts of the Secret.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("maxItems" = 16, "x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new("self.all(host, host.matches('^[-*A-Za-z0-9._:\\\\[\\\\]]+$'))").message("write a host without https:// and path: auth.example.com, *.example.com, or with a port, auth.example.com:8443"))]
    pub allowed_hosts: Vec<HostText>,

    /// Workloads in the same namespace to restart, as `kubectl rollout restart` does, each time the Secret has a new token.
    /// For workloads that read the token only at their start and cannot read the mounted file again. The first token and an
    /// unchanged token restart nothing. The controller needs a permission for it (docs/workloads.md).
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("maxItems" = 8, "x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kind", "name"]))]
    pub rollout_restart: Vec<Workload>,
}

/// A text of at most 63 characters, such as the value of a label.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[schemars(inline)]
#[serde(transparent)]
pub struct ShortText(#[schemars(length(max = 63))] pub String);

/// A host, with or without a port.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[schemars(inline)]
#[serde(transparent)]
pub struct HostText(#[schemars(length(min = 1, max = 261))] pub String);

/// A text of at most 8192 characters.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[schemars(inline)]
#[serde(transparent)]
pub struct LongText(#[schemars(length(max = 8192))] pub String);
