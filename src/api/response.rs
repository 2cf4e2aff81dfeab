//! How a provider's answer is to be read, where it departs from RFC 6749.
//! Knows the fields of the contract; must not know how an answer is parsed.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::{is_default, rule};

/// How to read the answer, where it departs from RFC 6749.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseSettings {
    /// Where the members of the answer stand, if not under their RFC names.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fields: ResponseFields,

    /// The token type to assume whatever the answer says, for servers that answer nonsense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rule::token_type())]
    pub token_type: Option<String>,

    /// How to read the expiry.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expiry: ExpirySettings,
}

/// JSON Pointers (RFC 6901) to the members of the answer, such as /data/token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // each is the pointer to the member of its name
pub struct ResponseFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::pointer())]
    pub access_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::pointer())]
    pub expires_in: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::pointer())]
    pub expires_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::pointer())]
    pub refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::pointer())]
    pub token_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::pointer())]
    pub error: Option<String>,
}

/// How to read the expiry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpirySettings {
    /// The life of a token whose answer says nothing of it. Default: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rule::bounds("duration(self) >= duration('10s')", "an assumed lifetime is 10s or more"))]
    pub assumed_lifetime: Option<Duration>,

    /// The unit of relative lifetimes: Auto (the default), Seconds or Milliseconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unit: ExpiryUnit,

    /// Whether to pass over what the answer says and take assumedLifetime.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ignore_response: bool,
}

/// The unit of relative lifetimes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExpiryUnit {
    /// Seconds, or milliseconds where the token itself proves it.
    #[default]
    Auto,
    /// Seconds, whatever the token says.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}
