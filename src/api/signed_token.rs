//! A token that the controller signs with the client's key, in place of one that a provider issues. Knows the fields of the
//! API; must not know how a token is signed.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::client_authentication::JsonWebAlgorithm;
use super::duration::Duration;
use super::{is_default, rule};

/// A JWT that is the token itself. It is signed with the key in the credentials Secret, and no request is sent. That Secret
/// must allow it: its annotation tokensource.dev/allowed-hosts contains jwt:AUDIENCE, or jwt:None for a token without audience.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedToken {
    /// The iss claim. Default: the client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = rule::visible())]
    pub issuer: Option<String>,

    /// The sub claim. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = rule::visible())]
    pub subject: Option<String>,

    /// The aud claim, without commas, and not of digits alone. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = rule::visible())]
    #[x_kube(validation = Rule::new("!self.contains(',')").message("an audience of a signed token has no comma, because allowed-hosts separates its entries by commas"))]
    #[x_kube(validation = Rule::new("!self.matches('^[0-9]+$')").message("an audience of a signed token does not consist of digits alone, because its entry in allowed-hosts would be a host with a port"))]
    pub audience: Option<String>,

    /// How long the token is valid, counted from iat, which lies 10s in the past: 1m to 24h. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rule::bounds("duration(self) >= duration('1m') && duration(self) <= duration('24h')", "the lifetime of a signed token lies between 1m and 24h"))]
    pub lifetime: Option<Duration>,

    /// Signature algorithm. Default: RS256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<JsonWebAlgorithm>,

    /// The kid header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::visible())]
    pub key_id: Option<String>,

    /// Additional claims, as a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rule::claims")]
    pub claims: Option<serde_json::Map<String, serde_json::Value>>,

    /// Additional members of the JOSE header, such as typ, whose default is JWT. alg, crit, b64 and members with a field of
    /// their own are refused.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(schema_with = "rule::jose_headers")]
    pub headers: BTreeMap<String, String>,
}

impl SignedToken {
    /// How long the token is valid.
    pub fn lifetime(&self) -> Duration {
        self.lifetime.unwrap_or(Duration::from_secs(600))
    }

    /// The entry in `allowed-hosts` with which the owner of the key permits this token to be signed.
    pub fn consent(&self) -> String {
        format!("jwt:{}", self.audience.as_deref().unwrap_or("None"))
    }
}
