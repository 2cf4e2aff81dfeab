//! How to read a provider's response, if it differs from RFC 6749.
//! Knows the fields of the contract and their defaults; must not know how a response is parsed.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::target::ShortText;
use super::{is_default, rule};

/// How to read the response, if it differs from RFC 6749.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.keep) || self.keep.all(name, !self.keep[name].endsWith('/refresh_token') && !(self.keep[name] in [has(self.fields) && has(self.fields.refreshToken) ? self.fields.refreshToken : '', has(self.fields) && has(self.fields.accessToken) ? self.fields.accessToken : '/access_token']))").message("keep is not for tokens: a template has the access token as access_token, and never has the refresh token; remove that entry"))]
#[x_kube(validation = Rule::new("(!has(self.successCodes) && !has(self.errors)) || (has(self.fields) && has(self.fields.error))").message("successCodes and errors are values of the member that fields.error points to: set fields.error, for example /code"))]
pub struct ResponseSettings {
    /// Where the members of the response are, if not under their names in the RFC.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fields: ResponseFields,

    /// Values of the member at fields.error that mean success, for providers that send a code in every answer, such as "0".
    /// Any other value is an error, also beside a token. Numbers and booleans are compared as text.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("maxItems" = 16, "x-kubernetes-list-type" = "set"))]
    pub success_codes: Vec<ShortText>,

    /// The meaning of the provider's own codes at fields.error, as codes of RFC 6749 and its extensions, for example
    /// "10014": invalid_grant.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("maxProperties" = 64))]
    #[x_kube(validation = Rule::new("self.all(code, size(code) >= 1 && size(code) <= 128)").message("a code has 1 to 128 characters"))]
    pub errors: BTreeMap<String, ErrorCode>,

    /// Further members of the response for the templates of target.data, as names and JSON Pointers: instance_url:
    /// /instance_url becomes fields.instance_url. Each is a text of one line, a number or a boolean, of at most 4 KiB.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(schema_with = "rule::kept_members")]
    pub keep: BTreeMap<String, String>,

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::pointer())]
    pub error_description: Option<String>,
}

/// An error code with a known meaning, from RFC 6749, 8628, 8707 and OpenID Connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the registry's own strings
pub enum ErrorCode {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    InvalidTarget,
    AccessDenied,
    ConsentRequired,
    SlowDown,
    ServerError,
    TemporarilyUnavailable,
}

impl ResponseSettings {
    /// The entry of `keep` that points to the access token or to a refresh token. A member that is called `refresh_token`
    /// counts as a refresh token in any object of the response.
    pub fn kept_token(&self) -> Option<&str> {
        let tokens = [self.fields.refresh_token(), self.fields.access_token()];
        let is_token = |pointer: &str| pointer.ends_with("/refresh_token") || tokens.contains(&pointer);
        let found = self.keep.iter().find(|(_, pointer)| is_token(pointer))?;
        Some(found.0)
    }
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
    /// The lifetime of a token if the response does not contain it. Default: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rule::bounds("duration(self) >= duration('10s')", "an assumed lifetime is 10s or more"))]
    pub assumed_lifetime: Option<Duration>,

    /// The unit of relative lifetimes: Auto (the default), Seconds, Milliseconds or Minutes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unit: ExpiryUnit,

    /// Whether to ignore the expiry in the response and use assumedLifetime, or the exp claim of the token if that is
    /// earlier.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ignore_response: bool,
}

impl ExpirySettings {
    /// The lifetime of a token if the response does not contain it.
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
    /// Seconds, even if the exp claim of the token shows another unit.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Minutes.
    Minutes,
}
