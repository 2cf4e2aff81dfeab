//! Compares the versions of the API server, the controller and this program. Pure.

use std::collections::BTreeSet;

use super::facts::{Controller, Facts, LeaseFact, Read};
use super::finding::{Check, Finding};

/// The version of this program.
const OURS: &str = env!("CARGO_PKG_VERSION");
/// The oldest supported minor version of Kubernetes 1; the chart says the same.
const OLDEST: u32 = 30;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let server = &facts.server.version;
    match minor(server) {
        Some(minor) if minor < OLDEST => findings.push(Check::Versions.failure(
            "ServerTooOld",
            format!("The API server has version {server}; 1.{OLDEST} is the oldest that is supported."),
            "Upgrade the cluster.",
        )),
        None => findings.push(
            Check::Versions.not_checked(format!("The API server's version, {server}, cannot be read.")),
        ),
        Some(_) => {}
    }
    let controllers = of_controllers(&facts.leases, &facts.controllers);
    if controllers.is_empty() {
        findings.push(Check::Versions.not_checked(
            "The controller's version is unknown: neither its lease nor a Deployment names it.",
        ));
    }
    for version in controllers.iter().filter(|version| **version != OURS) {
        findings.push(Check::Versions.warning(
            "VersionSkew",
            format!("The controller has version {version}, this program {OURS}."),
            "Use the program of the controller's version: it is in the controller's image.",
        ));
    }
    if findings.is_empty() {
        findings.push(Check::Versions.ok(format!(
            "The API server has version {server}; the controller and this program have {OURS}."
        )));
    }
    findings
}

/// Whether the controllers' versions are known, and none has the version of this program.
pub(super) fn differ(facts: &Facts) -> bool {
    let versions = of_controllers(&facts.leases, &facts.controllers);
    !versions.is_empty() && !versions.contains(OURS)
}

/// The versions of the controllers: of the holders of the leases, and of the Deployments whose lease names no version.
pub(super) fn of_controllers<'a>(
    leases: &'a [LeaseFact],
    controllers: &'a Read<Vec<Controller>>,
) -> BTreeSet<&'a str> {
    let version = |fact: &'a LeaseFact| fact.lease.as_ref().ok()?.as_ref()?.version.as_deref();
    let is_known = |controller: &&Controller| {
        let Some((namespace, name)) = &controller.lease else { return false };
        leases
            .iter()
            .any(|fact| (&fact.namespace, &fact.name) == (namespace, name) && version(fact).is_some())
    };
    let others = controllers.iter().flatten().filter(|controller| !is_known(controller));
    let others = others.filter_map(|controller| controller.version.as_deref());
    leases.iter().filter_map(version).chain(others).collect()
}

/// The minor version of Kubernetes 1: of `v1.33.4-eks-1234`, 33.
fn minor(version: &str) -> Option<u32> {
    let rest = version.strip_prefix('v').unwrap_or(version).strip_prefix("1.")?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{controller, facts, lease, results};
    use super::*;

    #[test]
    fn versions_are_compared() {
        for (server, of_lease, of_deployment, expected) in [
            ("v1.36.0", Some(OURS), None, &["ok Ok"][..]),
            ("v1.30.1-gke.100", None, Some(OURS), &["ok Ok"]),
            ("v1.29.9", Some(OURS), None, &["failure ServerTooOld"]),
            ("weird", Some(OURS), None, &["notChecked NotChecked"]),
            ("v1.36.0", Some("9.9.9"), None, &["warning VersionSkew"]),
            ("v1.36.0", None, Some("9.9.9"), &["warning VersionSkew"]),
            // While a new version is rolled out, the holder counts.
            ("v1.36.0", Some(OURS), Some("9.9.9"), &["ok Ok"]),
            ("v1.36.0", None, None, &["notChecked NotChecked"]),
        ] {
            let mut facts = facts();
            facts.server.version = server.to_owned();
            let mut fact = lease("tokensource");
            if let Ok(Some(state)) = &mut fact.lease {
                state.version = of_lease.map(str::to_owned);
            }
            facts.leases = vec![fact];
            facts.controllers =
                Ok(vec![Controller { version: of_deployment.map(str::to_owned), ..controller() }]);
            assert_eq!(results(&check(&facts)), expected, "{server} {of_lease:?} {of_deployment:?}");
        }
    }

    #[test]
    fn deployment_is_compared_unless_its_own_lease_names_a_version() {
        let own = controller().lease;
        let other = Some(("tokensource-system".to_owned(), "other".to_owned()));
        for (lease, expected) in
            [(own, "ok Ok"), (other, "warning VersionSkew"), (None, "warning VersionSkew")]
        {
            let behind = Controller { version: Some("9.9.9".to_owned()), lease, ..controller() };
            let facts = Facts { controllers: Ok(vec![controller(), behind.clone()]), ..facts() };
            assert_eq!(results(&check(&facts)), [expected], "{:?}", behind.lease);
            assert!(!differ(&facts), "one controller has the version of this program");
            let facts = Facts { leases: Vec::new(), controllers: Ok(vec![behind]), ..facts };
            assert!(differ(&facts));
        }
    }

    #[test]
    fn oldest_version_is_the_chart_s() {
        let chart = include_str!("../../../deploy/helm/tokensource/Chart.yaml");
        assert!(chart.contains(&format!("kubeVersion: \">=1.{OLDEST}.0-0\"")), "{chart}");
    }
}
