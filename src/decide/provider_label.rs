//! The values of the metric label `provider`, whose number is bounded. Knows hosts and namespaces; must not know a metric.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// How many different values the label has, apart from the two fixed ones.
const TOTAL: usize = 200;
/// How many hosts of one namespace can become values, so that a namespace cannot take the values of the others.
const OF_NAMESPACE: usize = 10;
/// The value for hosts beyond the bounds. No host has parentheses.
const OTHER: &str = "(other)";

/// The hosts that are values of the label.
#[derive(Debug)]
pub struct ProviderLabels<'a> {
    hosts: BTreeSet<&'a str>,
}

impl<'a> ProviderLabels<'a> {
    /// Chooses from pairs of a namespace and a host: the hosts that most namespaces use, then by name. The number of
    /// TokenSources does not count, because one namespace can create many.
    pub fn choose(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut of_namespace: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (namespace, host) in pairs {
            of_namespace.entry(namespace).or_default().insert(host);
        }
        let mut users: BTreeMap<&str, usize> = BTreeMap::new();
        for host in of_namespace.values().flat_map(|hosts| hosts.iter().take(OF_NAMESPACE)) {
            *users.entry(host).or_default() += 1;
        }
        let mut ranked: Vec<_> = users.into_iter().collect();
        ranked.sort_by_key(|(_, namespaces)| Reverse(*namespaces));
        Self { hosts: ranked.into_iter().take(TOTAL).map(|(host, _)| host).collect() }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(prefix: &str, count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{prefix}{number:04}.example.com")).collect()
    }

    #[test]
    fn hosts_are_values_and_an_unknown_provider_is_empty() {
        let labels = ProviderLabels::choose([("a", "auth.example.com"), ("b", "auth.example.com")]);
        assert_eq!(labels.label(Some("auth.example.com")), "auth.example.com");
        assert_eq!(labels.label(None), "");
    }

    #[test]
    fn a_namespace_with_many_hosts_takes_no_value_of_another() {
        let many = hosts("a", 1000);
        let pairs = many.iter().map(|host| ("greedy", host.as_str())).chain([("modest", "z.example.com")]);
        let labels = ProviderLabels::choose(pairs);
        assert_eq!(labels.label(Some("z.example.com")), "z.example.com");
        let named = many.iter().filter(|host| labels.label(Some(host)) != OTHER).count();
        assert_eq!(named, OF_NAMESPACE);
    }

    #[test]
    fn values_are_bounded_and_the_hosts_of_most_namespaces_are_kept() {
        let (names, many) = (hosts("namespace", 1000), hosts("a", 1000));
        let own = names.iter().map(String::as_str).zip(many.iter().map(String::as_str));
        let shared = names.iter().take(2).map(|namespace| (namespace.as_str(), "z.example.com"));
        let labels = ProviderLabels::choose(own.chain(shared));
        assert_eq!(labels.hosts.len(), TOTAL);
        assert_eq!(labels.label(Some("z.example.com")), "z.example.com");
        assert_eq!(labels.label(Some(&many[999])), OTHER);
    }
}
