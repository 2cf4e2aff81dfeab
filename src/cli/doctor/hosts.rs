//! Judges whether the hosts of providers are reached: from this machine, and by the controller, as the statuses say. Pure.

use std::collections::BTreeSet;

use crate::api::Reason;

use super::facts::{Facts, HostFact};
use super::finding::{Check, Finding};

/// The reasons that the controller reports if it could not or may not connect to a host.
pub(super) const UNREACHED: [Reason; 4] = [
    Reason::EndpointUnreachable,
    Reason::TLSVerificationFailed,
    Reason::EndpointNotAllowed,
    Reason::ProxyError,
];

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts.hosts.iter().filter_map(judge).collect();
    if facts.hosts_left_out > 0 {
        findings.push(Check::Hosts.not_checked(format!(
            "{} more hosts or bundles of authorities; -l and -n select fewer TokenSources.",
            facts.hosts_left_out
        )));
    }
    if findings.is_empty() {
        // `facts.hosts` has a host once for each bundle of authorities.
        let hosts: BTreeSet<_> = facts.hosts.iter().map(|fact| &fact.host).collect();
        findings.push(match hosts.len() {
            0 => Check::Hosts.ok("No TokenSource names a host."),
            1 => Check::Hosts.ok("The host of the provider is reached from this machine."),
            count => Check::Hosts.ok(format!("All {count} hosts are reached from this machine.")),
        });
    }
    findings
}

fn judge(fact: &HostFact) -> Option<Finding> {
    let host = &fact.host;
    let here = match &fact.reached {
        Ok(()) => "this machine reaches it".to_owned(),
        Err((_, why)) => format!("from this machine: {why}"),
    };
    // Every reason has a count of its own; the most frequent one is the one to act on first.
    if let Some((reason, failing)) = fact.failing.iter().max_by_key(|(_, failing)| failing.count) {
        let sources = if fact.sources == 1 { "TokenSource" } else { "TokenSources" };
        return Some(Check::Hosts.failure(
            "ControllerCannotReach",
            format!(
                "{host}: the controller reports {reason} for {} of {} {sources}, such as {}; {here}.",
                failing.count, fact.sources, failing.example
            ),
            reason.advice(),
        ));
    }
    match &fact.reached {
        Ok(()) => None,
        Err((Reason::TLSVerificationFailed, _)) if fact.foreign_authority => {
            Some(Check::Hosts.not_checked(format!(
                "{host}: its certificate needs the authorities of a ConfigMap, which is not read here."
            )))
        }
        Err((_, why)) => Some(Check::Hosts.warning(
            "HostUnreachable",
            format!("{host} of {}, from this machine: {why}.", fact.example),
            "The controller has no such failure. Its way out may be another one: an address that only the cluster reaches, or \
             a proxy (give --https-proxy here, too).",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Failing;
    use super::super::fixture::{facts, host, results};
    use super::*;

    fn fact(reached: Option<Reason>, failing: &[(Reason, usize)], foreign_authority: bool) -> HostFact {
        HostFact {
            reached: reached.map_or(Ok(()), |reason| Err((reason, "why".to_owned()))),
            failing: failing
                .iter()
                .map(|&(reason, count)| (reason, Failing { count, example: "team/late".to_owned() }))
                .collect(),
            foreign_authority,
            ..host("h.example:443")
        }
    }

    #[test]
    fn the_controller_s_own_view_counts_more() {
        use Reason::{EndpointUnreachable, ProxyError, TLSVerificationFailed};
        let cases: [(HostFact, &[&str]); 6] = [
            (fact(None, &[], false), &["ok Ok"]),
            (fact(Some(EndpointUnreachable), &[], false), &["warning HostUnreachable"]),
            (fact(None, &[(EndpointUnreachable, 1)], false), &["failure ControllerCannotReach"]),
            (
                fact(Some(EndpointUnreachable), &[(EndpointUnreachable, 1)], false),
                &["failure ControllerCannotReach"],
            ),
            (fact(Some(TLSVerificationFailed), &[], true), &["notChecked NotChecked"]),
            (fact(Some(TLSVerificationFailed), &[], false), &["warning HostUnreachable"]),
        ];
        for (at, (fact, expected)) in cases.into_iter().enumerate() {
            let facts = Facts { hosts: vec![fact], ..facts() };
            assert_eq!(results(&check(&facts)), expected, "case {at}");
        }
        let mixed = fact(None, &[(ProxyError, 1), (EndpointUnreachable, 2)], false);
        let found = check(&Facts { hosts: vec![HostFact { sources: 5, ..mixed }], ..facts() });
        assert_eq!(
            found[0].message,
            "h.example:443: the controller reports EndpointUnreachable for 2 of 5 TokenSources, such as team/late; this machine reaches it."
        );
        assert_eq!(found[0].advice.as_deref(), Some(EndpointUnreachable.advice()));
    }

    #[test]
    fn hosts_beyond_the_bound_are_counted() {
        let facts = Facts { hosts_left_out: 3, ..facts() };
        assert_eq!(results(&check(&facts)), ["notChecked NotChecked"]);
    }
}
