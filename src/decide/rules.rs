//! The ordered rules: the first one that applies decides. Knows only the observation.

use chrono::{DateTime, Utc};

use super::backoff::LONGEST_WAIT;
use super::readiness::cause;
use super::refresh::secret_name;
use super::schedule::{MINIMUM_INTERVAL, REQUESTED_INTERVAL, is_of_another_clock};
use super::{
    Cause, Failure, Observed, Plan, Target, former_target, probe, refusal, restart, revocation, validation,
};
use crate::api::{Reason, from_kubernetes};

type Rule = fn(&Observed<'_>) -> Option<Plan>;

/// The rules in the order of their precedence.
const RULES: &[Rule] = &[
    revocation::deleting,  // first: never recreate a Secret that garbage collection deletes
    revocation::overdue,   // before every rule that may have been in the way of the revocation
    suspended,             // before every rule that requests or writes a token
    conflicting_target,    // before requests: a token that cannot be stored must not be issued
    unresolved_provider,   // the rest of the spec cannot be checked without the provider
    contradictory_spec,    //
    broken_template,       // before requests: a token that cannot be rendered must not be issued
    unusable_credentials,  // checked while the token is valid, too, so that there is time to correct them
    unwritten_token,       // before requests: an issued token is not requested again
    refusal::withdrawal,   // before the wait that follows the refusal
    failed_lately,         // the same inputs have failed: wait until the recorded time
    requested_lately,      // never faster than the minimum interval, whatever the cause
    unready_upstream,      // only if a token is needed: until then the upstream token need not be valid
    token_wanted,          //
    revocation::finalizer, // after the request: a controller that may not write it must still renew
    outdated_metadata,     // costs no token
    untried_token,         //
    former_targets,        // before restarts: no pod may start with a token that is not renewed
    outdated_workloads,    // late: a failed restart must delay nothing but the revocation
    revocation::replaced,  // after restarts: workloads may still use the old token
];

/// The plan of the first rule that applies; [`Plan::Nothing`] if none does.
pub fn decide(observed: &Observed<'_>) -> Plan {
    RULES.iter().find_map(|rule| rule(observed)).unwrap_or(Plan::Nothing)
}

fn suspended(observed: &Observed<'_>) -> Option<Plan> {
    // The deletion of a suspended object revokes its tokens, too.
    observed.spec.suspend.then(|| revocation::finalizer(observed).unwrap_or(Plan::Suspend))
}

fn conflicting_target(observed: &Observed<'_>) -> Option<Plan> {
    let target = observed.target_name();
    let message = match (&observed.target, &observed.conflicting_source) {
        // The message never suggests deleting the Secret, because a workload or this request may use it.
        (Target::Foreign(owner), _) => format!(
            "Secret {target} exists and {owner}; it was left as it is, and no token was requested. \
             Set target.name to another name{}.",
            if observed.secrets.named().any(|secret| secret.name() == Some(target)) {
                ": that Secret holds credentials or another input of this TokenSource"
            } else {
                ""
            }
        ),
        (Target::Missing, Some(older)) => format!(
            "The older TokenSource {older} has the same target, Secret {target}; no token was requested. \
             Set target.name to another name."
        ),
        _ => match &observed.refresh_conflict {
            Some(owner) => format!(
                "Secret {} would store the refresh token, but it exists and {owner}; no token was requested. \
                 Rename this TokenSource, or set provider.refresh.policy: Never.",
                secret_name(observed.name)
            ),
            None => return None,
        },
    };
    Some(Plan::Refuse(Failure::local(Reason::TargetConflict, message)))
}

fn unresolved_provider(observed: &Observed<'_>) -> Option<Plan> {
    observed.provider.as_ref().err().cloned().map(Plan::Refuse)
}

fn contradictory_spec(observed: &Observed<'_>) -> Option<Plan> {
    let provider = *observed.provider.as_ref().ok()?;
    validation::contradiction(observed, provider).map(Plan::Refuse)
}

fn broken_template(observed: &Observed<'_>) -> Option<Plan> {
    validation::templates(observed).map(Plan::Refuse)
}

fn unusable_credentials(observed: &Observed<'_>) -> Option<Plan> {
    let provider = *observed.provider.as_ref().ok()?;
    validation::credentials(observed, provider).map(Plan::Refuse)
}

fn unwritten_token(observed: &Observed<'_>) -> Option<Plan> {
    let unwritten = observed.unwritten_token.as_ref()?;
    let wanted = observed
        .fingerprints
        .as_ref()
        .is_some_and(|fingerprints| fingerprints.token == unwritten.inputs_fingerprint);
    (wanted && observed.now < unwritten.expires_at).then_some(Plan::Publish)
}

fn failed_lately(observed: &Observed<'_>) -> Option<Plan> {
    if !observed.failed_before() {
        return None;
    }
    let retry_at = recorded_wait(observed);
    // A renewal requested by annotation ends the wait, but not within 60 s of the last token request.
    let requested = observed
        .open_renew_request()
        .map(|_| observed.last_attempt().map_or(observed.now, |last| last + REQUESTED_INTERVAL));
    match retry_at.into_iter().chain(requested).min() {
        Some(until) => (observed.now < until).then_some(Plan::Wait(Some(until))),
        None => Some(Plan::Wait(None)),
    }
}

/// When the wait after the last failure ends. A wait that was recorded with another clock is over: it could last for years.
fn recorded_wait(observed: &Observed<'_>) -> Option<DateTime<Utc>> {
    let (status, now) = (observed.status, observed.now);
    let until = from_kubernetes(status.retry_at.as_ref()?);
    let failed_at = status.last_failure_time.as_ref().map(from_kubernetes);
    let misdated = until - now > LONGEST_WAIT || failed_at.is_some_and(|at| is_of_another_clock(at, now));
    Some(if misdated { now } else { until })
}

fn requested_lately(observed: &Observed<'_>) -> Option<Plan> {
    let interval = match cause(observed)? {
        Cause::RenewalRequested | Cause::ProbeRejected if !observed.failed_before() => REQUESTED_INTERVAL,
        _ => MINIMUM_INTERVAL,
    };
    let earliest = observed.last_attempt()? + interval;
    (observed.now < earliest).then_some(Plan::Wait(Some(earliest)))
}

fn unready_upstream(observed: &Observed<'_>) -> Option<Plan> {
    cause(observed)?;
    validation::unready(observed).map(Plan::Refuse)
}

fn token_wanted(observed: &Observed<'_>) -> Option<Plan> {
    cause(observed).map(Plan::Issue)
}

fn outdated_metadata(observed: &Observed<'_>) -> Option<Plan> {
    observed.published().is_some_and(|published| !published.metadata_in_sync).then_some(Plan::Rewrite)
}

fn untried_token(observed: &Observed<'_>) -> Option<Plan> {
    probe::is_due(observed).then_some(Plan::Probe)
}

fn former_targets(observed: &Observed<'_>) -> Option<Plan> {
    former_target::are_removable(observed).then_some(Plan::DeleteFormerTargets)
}

fn outdated_workloads(observed: &Observed<'_>) -> Option<Plan> {
    restart::is_needed(observed, observed.status).then_some(Plan::Restart)
}

#[cfg(test)]
mod tests;
