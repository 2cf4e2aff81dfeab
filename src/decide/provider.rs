//! Which provider block a TokenSource uses, as its spec and the operator's flags decide.
//! Must not know how a provider object is found.

use super::Failure;
use crate::api::{ProviderKind, Reason, TokenProviderSpec, TokenSourceSpec};
use crate::oauth::Endpoint;

/// The provider block that a spec chooses.
#[derive(Clone, Copy, Debug)]
pub enum ChosenProvider<'a> {
    /// The block in the spec.
    Inline(&'a TokenProviderSpec),
    /// The `TokenProvider` of this name.
    Namespaced(&'a str),
    /// The `ClusterTokenProvider` of this name.
    Cluster(&'a str),
}

/// The provider block that this spec chooses. `only_cluster_providers` is the flag of this name.
pub fn chosen_provider(
    spec: &TokenSourceSpec,
    only_cluster_providers: bool,
) -> Result<ChosenProvider<'_>, Failure> {
    match (&spec.provider, &spec.provider_ref) {
        (Some(_), Some(_)) | (None, None) => {
            Err(Failure::local(Reason::InvalidSpec, "Set exactly one of provider and providerRef."))
        }
        (_, Some(reference)) if reference.kind == ProviderKind::ClusterTokenProvider => {
            Ok(ChosenProvider::Cluster(&reference.name))
        }
        _ if only_cluster_providers => Err(Failure::local(
            Reason::ProviderNotAllowed,
            "This controller takes endpoints from ClusterTokenProviders only (--only-cluster-providers): set \
             providerRef to one.",
        )),
        (Some(provider), None) => Ok(ChosenProvider::Inline(provider)),
        (None, Some(reference)) => Ok(ChosenProvider::Namespaced(&reference.name)),
    }
}

/// The host of a provider: the host of its token endpoint or, before discovery, of its issuer. None if the URL is
/// malformed, or if the provider block has no URL because the controller signs the token.
pub fn provider_host(provider: &TokenProviderSpec) -> Option<String> {
    Endpoint::parse(provider.url()?).ok().map(|endpoint| endpoint.host().to_owned())
}

/// Refuses a probe at another host or port than the provider's, for `--only-cluster-providers`.
pub fn stray_probe(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> Option<Failure> {
    let host = |url: &str| {
        let endpoint = Endpoint::parse(url).ok()?;
        Some((endpoint.host().to_owned(), endpoint.port()))
    };
    let probe = host(&spec.renewal.probe.as_ref()?.url);
    let own = provider.url().and_then(host);
    (probe != own).then(|| {
        Failure::local(
            Reason::ProviderNotAllowed,
            "This controller sends requests only to the hosts of ClusterTokenProviders (--only-cluster-providers): remove \
             renewal.probe, or point it at the provider's own host and port.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: serde_json::Value) -> TokenSourceSpec {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn spec_chooses_one_provider_which_is_a_cluster_provider_if_the_operator_demands_it() {
        let inline = serde_json::json!({"tokenEndpoint": "https://auth.example.com/token"});
        let reference = |kind: &str| serde_json::json!({"kind": kind, "name": "one"});
        let reason = |json, only| chosen_provider(&spec(json), only).err().map(|failure| failure.reason);
        for (json, refused, refused_with_flag) in [
            (serde_json::json!({}), Some(Reason::InvalidSpec), Some(Reason::InvalidSpec)),
            (
                serde_json::json!({"provider": inline, "providerRef": reference("TokenProvider")}),
                Some(Reason::InvalidSpec),
                Some(Reason::InvalidSpec),
            ),
            (serde_json::json!({"provider": inline}), None, Some(Reason::ProviderNotAllowed)),
            (
                serde_json::json!({"providerRef": reference("TokenProvider")}),
                None,
                Some(Reason::ProviderNotAllowed),
            ),
            (serde_json::json!({"providerRef": reference("ClusterTokenProvider")}), None, None),
        ] {
            assert_eq!(reason(json.clone(), false), refused, "{json}");
            assert_eq!(reason(json.clone(), true), refused_with_flag, "{json}");
        }
    }
}
