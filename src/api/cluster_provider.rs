//! `ClusterTokenProvider`: a provider block for the TokenSources of many namespaces. `crd` gives the kind the columns of
//! `TokenProvider`. Must not know how a namespace is admitted.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::provider::TokenProviderSpec;
use super::provider_status::TokenProviderStatus;

/// A provider for many namespaces, described once by the cluster's administrators.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tokensource.dev",
    version = "v1alpha1",
    kind = "ClusterTokenProvider",
    status = "TokenProviderStatus",
    derive = "Default",
    category = "oauth-tokens",
    doc = "A ClusterTokenProvider describes one OAuth 2.0 token endpoint for the TokenSources of many namespaces. It holds no credentials: those stay in the namespaces that use it."
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.tls) || !has(self.tls.caBundleRef)").message("a ClusterTokenProvider belongs to no namespace: put the certificates themselves in tls.caBundle")
)]
pub struct ClusterTokenProviderSpec {
    /// The namespaces whose TokenSources may use this provider, by their labels. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<LabelSelector>,

    /// The provider block.
    #[serde(flatten)]
    pub provider: TokenProviderSpec,
}
