//! Judges whether a controller leads, and whether two controllers serve the same TokenSources. Pure.

use chrono::TimeDelta;

use super::facts::{Controller, Facts, LeaseFact};
use super::finding::{Check, Finding};
use crate::cli::spans::span;

/// The duration of a lease without `leaseDurationSeconds`.
const DURATION: TimeDelta = TimeDelta::seconds(15);
/// How far the compared times may be apart without anything being wrong.
const TOLERANCE: TimeDelta = TimeDelta::seconds(5);

const START: &str = "See why no controller runs: kubectl get pods and kubectl logs in its namespace. Meanwhile no token is \
                     renewed, and the tokens in the Secrets expire at their usual times.";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    match &facts.controllers {
        Err(why) => findings.push(Check::Leader.not_checked(format!(
            "Whether there is more than one controller: Deployments could not be read: {why}"
        ))),
        Ok(controllers) => {
            findings.extend(controllers.iter().filter_map(without_election));
            findings.extend(conflicting(controllers));
        }
    }
    let judged: Vec<Result<String, Finding>> = facts.leases.iter().map(|fact| judge(fact, facts)).collect();
    let mut leading = Vec::new();
    for result in judged {
        match result {
            Ok(holder) => leading.push(holder),
            Err(finding) => findings.push(finding),
        }
    }
    if findings.is_empty() {
        let text = match leading.as_slice() {
            [] => match facts.controllers.as_deref().map_or(1, <[_]>::len) {
                1 => "The controller runs without leader election, with one replica.".to_owned(),
                count => format!("{count} controllers run without leader election, each with one replica."),
            },
            [holder] => format!("One controller leads: {holder}."),
            holders => format!("Each of {} leases has a leader: {}.", holders.len(), holders.join(", ")),
        };
        findings.push(Check::Leader.ok(text));
    }
    findings
}

/// The fault of a Deployment without leader election: several replicas, or no available pod.
fn without_election(controller: &Controller) -> Option<Finding> {
    let place = format!("{}/{}", controller.namespace, controller.name);
    if controller.lease.is_some() {
        return None;
    }
    if controller.replicas > 1 {
        return Some(Check::Leader.failure(
            "NoLeaderElection",
            format!("Deployment {place} has {} replicas without --leader-elect.", controller.replicas),
            "Add --leader-elect, or run one replica: each replica requests every token.",
        ));
    }
    (controller.available == 0).then(|| {
        Check::Leader.failure("NoLeader", format!("Deployment {place} has no available pod."), START)
    })
}

/// Two Deployments that serve the same TokenSources, and do not elect one leader between them.
fn conflicting(controllers: &[Controller]) -> Option<Finding> {
    let pairs = controllers
        .iter()
        .enumerate()
        .flat_map(|(at, one)| controllers.iter().skip(at + 1).map(move |other| (one, other)));
    let overlap = |one: &Controller, other: &Controller| {
        let both = one.serves.is_empty()
            || other.serves.is_empty()
            || one.serves.iter().any(|namespace| other.serves.contains(namespace));
        // Whether two different selectors overlap is not decided here.
        both && one.selector == other.selector
    };
    let elected = |one: &Controller, other: &Controller| one.lease.is_some() && one.lease == other.lease;
    let runs = |controller: &Controller| controller.replicas > 0;
    let (one, other) = pairs
        .filter(|(one, other)| runs(one) && runs(other))
        .find(|(one, other)| overlap(one, other) && !elected(one, other))?;
    Some(Check::Leader.failure(
        "SeveralControllers",
        format!(
            "Deployments {}/{} and {}/{} serve the same TokenSources without a common lease.",
            one.namespace, one.name, other.namespace, other.name
        ),
        "Remove one of them, or divide the TokenSources by --namespace or --selector: both request every token.",
    ))
}

/// The holder of a lease, or what is wrong with it.
fn judge(fact: &LeaseFact, facts: &Facts) -> Result<String, Finding> {
    let place = format!("{}/{}", fact.namespace, fact.name);
    let failure = |reason, message: String| Check::Leader.failure(reason, message, START);
    let state = match &fact.lease {
        Err(why) => {
            return Err(Check::Leader.not_checked(format!("Lease {place} could not be read: {why}")));
        }
        Ok(None) => {
            return Err(failure(
                "LeaseMissing",
                format!("There is no Lease {place}: no controller has ever led."),
            ));
        }
        Ok(Some(state)) => state,
    };
    let Some(holder) = &state.holder else {
        return Err(failure("NoLeader", format!("Nobody holds Lease {place}: the last leader has ended.")));
    };
    // Both times are by the API server's clock if possible, because the holder's clock may be wrong. `clock` checks that.
    let now = fact.read_at + facts.server.ahead().unwrap_or_default();
    let Some(renewed) = state.written_at.or(state.renewed_at) else {
        return Err(failure("LeaseStale", format!("Lease {place} has never been renewed.")));
    };
    let age = now - renewed;
    if age > state.duration.unwrap_or(DURATION) + TOLERANCE {
        return Err(failure(
            "LeaseStale",
            format!("Lease {place} was last renewed {} ago by {holder}, which no longer leads.", span(age)),
        ));
    }
    Ok(holder.clone())
}

#[cfg(test)]
mod tests {
    use super::super::facts::LeaseState;
    use super::super::fixture::{at, controller, facts, lease, results};
    use super::*;

    #[allow(clippy::unnecessary_wraps)] // a Lease without a state is a case, too
    fn state(holder: Option<&str>, renewed: i64, written: Option<i64>) -> Option<LeaseState> {
        Some(LeaseState {
            holder: holder.map(str::to_owned),
            duration: Some(TimeDelta::seconds(15)),
            renewed_at: Some(at(renewed)),
            written_at: written.map(at),
            version: None,
        })
    }

    #[test]
    fn lease_needs_a_holder_that_renews_it() {
        for (lease_state, expected) in [
            (Ok(state(Some("a"), -5, Some(-5))), "ok Ok"),
            (Ok(state(Some("a"), -20, Some(-20))), "ok Ok"),
            (Ok(state(Some("a"), -21, Some(-21))), "failure LeaseStale"),
            // The holder's clock is wrong, but the holder renews the lease.
            (Ok(state(Some("a"), -600, Some(-5))), "ok Ok"),
            (Ok(state(Some("a"), 600, Some(-60))), "failure LeaseStale"),
            (Ok(state(Some("a"), -21, None)), "failure LeaseStale"),
            (Ok(state(None, -5, Some(-5))), "failure NoLeader"),
            (Ok(None), "failure LeaseMissing"),
            (Err("forbidden".to_owned()), "notChecked NotChecked"),
        ] {
            let mut facts = facts();
            facts.leases = vec![LeaseFact { lease: lease_state.clone(), ..lease("tokensource") }];
            assert_eq!(results(&check(&facts)), [expected], "{lease_state:?}");
        }
    }

    #[test]
    fn age_of_a_lease_does_not_depend_on_this_machine_s_clock() {
        let mut facts = facts();
        facts.server.date = Some(at(-300));
        facts.leases =
            vec![LeaseFact { lease: Ok(state(Some("a"), -305, Some(-305))), ..lease("tokensource") }];
        assert_eq!(results(&check(&facts)), ["ok Ok"]);
    }

    #[test]
    fn each_token_source_has_one_controller() {
        let of = |name: &str, serves: &[&str], selector: Option<&str>, lease: Option<&str>| Controller {
            name: name.to_owned(),
            serves: serves.iter().map(ToString::to_string).collect(),
            selector: selector.map(str::to_owned),
            lease: lease.map(|name| ("tokensource-system".to_owned(), name.to_owned())),
            ..controller()
        };
        let cases: [(Vec<Controller>, &[&str]); 8] = [
            (vec![of("a", &[], None, Some("a"))], &["ok Ok"]),
            (vec![of("a", &[], None, Some("a")), of("b", &[], None, Some("a"))], &["ok Ok"]),
            (
                vec![of("a", &[], None, Some("a")), of("b", &["x"], None, Some("b"))],
                &["failure SeveralControllers"],
            ),
            (vec![of("a", &["y"], None, Some("a")), of("b", &["x"], None, Some("b"))], &["ok Ok"]),
            (vec![of("a", &[], Some("s=1"), Some("a")), of("b", &[], Some("s=2"), Some("b"))], &["ok Ok"]),
            (vec![of("a", &[], None, None), of("b", &[], None, None)], &["failure SeveralControllers"]),
            (vec![Controller { replicas: 2, ..of("a", &[], None, None) }], &["failure NoLeaderElection"]),
            (vec![Controller { available: 0, ..of("a", &[], None, None) }], &["failure NoLeader"]),
        ];
        for (at, (controllers, expected)) in cases.into_iter().enumerate() {
            let facts = Facts { controllers: Ok(controllers), ..facts() };
            assert_eq!(results(&check(&facts)), expected, "case {at}");
        }
        let said = |controllers: Vec<Controller>, leases: &[&str]| {
            let leases = leases.iter().map(|name| lease(name)).collect();
            let mut found = check(&Facts { controllers: Ok(controllers), leases, ..facts() });
            found.remove(0).message
        };
        let of = |name: &str, lease: Option<&str>| of(name, &[name], None, lease);
        let one = of("a", None);
        assert_eq!(
            said(vec![one.clone()], &[]),
            "The controller runs without leader election, with one replica."
        );
        assert_eq!(
            said(vec![one, of("b", None)], &[]),
            "2 controllers run without leader election, each with one replica."
        );
        let elected = vec![of("a", Some("a")), of("b", Some("b"))];
        assert_eq!(said(elected.clone(), &["a"]), "One controller leads: pod-1.");
        assert_eq!(said(elected, &["a", "b"]), "Each of 2 leases has a leader: pod-1, pod-1.");
        let unknown = Facts { controllers: Err("forbidden".to_owned()), ..facts() };
        assert_eq!(results(&check(&unknown)), ["notChecked NotChecked"]);
    }
}
