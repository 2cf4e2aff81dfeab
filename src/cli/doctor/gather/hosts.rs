//! The hosts that TokenSources name, and whether this machine reaches them: name resolution and a TLS handshake, under the
//! address rules and through the proxy of the flags. No request is sent. Must not check the result.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::super::facts::{Failing, HostFact, Read, Sources};
use super::super::hosts::UNREACHED;
use super::{AT_ONCE, fact};
use crate::api::{
    ClusterTokenProvider, ConditionType, ProviderKind, Reason, TokenProvider, TokenProviderSpec, TokenSource,
};
use crate::cli::Error;
use crate::cli::arguments::DoctorArguments;
use crate::cli::cluster::Cluster;
use crate::oauth::{ClientSettings, Endpoint, TokenClient};

/// How many places are contacted.
const HOSTS: usize = 50;
/// How many provider objects of each kind are read.
const PROVIDERS: u32 = 5000;
/// The deadline for one connection.
const DEADLINE: Duration = Duration::from_secs(5);

/// A host, and the authorities that are trusted there. The authorities are part of the key, so that the wrong bundle of one
/// tenant does not affect the result for the TokenSources of others.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Host and port.
    host: String,
    ca_bundle: Option<String>,
    /// Namespace and name of the ConfigMap with the authorities, which is not read.
    config_map: Option<(String, String)>,
}

/// The TokenSources of a place.
struct Users<'a> {
    endpoint: Endpoint,
    namespaces: BTreeSet<&'a str>,
    /// Namespace and name of the first of these TokenSources.
    example: String,
    sources: usize,
    failing: BTreeMap<Reason, Failing>,
}

/// The hosts with their authorities, and how many of these places were left out.
pub(super) async fn read(
    arguments: &DoctorArguments,
    cluster: &Cluster,
    sources: &Read<Sources>,
) -> Result<(Vec<HostFact>, usize), Error> {
    let proxy = arguments.network.proxy()?;
    let Ok(sources) = sources else { return Ok((Vec::new(), 0)) };
    let providers = Providers::read(arguments, cluster, &sources.items).await;
    let mut places = in_turn(places(&sources.items, &providers));
    let left_out = places.len().saturating_sub(HOSTS);
    places.truncate(HOSTS);
    let settings = ClientSettings {
        addresses: Arc::new(arguments.network.addresses()),
        resolver: None,
        proxy,
        ca_bundle: None,
        identity: None,
        timeout: DEADLINE,
    };
    let contacted = places.into_iter().map(|(place, users)| {
        let settings = ClientSettings { ca_bundle: place.ca_bundle, ..settings.clone() };
        async move {
            let reached = TokenClient::reach(&settings, &users.endpoint).await;
            HostFact {
                host: place.host,
                reached: reached.map_err(|error| (error.reason(), error.to_string())),
                foreign_authority: place.config_map.is_some(),
                example: users.example,
                sources: users.sources,
                failing: users.failing,
            }
        }
    });
    Ok((futures::stream::iter(contacted).buffered(AT_ONCE).collect().await, left_out))
}

/// The provider objects that TokenSources name, as far as they may be read.
#[derive(Default)]
struct Providers {
    /// Each `TokenProvider`, by namespace and name.
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

/// The places that TokenSources name, each once, with its TokenSources. Suspended TokenSources do not count.
fn places<'a>(sources: &'a [TokenSource], providers: &Providers) -> BTreeMap<Place, Users<'a>> {
    let mut places = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.spec.suspend) {
        let Some(provider) = providers.of(source) else { continue };
        // A URL that cannot be used is reported by the controller.
        let Some(endpoint) = provider.url().and_then(|url| Endpoint::parse(url).ok()) else { continue };
        let namespace = source.metadata.namespace.as_deref().unwrap_or_default();
        let place = Place {
            host: format!("{}:{}", endpoint.host(), endpoint.port()),
            ca_bundle: provider.tls.ca_bundle.clone(),
            config_map: provider
                .tls
                .ca_bundle_ref
                .as_ref()
                .map(|reference| (namespace.to_owned(), reference.name.clone())),
        };
        let named = format!("{namespace}/{}", source.name_any());
        let users = places.entry(place).or_insert_with(|| Users {
            endpoint,
            namespaces: BTreeSet::new(),
            example: named.clone(),
            sources: 0,
            failing: BTreeMap::new(),
        });
        users.namespaces.insert(namespace);
        users.sources += 1;
        if let Some(reason) = failure(source) {
            users.failing.entry(reason).or_insert_with(|| Failing { count: 0, example: named }).count += 1;
        }
    }
    places
}

/// Orders the places: the first one of every namespace, then the second of every namespace, and so on. A namespace that
/// names a thousand hosts does not keep the hosts of others from being contacted.
fn in_turn(places: BTreeMap<Place, Users<'_>>) -> Vec<(Place, Users<'_>)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ranked: Vec<_> = places
        .into_iter()
        .map(|(place, users)| {
            let ranks = users.namespaces.iter().map(|namespace| {
                let count = counts.entry(namespace).or_default();
                *count += 1;
                *count
            });
            (ranks.min().unwrap_or_default(), (place, users))
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, found)| found).collect()
}

/// Why the controller did not connect to the host of a `TokenSource`; None if it did, or if the status does not say.
fn failure(source: &TokenSource) -> Option<Reason> {
    let conditions = &source.status.as_ref()?.conditions;
    let reason = Reason::named(&ConditionType::Renewed.find_false(conditions)?.reason)?;
    UNREACHED.contains(&reason).then_some(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn source(name: &str, spec: &Value, reason: &str) -> TokenSource {
        source_in("team", name, spec, reason)
    }

    fn source_in(namespace: &str, name: &str, spec: &Value, reason: &str) -> TokenSource {
        serde_json::from_value(json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec,
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
        let seen: Vec<_> = found
            .iter()
            .map(|(place, users)| (place.host.as_str(), users.sources, users.failing.len()))
            .collect();
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

    #[test]
    fn bundle_of_one_tenant_does_not_judge_the_host_for_others() {
        let at = |bundle: Option<&str>| json!({"provider": {"tokenEndpoint": "https://shared.example", "tls": {"caBundle": bundle}}});
        let sources = [
            source_in("hostile", "a", &at(Some("nonsense")), "TLSVerificationFailed"),
            source_in("team", "b", &at(None), "Renewed"),
            source_in("team", "c", &at(None), "Renewed"),
        ];
        let found = places(&sources, &Providers::default());
        let seen: Vec<_> = found
            .iter()
            .map(|(place, users)| (place.host.as_str(), place.ca_bundle.as_deref(), users.sources))
            .collect();
        assert_eq!(seen, [("shared.example:443", None, 2), ("shared.example:443", Some("nonsense"), 1)]);
    }

    #[test]
    fn namespace_with_many_hosts_leaves_room_for_the_hosts_of_others() {
        let at = |host: &str| json!({"provider": {"tokenEndpoint": format!("https://{host}.example")}});
        let mut sources: Vec<_> = (0..200)
            .map(|n| source_in("hostile", &format!("s{n}"), &at(&format!("a{n}")), "Renewed"))
            .collect();
        sources.push(source_in("team", "first", &at("z1"), "Renewed"));
        sources.push(source_in("team", "second", &at("z2"), "Renewed"));
        let order = in_turn(places(&sources, &Providers::default()));
        let rank = |host: &str| order.iter().position(|(place, _)| place.host == host).unwrap();
        assert_eq!((rank("z1.example:443"), rank("z2.example:443")), (1, 3));
    }

    #[test]
    fn example_of_a_reason_is_a_source_that_has_it() {
        let at = json!({"provider": {"tokenEndpoint": "https://shared.example"}});
        let sources = [
            source("healthy", &at, "Renewed"),
            source("late", &at, "EndpointUnreachable"),
            source("later", &at, "EndpointUnreachable"),
        ];
        let found = places(&sources, &Providers::default());
        let failing: Vec<_> = found.values().flat_map(|users| users.failing.values()).collect();
        assert_eq!(failing, [&Failing { count: 2, example: "team/late".to_owned() }]);
    }

    #[test]
    fn config_maps_of_two_namespaces_are_different_authorities() {
        let at = json!({"provider": {
            "tokenEndpoint": "https://shared.example", "tls": {"caBundleRef": {"name": "ca", "key": "ca.crt"}},
        }});
        let sources = [source_in("a", "s", &at, "Renewed"), source_in("b", "s", &at, "Renewed")];
        assert_eq!(places(&sources, &Providers::default()).len(), 2);
    }
}
