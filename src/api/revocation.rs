//! Revocation of tokens that are no longer needed (RFC 7009): which tokens, when and where.
//! Knows the fields of the contract; must not know how a token is revoked.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// Which tokens are revoked at the provider (RFC 7009).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.onDelete) && self.onDelete").message("revocation has no effect yet: set onDelete: true, or leave revocation out"))]
pub struct Revocation {
    /// URL of the revocation endpoint: https only. Default: the one that the metadata of the issuer names. It gets the token and
    /// the client's credentials, so their allowed-hosts must name its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(
        validation = Rule::new("self.startsWith('https://') && isURL(self)").message("write a full https:// URL: tokens and secrets are never sent unencrypted, and there is no switch for it"),
        validation = Rule::new("!self.matches('^https://[^/?#]*@') && !self.contains('#')").message("leave user:password@ and the fragment out of the URL")
    )]
    pub endpoint: Option<String>,

    /// Whether the tokens are revoked when the TokenSource is deleted. Adds the finalizer tokensource.dev/revocation. Default:
    /// false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_delete: bool,
}
