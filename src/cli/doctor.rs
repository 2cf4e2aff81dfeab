//! `tokensource doctor`: checks an installation. Reads facts first; each check is a pure function of these facts, in a file
//! of its own. Knows the order of the checks. Reads no Secret.

mod clock;
mod definitions;
mod facts;
mod finding;
#[cfg(test)]
mod fixture;
mod gather;
mod hosts;
mod leader;
mod policy;
mod rights;
mod shipped;
mod tokens;
mod versions;

use super::arguments::{DoctorArguments, ReportOutput};
use super::cluster::Cluster;
use super::output::{json, print, yaml};
use super::{Environment, Error, ExitStatus};
use facts::Facts;
use finding::{Finding, Report};
pub(super) use gather::installed;

pub(super) async fn run(arguments: &DoctorArguments, environment: &Environment) -> Result<ExitStatus, Error> {
    let cluster = Cluster::connect(&arguments.cluster, environment.variable).await?;
    let report = Report::new(diagnose(&gather::facts(arguments, &cluster, environment).await?));
    print(&match arguments.output {
        ReportOutput::Text => report.text(),
        ReportOutput::Json => json(&report),
        ReportOutput::Yaml => yaml(&report),
    })?;
    Ok(report.status())
}

/// All findings. Every check has at least one.
fn diagnose(facts: &Facts) -> Vec<Finding> {
    [
        definitions::check(facts),
        versions::check(facts),
        rights::check(facts),
        leader::check(facts),
        clock::check(facts),
        hosts::check(facts),
        policy::check(facts, &shipped::policies().policies),
        tokens::check(facts),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_found_where_nothing_is_wrong() {
        assert_eq!(fixture::results(&diagnose(&fixture::facts())), ["ok Ok"; 8]);
    }
}
