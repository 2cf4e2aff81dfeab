//! The next status, from the observation and what came of the plan. A plan that changed nothing yields the status
//! that was observed, so that nothing is written.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::backoff::{Attempts, retry_at};
use super::conditions::{Ledger, State, find, is_true};
use super::failure::FailureClass;
use super::readiness::{next_request, unusable};
use super::{Cause, Deferral, Failure, Observed, Outcome, Target, notices, restart};
use crate::api::{ConditionType, Reason, StatusNotice, TargetStatus, TokenSourceStatus, to_kubernetes};

/// The status to record. `observed` is the observation the plan was made from, settled with the outcome
/// ([`super::Settled`]).
pub fn next_status(observed: &Observed<'_>, outcome: &Outcome) -> TokenSourceStatus {
    let mut status = observed.status.clone();
    status.observed_generation = Some(observed.generation);
    match outcome {
        Outcome::Kept
        | Outcome::Rewritten(_)
        | Outcome::Probed(_)
        | Outcome::FormerTargetsDeleted(_)
        | Outcome::Restarted(_)
        | Outcome::NotRestarted(_) => clear_failures(&mut status),
        Outcome::Published(publication) => {
            clear_failures(&mut status);
            status.token_type = Some(publication.token_type.clone());
            status.scope.clone_from(&publication.scope);
            status.last_unchanged_time = publication.repeated_at().map(to_kubernetes);
            status.probe_rejections = match publication.cause {
                Cause::ProbeRejected => status.probe_rejections.saturating_add(1),
                _ => 0,
            };
        }
        Outcome::Failed(at, failure) => {
            tried(&mut status, observed);
            count(&mut status, observed, *at, failure);
        }
        Outcome::Unwritten(asked_at, _) => {
            // No target tells of this request, and the token may be lost with the process: the pace must not be.
            status.last_failure_time = Some(to_kubernetes(*asked_at));
        }
        // Now or never: the status that tells of this token must not tell of the failure before it.
        _ if observed.succeeded_since() => clear_failures(&mut status),
        Outcome::Waiting
        | Outcome::Deferred(..)
        | Outcome::Suspended
        | Outcome::Refused(_)
        | Outcome::Withdrawn(_) => {}
    }
    restart::account(&mut status, observed, outcome);
    describe_target(&mut status, observed);
    status.notices = notices::next(observed, &status, outcome);
    status.conditions = conditions(observed, &status, outcome);
    if is_only_a_wait(observed, &status, outcome) { observed.status.clone() } else { status }
}

/// It waits for its limiter, and a write would say little else: it would cost the API server more than the token does, for
/// each of the thousands that wait together. A change of `Ready` is written at once, and so is the end of `Stalled`,
/// except where the target still has a valid token or nothing has been written yet.
fn is_only_a_wait(observed: &Observed<'_>, next: &TokenSourceStatus, outcome: &Outcome) -> bool {
    let Outcome::Deferred(Deferral { report: false, .. }) = outcome else { return false };
    let before = observed.status;
    let said = |status: &TokenSourceStatus, kind| {
        let condition = find(&status.conditions, kind);
        condition.map(|condition| (condition.status.clone(), condition.reason.clone()))
    };
    let is_news = |kind| said(before, kind) != said(next, kind);
    match unusable(observed) {
        // Pods go on with the old token.
        Some(Reason::InputsChanged) if is_true(&before.conditions, ConditionType::Ready) => {
            observed.published().is_some_and(|published| observed.now < published.expires_at)
        }
        Some(Reason::TokenPending) if before.is_blank() => true,
        _ => !is_news(ConditionType::Ready) && !is_news(ConditionType::Stalled),
    }
}

/// Whether `Renewed` is False for a reason that no longer holds: something in the cluster that has been corrected, or an
/// endpoint that failed for other TokenSources and answers again. The reason of an own request is in `failed_reason`, and
/// stays until the next request.
fn is_over(observed: &Observed<'_>) -> bool {
    let renewed = find(&observed.status.conditions, ConditionType::Renewed);
    let failed = renewed.filter(|renewed| renewed.status == State::False.as_str());
    let reason = observed.status.failed_reason.as_deref();
    !observed.failed_before() && failed.is_some_and(|renewed| Some(renewed.reason.as_str()) != reason)
}

fn clear_failures(status: &mut TokenSourceStatus) {
    status.failures = 0;
    status.failures_of_class = 0;
    status.retry_at = None;
    status.failed_inputs = None;
    status.failed_reason = None;
}

/// A request is dealt with once it has been tried: a failure is then retried on its own schedule. One that has
/// brought a token is dealt with when the target holds that token, which tells so itself.
fn tried(status: &mut TokenSourceStatus, observed: &Observed<'_>) {
    if let Some(request) = observed.open_renew_request() {
        status.last_handled_renew_request = Some(request.to_owned());
    }
}

fn count(status: &mut TokenSourceStatus, observed: &Observed<'_>, at: DateTime<Utc>, failure: &Failure) {
    let before = observed.status;
    let again = observed.failed_before();
    let class = |reason: Option<&str>| reason.and_then(Reason::named).map(FailureClass::of);
    let alike = again && class(before.failed_reason.as_deref()) == Some(FailureClass::of(failure.reason));
    status.failures = if again { before.failures.saturating_add(1) } else { 1 };
    status.failures_of_class = if alike { before.failures_of_class.saturating_add(1) } else { 1 };
    status.failed_inputs = observed.inputs.as_ref().map(|inputs| inputs.attempt.clone());
    status.failed_reason = Some(failure.reason.as_str().to_owned());
    status.last_failure_time = Some(to_kubernetes(at));
    let published = observed.published();
    let asked = observed.inputs.as_ref().map(|inputs| inputs.asked.as_str());
    let attempts = Attempts {
        failures: status.failures,
        of_class: status.failures_of_class,
        proven: published.is_some_and(|published| Some(published.asked.as_str()) == asked),
        life_left: published.map_or_else(Default::default, |published| published.expires_at - at),
        uid: observed.uid,
    };
    status.retry_at = retry_at(failure, &attempts, at).map(to_kubernetes);
}

/// What the target itself says wins over what was recorded: a failed status write must not outlive its cause.
fn describe_target(status: &mut TokenSourceStatus, observed: &Observed<'_>) {
    match &observed.target {
        Target::Ours(published) => {
            if published.answers.is_some() && published.answers.as_deref() == observed.renew_request {
                status.last_handled_renew_request.clone_from(&published.answers);
            }
            status.issued_at = Some(to_kubernetes(published.issued_at));
            status.expires_at = Some(to_kubernetes(published.expires_at));
            status.target = Some(TargetStatus {
                name: observed.target_name().to_owned(),
                // Of altered content the version is not recorded: it would pass for intact after a restart.
                resource_version: published.intact.then(|| published.resource_version.clone()),
            });
        }
        Target::Withdrawn { resource_version, .. } => {
            status.expires_at = None;
            status.target = Some(TargetStatus {
                name: observed.target_name().to_owned(),
                resource_version: Some(resource_version.clone()),
            });
        }
        Target::Missing | Target::Foreign(_) => {
            status.target =
                Some(TargetStatus { name: observed.target_name().to_owned(), resource_version: None });
        }
    }
    status.renew_at = next_request(observed, status).map(to_kubernetes);
}

fn conditions(observed: &Observed<'_>, status: &TokenSourceStatus, outcome: &Outcome) -> Vec<Condition> {
    let before = &observed.status.conditions;
    let mut ledger = Ledger::new(before, observed.generation, observed.now);
    let flaw = unusable(observed);
    match flaw {
        None => {
            ledger.set(ConditionType::Ready, State::True, Reason::TokenIssued, sentence(Reason::TokenIssued));
        }
        Some(flaw) => ledger.set(ConditionType::Ready, State::False, flaw, sentence(flaw)),
    }
    renewed(&mut ledger, observed, &status.notices, outcome);
    if flaw.is_some() && !observed.spec.suspend {
        progress(&mut ledger, observed, outcome);
    }
    ledger.into_conditions()
}

/// `Renewed`: how the last attempt ended.
fn renewed(ledger: &mut Ledger<'_>, observed: &Observed<'_>, notices: &[StatusNotice], outcome: &Outcome) {
    let kind = ConditionType::Renewed;
    match outcome {
        Outcome::Refused(failure) | Outcome::Failed(_, failure) | Outcome::Unwritten(_, failure) => {
            ledger.set(kind, State::False, failure.reason, failure.message.clone());
        }
        // What its own attempt was told is more exact.
        Outcome::Deferred(Deferral { failure: Some(failure), .. }) if !observed.failed_before() => {
            ledger.set(kind, State::False, failure.reason, failure.message.clone());
        }
        Outcome::Suspended => {
            ledger.set(kind, State::Unknown, Reason::Suspended, sentence(Reason::Suspended));
        }
        Outcome::Published(publication) => {
            let reason = publication.cause.success();
            ledger.set(kind, State::True, reason, notices::message(reason, notices));
        }
        Outcome::Kept
        | Outcome::Rewritten(_)
        | Outcome::Probed(_)
        | Outcome::FormerTargetsDeleted(_)
        | Outcome::Restarted(_)
        | Outcome::NotRestarted(_)
            if !is_true(&observed.status.conditions, kind) =>
        {
            let reason = Reason::TokenIssued;
            ledger.set(kind, State::True, reason, notices::message(reason, notices));
        }
        Outcome::Waiting | Outcome::Deferred(_)
            if is_over(observed)
                || observed.status.failures == 0 && find(&observed.status.conditions, kind).is_none() =>
        {
            ledger.set(kind, State::Unknown, Reason::TokenPending, sentence(Reason::TokenPending));
        }
        // Something else may have been reported meanwhile; what is waited for now is this.
        Outcome::Waiting | Outcome::Deferred(..) | Outcome::Withdrawn(_)
            if let Some(reason) = stale_failure(observed) =>
        {
            ledger.set(kind, State::False, reason, sentence(reason));
        }
        _ if is_true(&observed.status.conditions, kind) && *notices != *observed.status.notices => {
            let before = find(&observed.status.conditions, kind);
            let reason =
                before.and_then(|renewed| Reason::named(&renewed.reason)).unwrap_or(Reason::TokenIssued);
            ledger.set(kind, State::True, reason, notices::message(reason, notices));
        }
        _ => ledger.keep(kind),
    }
}

/// What the present wait is about, where `Renewed` does not say so.
fn stale_failure(observed: &Observed<'_>) -> Option<Reason> {
    let reason = observed.status.failed_reason.as_deref().filter(|_| observed.failed_before())?;
    let renewed = find(&observed.status.conditions, ConditionType::Renewed);
    let said = renewed.is_some_and(|renewed| renewed.reason == reason);
    Reason::named(reason).filter(|_| !said)
}

/// `Stalled` or `Reconciling`, only called while there is no usable token.
fn progress(ledger: &mut Ledger<'_>, observed: &Observed<'_>, outcome: &Outcome) {
    let (reason, message) = match outcome {
        Outcome::Refused(failure) | Outcome::Failed(_, failure) | Outcome::Unwritten(_, failure) => {
            (Some(failure.reason), failure.message.clone())
        }
        Outcome::Deferred(Deferral { failure: Some(failure), .. }) if !observed.failed_before() => {
            (Some(failure.reason), failure.message.clone())
        }
        // Of other inputs it would explain nothing, nor if Renewed has been Unknown since a suspension.
        _ if observed.failed_before() => match ledger.current(ConditionType::Renewed) {
            Some(renewed) if renewed.status == State::False.as_str() => {
                (Reason::named(&renewed.reason), renewed.message.clone())
            }
            _ => (None, String::new()),
        },
        _ => (None, String::new()),
    };
    match reason {
        Some(reason) if Failure::stalls(reason) => {
            ledger.set(ConditionType::Stalled, State::True, reason, message);
        }
        Some(reason) => ledger.set(ConditionType::Reconciling, State::True, reason, message),
        None => {
            let pending = Reason::TokenPending;
            ledger.set(ConditionType::Reconciling, State::True, pending, sentence(pending));
        }
    }
}

fn sentence(reason: Reason) -> String {
    reason.sentence().to_owned()
}

#[cfg(test)]
mod tests;
