//! Compares three clocks: this machine's, the API server's, and the leading controller's. Pure.

use chrono::TimeDelta;

use super::facts::Facts;
use super::finding::{Check, Finding};
use crate::cli::spans::span;

/// The API server's times are in whole seconds, and a request takes a while.
const TOLERANCE: TimeDelta = TimeDelta::seconds(5);
/// With a larger difference, providers may refuse signed assertions, and tokens may expire before they are renewed.
const HARMFUL: TimeDelta = TimeDelta::seconds(60);

const CONTROLLER: &str = "Synchronize the clock of the controller's node (NTP). With a wrong clock, tokens are renewed too late \
                          or too early, and providers refuse signed assertions.";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut compared = Vec::new();
    match facts.server.ahead() {
        None => findings.push(Check::Clock.not_checked("The API server's answer has no Date header.")),
        Some(ahead) if ahead.abs() > TOLERANCE => findings.push(Check::Clock.warning(
            "LocalClockSkew",
            format!("The clock of this machine {} the API server's.", relation(-ahead)),
            "Synchronize the clock of this machine (NTP), or else countdowns of these commands are wrong. If this clock is \
             right, the control plane's clock is wrong.",
        )),
        Some(_) => compared.push("this machine"),
    }
    for lease in &facts.leases {
        let Ok(Some(state)) = &lease.lease else { continue };
        let Some((renewed, written)) = state.renewed_at.zip(state.written_at) else { continue };
        let ahead = renewed - written;
        if ahead.abs() <= TOLERANCE {
            compared.push("the controller");
            continue;
        }
        let message = format!(
            "The clock of {} {} the API server's.",
            state.holder.as_deref().unwrap_or("the controller"),
            relation(ahead)
        );
        findings.push(if ahead.abs() > HARMFUL {
            Check::Clock.failure("ControllerClockSkew", message, CONTROLLER)
        } else {
            Check::Clock.warning("ControllerClockSkew", message, CONTROLLER)
        });
    }
    compared.dedup();
    if findings.is_empty() {
        let whose = compared.join(" and ");
        findings.push(Check::Clock.ok(format!(
            "The clock of {whose} agrees with the API server's, to {} s.",
            TOLERANCE.num_seconds()
        )));
    }
    findings
}

fn relation(ahead: TimeDelta) -> String {
    let side = if ahead < TimeDelta::zero() { "behind" } else { "ahead of" };
    format!("is {} {side}", span(ahead.abs()))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{at, facts, lease, results};
    use super::*;

    #[test]
    fn clocks_are_compared() {
        // The API server's and the controller's clock, in seconds ahead of this machine's.
        for (server, controller, expected) in [
            (Some(0), Some(0), &["ok Ok"][..]),
            (Some(5), Some(9), &["ok Ok"]),
            (Some(-6), Some(-6), &["warning LocalClockSkew"]),
            (Some(3600), Some(3600), &["warning LocalClockSkew"]),
            (Some(0), Some(6), &["warning ControllerClockSkew"]),
            (Some(0), Some(-61), &["failure ControllerClockSkew"]),
            (None, None, &["notChecked NotChecked"]),
            (Some(0), None, &["ok Ok"]),
        ] {
            let mut facts = facts();
            facts.server.date = server.map(at);
            let mut fact = lease("tokensource");
            if let Ok(Some(state)) = &mut fact.lease {
                state.renewed_at = controller.map(at);
                state.written_at = server.map(at);
            }
            facts.leases = vec![fact];
            assert_eq!(results(&check(&facts)), expected, "{server:?} {controller:?}");
        }
    }

    #[test]
    fn message_says_which_clock_is_ahead() {
        let mut facts = facts();
        facts.server.date = Some(at(-120));
        assert_eq!(check(&facts)[0].message, "The clock of this machine is 2m ahead of the API server's.");
    }
}
