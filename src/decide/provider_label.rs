//! The values of the metric label `provider`, whose number is bounded. Knows hosts and namespaces; must not know a metric.

use std::collections::{BTreeMap, BTreeSet};

/// How many different values the label has, apart from the two fixed ones.
const TOTAL: usize = 200;
/// How many hosts of one namespace can become values, so that a namespace cannot take the values of the others.
const OF_NAMESPACE: usize = 10;
/// The value for hosts beyond the bounds. No host has parentheses.
const OTHER: &str = "(other)";

/// A TokenSource that uses a host.
#[derive(Clone, Copy, Debug)]
pub struct HostUse<'a> {
    /// The namespace of the TokenSource.
    pub namespace: &'a str,
    /// The host of its provider.
    pub host: &'a str,
    /// Whether a ClusterTokenProvider names the host.
    pub is_shared: bool,
    /// When the TokenSource was created, in seconds.
    pub since: i64,
}

/// The order in which hosts become values: the hosts of ClusterTokenProviders, then the hosts in use for the longest time.
/// A new TokenSource takes the value of a host in use only if it uses a ClusterTokenProvider. All replicas choose alike.
type Rank = (bool, i64);

/// The hosts that are values of the label.
#[derive(Debug)]
pub struct ProviderLabels<'a> {
    hosts: BTreeSet<&'a str>,
}

impl<'a> ProviderLabels<'a> {
    /// Chooses from the hosts in use.
    pub fn choose(uses: impl IntoIterator<Item = HostUse<'a>>) -> Self {
        let mut of_namespaces: BTreeMap<&str, BTreeMap<&str, Rank>> = BTreeMap::new();
        for HostUse { namespace, host, is_shared, since } in uses {
            let rank = (!is_shared, since);
            let known = of_namespaces.entry(namespace).or_default().entry(host).or_insert(rank);
            *known = rank.min(*known);
        }
        let mut ranks: BTreeMap<&str, Rank> = BTreeMap::new();
        for hosts in of_namespaces.into_values() {
            for (host, rank) in first(hosts, OF_NAMESPACE) {
                let known = ranks.entry(host).or_insert(rank);
                *known = rank.min(*known);
            }
        }
        Self { hosts: first(ranks, TOTAL).map(|(host, _)| host).collect() }
    }

    /// The value for this host; empty if the provider is not known.
    pub fn label<'b>(&self, host: Option<&'b str>) -> &'b str {
        match host {
            Some(host) if self.hosts.contains(host) => host,
            Some(_) => OTHER,
            None => "",
        }
    }
}

/// The first `number` hosts, sorted by rank and then by name.
fn first(hosts: BTreeMap<&str, Rank>, number: usize) -> impl Iterator<Item = (&str, Rank)> {
    let mut hosts: Vec<_> = hosts.into_iter().collect();
    hosts.sort_by_key(|(_, rank)| *rank);
    hosts.into_iter().take(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(prefix: &str, count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{prefix}{number:04}.example.com")).collect()
    }

    fn used<'a>(namespace: &'a str, host: &'a str, since: i64) -> HostUse<'a> {
        HostUse { namespace, host, is_shared: false, since }
    }

    #[test]
    fn hosts_are_values_and_an_unknown_provider_is_empty() {
        let labels =
            ProviderLabels::choose([used("a", "auth.example.com", 1), used("b", "auth.example.com", 2)]);
        assert_eq!(labels.label(Some("auth.example.com")), "auth.example.com");
        assert_eq!(labels.label(None), "");
    }

    #[test]
    fn a_namespace_with_many_hosts_takes_no_value_of_another() {
        let many = hosts("a", 1000);
        let uses =
            many.iter().map(|host| used("greedy", host, 1)).chain([used("modest", "z.example.com", 2)]);
        let labels = ProviderLabels::choose(uses);
        assert_eq!(labels.label(Some("z.example.com")), "z.example.com");
        let named = many.iter().filter(|host| labels.label(Some(host)) != OTHER).count();
        assert_eq!(named, OF_NAMESPACE);
    }

    #[test]
    fn new_hosts_take_no_value_of_a_host_in_use() {
        let (names, many, new) = (hosts("namespace", TOTAL), hosts("a", TOTAL), hosts("0", 20));
        let mut uses: Vec<_> = names.iter().zip(&many).map(|(name, host)| used(name, host, 1)).collect();
        for namespace in ["one", "two", "three"] {
            uses.extend(new.iter().map(|host| used(namespace, host, 2)));
        }
        let labels = ProviderLabels::choose(uses.iter().copied());
        assert_eq!(labels.hosts.len(), TOTAL);
        assert!(many.iter().all(|host| labels.label(Some(host)) == *host));
        assert!(new.iter().all(|host| labels.label(Some(host)) == OTHER));
    }

    #[test]
    fn hosts_of_cluster_token_providers_come_first() {
        let (names, many) = (hosts("namespace", TOTAL), hosts("a", TOTAL));
        let own = hosts("b", OF_NAMESPACE);
        let shared = HostUse { is_shared: true, ..used("late", "z.example.com", 9) };
        let uses = names.iter().zip(&many).map(|(name, host)| used(name, host, 1));
        let uses = uses.chain(own.iter().map(|host| used("late", host, 1))).chain([shared]);
        let labels = ProviderLabels::choose(uses);
        assert_eq!(labels.label(Some("z.example.com")), "z.example.com");
        assert_eq!(labels.hosts.len(), TOTAL);
    }
}
