//! Revocation of tokens that are no longer needed (RFC 7009): which tokens, when and where.
//! Knows the fields of the contract; must not know how a token is revoked.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::{is_default, rule};

/// Which tokens are revoked at the provider (RFC 7009).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.onDelete) && self.onDelete || has(self.onReplace) && self.onReplace").message("revocation has an effect only with onDelete or onReplace: set one of them to true, or leave revocation out"))]
#[x_kube(validation = Rule::new("!has(self.grace) || has(self.onReplace) && self.onReplace").message("grace is the time between a replacement and the revocation: set onReplace: true, or leave grace out"))]
pub struct Revocation {
    /// URL of the revocation endpoint: https only. Default: the endpoint that the metadata of the issuer names. The endpoint
    /// receives the token and the client's credentials, so the allowed-hosts of the credentials must name its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rule::endpoint_url")]
    pub endpoint: Option<String>,

    /// Whether the tokens are revoked when the TokenSource is deleted. Adds the finalizer tokensource.dev/revocation. Default:
    /// false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_delete: bool,

    /// Whether a token is revoked after another one has replaced it. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_replace: bool,

    /// How long the new token has been in the Secret before the old one is revoked: 1s to 1h. Workloads see a new token
    /// within a minute and a half. Default: 3m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rule::bounds("duration(self) >= duration('1s') && duration(self) <= duration('1h')", "the grace lies between 1s and 1h"))]
    pub grace: Option<Duration>,
}

impl Revocation {
    /// How long the new token has been in the Secret before the old one is revoked.
    pub fn grace(&self) -> Duration {
        self.grace.unwrap_or(Duration::from_secs(180))
    }
}
