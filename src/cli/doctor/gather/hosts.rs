//! The hosts that TokenSources name, and whether this machine reaches them: name resolution and a TLS handshake, under the
//! address rules and through the proxy of the flags; nothing is sent. Must not judge the result.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::super::facts::{HostFact, Read, Sources};
use super::super::hosts::UNREACHED;
use super::{AT_ONCE, fact};
use crate::api::{
    ClusterTokenProvider, ConditionType, ProviderKind, Reason, TokenProvider, TokenProviderSpec, TokenSource,
};
use crate::cli::Error;
use crate::cli::arguments::DoctorArguments;
use crate::cli::cluster::Cluster;
use crate::oauth::{ClientSettings, Endpoint, TokenClient};

/// How many hosts are contacted.
const HOSTS: usize = 50;
/// How many provider objects of each kind are read.
const PROVIDERS: u32 = 5000;
/// The deadline for one connection.
const DEADLINE: Duration = Duration::from_secs(5);

/// Whom to contact, and whom to trust there.
struct Place {
    endpoint: Endpoint,
    ca_bundle: Option<String>,
    foreign_authority: bool,
    sources: usize,
    failing: BTreeMap<Reason, usize>,
}

/// The hosts, and how many were left out.
pub(super) async fn read(
    arguments: &DoctorArguments,
    cluster: &Cluster,
    sources: &Read<Sources>,
) -> Result<(Vec<HostFact>, usize), Error> {
    let proxy = arguments.network.proxy()?;
    let Ok(sources) = sources else { return Ok((Vec::new(), 0)) };
    let providers = Providers::read(arguments, cluster, &sources.items).await;
    let places = places(&sources.items, &providers);
    let left_out = places.len().saturating_sub(HOSTS);
    let settings = ClientSettings {
        addresses: Arc::new(arguments.network.addresses()),
        resolver: None,
        proxy,
        ca_bundle: None,
        identity: None,
        timeout: DEADLINE,
    };
    let contacted = places.into_iter().take(HOSTS).map(|(host, place)| {
        let settings = ClientSettings { ca_bundle: place.ca_bundle, ..settings.clone() };
        async move {
            let reached = TokenClient::reach(&settings, &place.endpoint).await;
            HostFact {
                host,
                reached: reached.map_err(|error| (error.reason(), error.to_string())),
                foreign_authority: place.foreign_authority,
                sources: place.sources,
                failing: place.failing,
            }
        }
    });
    Ok((futures::stream::iter(contacted).buffered(AT_ONCE).collect().await, left_out))
}

/// The provider objects that TokenSources name, as far as they may be read.
#[derive(Default)]
struct Providers {
    /// By namespace and name.
    namespaced: BTreeMap<(String, String), TokenProviderSpec>,
    cluster: BTreeMap<String, TokenProviderSpec>,
}

impl Providers {
    async fn read(arguments: &DoctorArguments, cluster: &Cluster, sources: &[TokenSource]) -> Self {
        let named = |kind: ProviderKind| {
            sources
                .iter()
                .any(|source| source.spec.provider_ref.as_ref().is_some_and(|named| named.kind == kind))
        };
        let params = ListParams::default().limit(PROVIDERS);
        let mut providers = Self::default();
        if named(ProviderKind::TokenProvider) {
            let api: Api<TokenProvider> = if arguments.all_namespaces {
                Api::all(cluster.client.clone())
            } else {
                Api::namespaced(cluster.client.clone(), &cluster.namespace)
            };
            let found = fact(cluster, api.list(&params)).await.map(|list| list.items).unwrap_or_default();
            let key =
                |provider: &TokenProvider| (provider.namespace().unwrap_or_default(), provider.name_any());
            providers.namespaced = found.into_iter().map(|found| (key(&found), found.spec)).collect();
        }
        if named(ProviderKind::ClusterTokenProvider) {
            let api: Api<ClusterTokenProvider> = Api::all(cluster.client.clone());
            let found = fact(cluster, api.list(&params)).await.map(|list| list.items).unwrap_or_default();
            providers.cluster =
                found.into_iter().map(|found| (found.name_any(), found.spec.provider)).collect();
        }
        providers
    }

    fn of<'a>(&'a self, source: &'a TokenSource) -> Option<&'a TokenProviderSpec> {
        let Some(named) = &source.spec.provider_ref else { return source.spec.provider.as_deref() };
        match named.kind {
            ProviderKind::TokenProvider => {
                self.namespaced.get(&(source.namespace().unwrap_or_default(), named.name.clone()))
            }
            ProviderKind::ClusterTokenProvider => self.cluster.get(&named.name),
        }
    }
}

/// The hosts by name and port, each once. Of several bundles for one host, the first is used.
fn places(sources: &[TokenSource], providers: &Providers) -> BTreeMap<String, Place> {
    let mut places = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.spec.suspend) {
        let Some(provider) = providers.of(source) else { continue };
        // A URL that cannot be used is reported by the controller.
        let Some(endpoint) = provider.url().and_then(|url| Endpoint::parse(url).ok()) else { continue };
        let tls = provider.tls.clone();
        let place =
            places.entry(format!("{}:{}", endpoint.host(), endpoint.port())).or_insert_with(|| Place {
                endpoint,
                ca_bundle: tls.ca_bundle,
                foreign_authority: tls.ca_bundle_ref.is_some(),
                sources: 0,
                failing: BTreeMap::new(),
            });
        place.sources += 1;
        if let Some(reason) = failure(source) {
            *place.failing.entry(reason).or_default() += 1;
        }
    }
    places
}

/// Why the controller did not reach the host of a `TokenSource`.
fn failure(source: &TokenSource) -> Option<Reason> {
    let conditions = &source.status.as_ref()?.conditions;
    let renewed = conditions.iter().find(|found| found.type_ == ConditionType::Renewed.as_str())?;
    let reason = Reason::named(&renewed.reason).filter(|_| renewed.status == "False")?;
    UNREACHED.contains(&reason).then_some(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn source(name: &str, spec: &Value, reason: &str) -> TokenSource {
        serde_json::from_value(json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
            "metadata": {"name": name, "namespace": "team"}, "spec": spec,
            "status": {"conditions": [{
                "type": "Renewed", "status": "False", "reason": reason, "message": "m",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]},
        }))
        .unwrap()
    }

    #[test]
    fn each_host_is_contacted_once_with_what_the_controller_says_of_it() {
        let at = |url: &str| json!({"provider": {"tokenEndpoint": url}});
        let named = |kind: &str| json!({"providerRef": {"kind": kind, "name": "p"}});
        let provider = |url: &str| serde_json::from_value(json!({"issuer": url})).unwrap();
        let providers = Providers {
            namespaced: [(("team".to_owned(), "p".to_owned()), provider("https://issuer.example"))].into(),
            cluster: [("p".to_owned(), provider("https://cluster.example/realm"))].into(),
        };
        let sources = [
            source("a", &at("https://one.example/token"), "EndpointUnreachable"),
            source("b", &at("https://one.example/other"), "InvalidClient"),
            source("c", &at("https://one.example:8443/token"), "TLSVerificationFailed"),
            source("d", &at("no URL"), "InvalidSpec"),
            source("e", &named("TokenProvider"), "ProxyError"),
            source("f", &named("ClusterTokenProvider"), "EndpointUnreachable"),
            source(
                "g",
                &json!({"suspend": true, "provider": {"tokenEndpoint": "https://off.example"}}),
                "Suspended",
            ),
        ];
        let found = places(&sources, &providers);
        let seen: Vec<_> =
            found.iter().map(|(host, place)| (host.as_str(), place.sources, place.failing.len())).collect();
        assert_eq!(
            seen,
            [
                ("cluster.example:443", 1, 1),
                ("issuer.example:443", 1, 1),
                ("one.example:443", 2, 1),
                ("one.example:8443", 1, 1),
            ]
        );
    }
}
