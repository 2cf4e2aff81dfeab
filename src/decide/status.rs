//! The next status, made from the observation and the outcome of the plan. If nothing has changed, it equals the observed
//! status, so that nothing is written.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::backoff::{Attempts, retry_at};
use super::conditions::{ConditionSet, State};
use super::failure::FailureClass;
use super::readiness::{next_request, unusable};
use super::{Cause, Deferral, Failure, Observed, Outcome, Target, notices, restart};
use crate::api::{ConditionType, Reason, StatusNotice, TargetStatus, TokenSourceStatus, to_kubernetes};

/// The status to record. `observed` is the observation that the plan was made from, updated with the outcome
/// ([`super::ObservedAfter`]).
pub fn next_status(observed: &Observed<'_>, outcome: &Outcome) -> TokenSourceStatus {
    let mut status = observed.status.clone();
    status.observed_generation = Some(observed.generation);
    match outcome {
        Outcome::Unchanged
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
        Outcome::Unwritten(Some(asked_at), _) => {
            // The target does not record this request, and the token is lost if the process ends. The minimum interval still
            // applies.
            status.last_failure_time = Some(to_kubernetes(*asked_at));
        }
        // The target holds a token that was requested after the recorded failure, which must not stay in the status.
        _ if observed.succeeded_since() => clear_failures(&mut status),
        Outcome::Waiting
        | Outcome::Deferred(..)
        | Outcome::Suspended
        | Outcome::Refused(_)
        | Outcome::Unwritten(None, _)
        | Outcome::Withdrawn(_) => {}
    }
    restart::record_restart(&mut status, observed, outcome);
    describe_target(&mut status, observed);
    status.notices = notices::next(observed, &status, outcome);
    status.conditions = conditions(observed, &status, outcome);
    if is_only_a_wait(observed, &status, outcome) { observed.status.clone() } else { status }
}

/// Whether the only news is a wait for the limiter. Writing that for each of thousands of waiting TokenSources would cost
/// the API server more than their tokens. A change of `Ready` is written immediately, and so is the end of `Stalled`,
/// except if the target still has a valid token or nothing has been written yet.
fn is_only_a_wait(observed: &Observed<'_>, next: &TokenSourceStatus, outcome: &Outcome) -> bool {
    let Outcome::Deferred(Deferral { report: false, .. }) = outcome else { return false };
    let before = observed.status;
    let said = |status: &TokenSourceStatus, kind: ConditionType| {
        let condition = kind.find(&status.conditions);
        condition.map(|condition| (condition.status.clone(), condition.reason.clone()))
    };
    let is_news = |kind| said(before, kind) != said(next, kind);
    match unusable(observed) {
        // Pods continue with the old token.
        Some(Reason::InputsChanged) if ConditionType::Ready.is_true(&before.conditions) => {
            observed.published().is_some_and(|published| observed.now < published.expires_at)
        }
        Some(Reason::TokenPending) if before.is_blank() => true,
        _ => !is_news(ConditionType::Ready) && !is_news(ConditionType::Stalled),
    }
}

/// Whether `Renewed` is False for a reason that no longer applies: something in the cluster that has been corrected, or an
/// endpoint that failed for other TokenSources and answers again. The reason of an own request is in `failed_reason`, and
/// stays until the next request.
fn is_over(observed: &Observed<'_>) -> bool {
    let failed = ConditionType::Renewed.find_false(&observed.status.conditions);
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

/// A renewal request is handled after its first attempt: a failure is then retried like any other. If the attempt brought a
/// token, the target records the renewal request, which is handled as soon as the target is written.
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
    status.failed_inputs = observed.fingerprints.as_ref().map(|fingerprints| fingerprints.attempt.clone());
    status.failed_reason = Some(failure.reason.as_str().to_owned());
    status.last_failure_time = Some(to_kubernetes(at));
    let published = observed.published();
    let inputs_fingerprint = observed.fingerprints.as_ref().map(|fingerprints| fingerprints.token.as_str());
    let attempts = Attempts {
        failures: status.failures,
        of_class: status.failures_of_class,
        proven: published
            .is_some_and(|published| Some(published.inputs_fingerprint.as_str()) == inputs_fingerprint),
        life_left: published.map_or_else(Default::default, |published| published.expires_at - at),
        uid: observed.uid,
    };
    status.retry_at = retry_at(failure, &attempts, at).map(to_kubernetes);
}

/// The target's own record replaces the recorded status, so that a failed status write does no lasting harm.
fn describe_target(status: &mut TokenSourceStatus, observed: &Observed<'_>) {
    match &observed.target {
        Target::Ours(published) => {
            if published.handled_renew_request.is_some()
                && published.handled_renew_request.as_deref() == observed.renew_request
            {
                status.last_handled_renew_request.clone_from(&published.handled_renew_request);
            }
            status.issued_at = Some(to_kubernetes(published.issued_at));
            status.expires_at = Some(to_kubernetes(published.expires_at));
            status.target = Some(TargetStatus {
                name: observed.target_name().to_owned(),
                // The version of altered data is not recorded: it would look unaltered after a restart.
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
    let mut set = ConditionSet::new(before, observed.generation, observed.now);
    let flaw = unusable(observed);
    match flaw {
        None => {
            set.set(ConditionType::Ready, State::True, Reason::TokenIssued, sentence(Reason::TokenIssued));
        }
        Some(flaw) => set.set(ConditionType::Ready, State::False, flaw, sentence(flaw)),
    }
    renewed(&mut set, observed, &status.notices, outcome);
    if flaw.is_some() && !observed.spec.suspend {
        progress(&mut set, observed, outcome);
    }
    set.into_conditions()
}

/// Sets `Renewed`: how the last attempt ended.
fn renewed(set: &mut ConditionSet<'_>, observed: &Observed<'_>, notices: &[StatusNotice], outcome: &Outcome) {
    let kind = ConditionType::Renewed;
    match outcome {
        Outcome::Refused(failure) | Outcome::Failed(_, failure) | Outcome::Unwritten(_, failure) => {
            set.set(kind, State::False, failure.reason, failure.message.clone());
        }
        // If the last attempt of this TokenSource failed with the same inputs, `Renewed` keeps that failure: it is more
        // precise than the failure that the limiter reports for the provider.
        Outcome::Deferred(Deferral { failure: Some(failure), .. }) if !observed.failed_before() => {
            set.set(kind, State::False, failure.reason, failure.message.clone());
        }
        Outcome::Suspended => {
            set.set(kind, State::Unknown, Reason::Suspended, sentence(Reason::Suspended));
        }
        Outcome::Published(publication) => {
            let reason = publication.cause.success();
            set.set(kind, State::True, reason, notices::message(reason, notices));
        }
        Outcome::Unchanged
        | Outcome::Rewritten(_)
        | Outcome::Probed(_)
        | Outcome::FormerTargetsDeleted(_)
        | Outcome::Restarted(_)
        | Outcome::NotRestarted(_)
            if !kind.is_true(&observed.status.conditions) =>
        {
            let reason = Reason::TokenIssued;
            set.set(kind, State::True, reason, notices::message(reason, notices));
        }
        Outcome::Waiting | Outcome::Deferred(_)
            if is_over(observed)
                || observed.status.failures == 0 && kind.find(&observed.status.conditions).is_none() =>
        {
            set.set(kind, State::Unknown, Reason::TokenPending, sentence(Reason::TokenPending));
        }
        // Another reason may have been reported meanwhile; report the current wait.
        Outcome::Waiting | Outcome::Deferred(..) | Outcome::Withdrawn(_)
            if let Some(reason) = stale_failure(observed) =>
        {
            set.set(kind, State::False, reason, sentence(reason));
        }
        _ if kind.is_true(&observed.status.conditions) && *notices != *observed.status.notices => {
            let before = kind.find(&observed.status.conditions);
            let reason =
                before.and_then(|renewed| Reason::named(&renewed.reason)).unwrap_or(Reason::TokenIssued);
            set.set(kind, State::True, reason, notices::message(reason, notices));
        }
        _ => set.keep(kind),
    }
}

/// The failure that the current wait is about, if `Renewed` does not report it.
fn stale_failure(observed: &Observed<'_>) -> Option<Reason> {
    let reason = observed.status.failed_reason.as_deref().filter(|_| observed.failed_before())?;
    let renewed = ConditionType::Renewed.find(&observed.status.conditions);
    let said = renewed.is_some_and(|renewed| renewed.reason == reason);
    Reason::named(reason).filter(|_| !said)
}

/// Sets `Stalled` or `Reconciling`. Called only if there is no usable token.
fn progress(set: &mut ConditionSet<'_>, observed: &Observed<'_>, outcome: &Outcome) {
    let (reason, message) = match outcome {
        Outcome::Refused(failure) | Outcome::Failed(_, failure) | Outcome::Unwritten(_, failure) => {
            (Some(failure.reason), failure.message.clone())
        }
        Outcome::Deferred(Deferral { failure: Some(failure), .. }) if !observed.failed_before() => {
            (Some(failure.reason), failure.message.clone())
        }
        // A failure of other inputs would explain nothing, nor would one from before a suspension, after which `Renewed` is
        // Unknown.
        _ if observed.failed_before() => match set.current(ConditionType::Renewed) {
            Some(renewed) if renewed.status == State::False.as_str() => {
                (Reason::named(&renewed.reason), renewed.message.clone())
            }
            _ => (None, String::new()),
        },
        _ => (None, String::new()),
    };
    match reason {
        Some(reason) if Failure::stalls(reason) => {
            set.set(ConditionType::Stalled, State::True, reason, message);
        }
        Some(reason) => set.set(ConditionType::Reconciling, State::True, reason, message),
        None => {
            let pending = Reason::TokenPending;
            set.set(ConditionType::Reconciling, State::True, pending, sentence(pending));
        }
    }
}

fn sentence(reason: Reason) -> String {
    reason.sentence().to_owned()
}

#[cfg(test)]
mod tests;
