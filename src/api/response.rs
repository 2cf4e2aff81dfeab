//! How to read a provider's response, if it differs from RFC 6749.
//! Knows the fields of the contract and their defaults; must not know how a response is parsed.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::{is_default, rule};

/// How to read the response, if it differs from RFC 6749.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseSettings {
    /// Where the members of the response are, if not under their names in the RFC.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fields: ResponseFields,

    /// The token type to publish instead of the response's token_type, for providers that send a wrong type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rule::token_type())]
    pub token_type: Option<String>,

    /// How to read the expiry.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expiry: ExpirySettings,
}

/// JSON Pointers (RFC 6901) to the members of the response, such as /data/token.
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

impl ResponseFields {
    super::text_defaults! {
        /// The pointer to the access token.
        access_token: "/access_token",
        /// The pointer to the lifetime.
        expires_in: "/expires_in",
        /// The pointer to the instant of expiry.
        expires_at: "/expires_at",
        /// The pointer to the refresh token.
        refresh_token: "/refresh_token",
        /// The pointer to the token type.
        token_type: "/token_type",
    }
}

/// How to read the expiry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpirySettings {
    /// The lifetime of a token if the response does not tell it. Default: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rule::bounds("duration(self) >= duration('10s')", "an assumed lifetime is 10s or more"))]
    pub assumed_lifetime: Option<Duration>,

    /// The unit of relative lifetimes: Auto (the default), Seconds, Milliseconds or Minutes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unit: ExpiryUnit,

    /// Whether to ignore the expiry in the response and use assumedLifetime.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ignore_response: bool,
}

impl ExpirySettings {
    /// The lifetime of a token if the response does not tell it.
    pub fn assumed_lifetime(&self) -> std::time::Duration {
        self.assumed_lifetime.unwrap_or(Duration::from_secs(3600)).get()
    }
}

/// The unit of relative lifetimes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExpiryUnit {
    /// Seconds; or milliseconds, if the exp claim of the token proves it.
    #[default]
    Auto,
    /// Seconds, whatever the exp claim of the token says.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Minutes.
    Minutes,
}
