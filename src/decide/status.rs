//! The next status, from the observation and what came of the plan. A plan that changed nothing yields the status
//! that was observed, so that nothing is written.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::backoff::retry_at;
use super::conditions::{Ledger, State, find, is_true};
use super::readiness::{due, unusable};
use super::schedule::SHORT_LIFE;
use super::{Failure, Observed, Outcome, Publication, Published, Target};
use crate::api::{ConditionType, Reason, TargetStatus, TokenSourceStatus, from_kubernetes, to_kubernetes};
use crate::oauth::Notice;

/// The status to record. `observed` is the observation the plan was made from, settled with the outcome
/// ([`Observed::settle`]).
pub fn next_status(observed: &Observed<'_>, outcome: &Outcome) -> TokenSourceStatus {
    let mut status = observed.status.clone();
    status.observed_generation = Some(observed.generation);
    match outcome {
        Outcome::Kept | Outcome::Rewritten(_) => clear_failures(&mut status),
        Outcome::Published(publication) => {
            clear_failures(&mut status);
            status.token_type = Some(publication.token_type.clone());
            status.scope.clone_from(&publication.scope);
            status.last_unchanged_time = publication.repeated_at().map(to_kubernetes);
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
        Outcome::Waiting | Outcome::Suspended | Outcome::Refused(_) if observed.succeeded_since() => {
            clear_failures(&mut status);
        }
        Outcome::Waiting | Outcome::Suspended | Outcome::Refused(_) => {}
    }
    describe_target(&mut status, observed);
    status.conditions = conditions(observed, &status, outcome);
    status
}

fn clear_failures(status: &mut TokenSourceStatus) {
    status.failures = 0;
    status.retry_at = None;
    status.failed_inputs = None;
}

/// A request is dealt with once it has been tried: a failure is then retried on its own schedule. One that has
/// brought a token is dealt with when the target holds that token, which tells so itself.
fn tried(status: &mut TokenSourceStatus, observed: &Observed<'_>) {
    if let Some(request) = observed.open_renew_request() {
        status.last_handled_renew_request = Some(request.to_owned());
    }
}

fn count(status: &mut TokenSourceStatus, observed: &Observed<'_>, at: DateTime<Utc>, failure: &Failure) {
    let again = observed.failed_before();
    status.failures = if again { observed.status.failures.saturating_add(1) } else { 1 };
    status.failed_inputs = observed.inputs.as_ref().map(|inputs| inputs.attempt.clone());
    status.last_failure_time = Some(to_kubernetes(at));
    let life_left = observed.published().map_or_else(Default::default, |published| published.expires_at - at);
    status.retry_at = retry_at(failure, status.failures, life_left, observed.uid, at).map(to_kubernetes);
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
            status.renew_at = Some(to_kubernetes(renewal(status, observed, published)));
            status.target = Some(TargetStatus {
                name: observed.target_name().to_owned(),
                // Of altered content the version is not recorded: it would pass for intact after a restart.
                resource_version: published.intact.then(|| published.resource_version.clone()),
            });
        }
        Target::Missing | Target::Foreign(_) => {
            status.renew_at = None;
            status.target =
                Some(TargetStatus { name: observed.target_name().to_owned(), resource_version: None });
        }
    }
}

/// The instant of the next request: when it is due or, after a failure, when it is tried again.
fn renewal(status: &TokenSourceStatus, observed: &Observed<'_>, published: &Published) -> DateTime<Utc> {
    let due = due(observed, published, status.last_unchanged_time.as_ref().map(from_kubernetes));
    status.retry_at.as_ref().map_or(due, from_kubernetes)
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
    renewed(&mut ledger, observed, outcome);
    if flaw.is_some() && !observed.spec.suspend {
        progress(&mut ledger, observed, status, outcome);
    }
    ledger.into_conditions()
}

/// `Renewed`: how the last attempt ended.
fn renewed(ledger: &mut Ledger<'_>, observed: &Observed<'_>, outcome: &Outcome) {
    let kind = ConditionType::Renewed;
    match outcome {
        Outcome::Refused(failure) | Outcome::Failed(_, failure) | Outcome::Unwritten(_, failure) => {
            ledger.set(kind, State::False, failure.reason, failure.message.clone());
        }
        Outcome::Suspended => {
            ledger.set(kind, State::Unknown, Reason::Suspended, sentence(Reason::Suspended));
        }
        Outcome::Published(publication) => {
            let reason = success(publication.cause);
            ledger.set(kind, State::True, reason, with_notices(reason, publication, observed));
        }
        Outcome::Kept | Outcome::Rewritten(_) if !is_true(&observed.status.conditions, kind) => {
            ledger.set(kind, State::True, Reason::TokenIssued, sentence(Reason::TokenIssued));
        }
        Outcome::Waiting
            if observed.status.failures == 0 && find(&observed.status.conditions, kind).is_none() =>
        {
            ledger.set(kind, State::Unknown, Reason::TokenPending, sentence(Reason::TokenPending));
        }
        Outcome::Kept | Outcome::Rewritten(_) | Outcome::Waiting => ledger.keep(kind),
    }
}

/// `Stalled` or `Reconciling`, only called while there is no usable token.
fn progress(ledger: &mut Ledger<'_>, observed: &Observed<'_>, status: &TokenSourceStatus, outcome: &Outcome) {
    let (reason, message) = match outcome {
        Outcome::Refused(failure) | Outcome::Failed(_, failure) | Outcome::Unwritten(_, failure) => {
            (Some(failure.reason), failure.message.clone())
        }
        // Renewed may be Unknown since a suspension: that explains nothing any more.
        _ if status.failures > 0 => match failed_renewal(observed) {
            Some(renewed) => (reason_named(&renewed.reason), renewed.message.clone()),
            None => (None, String::new()),
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

/// What was last recorded to have failed.
fn failed_renewal<'a>(observed: &'a Observed<'_>) -> Option<&'a Condition> {
    find(&observed.status.conditions, ConditionType::Renewed)
        .filter(|renewed| renewed.status == State::False.as_str())
}

/// Which success it is: one that replaced a token that was still good, or one that had none to replace.
pub(super) fn success(cause: Reason) -> Reason {
    match cause {
        Reason::RenewalDue | Reason::RenewalRequested | Reason::ProbeRejected => Reason::TokenRenewed,
        _ => Reason::TokenIssued,
    }
}

/// The notices are sorted and carry no numbers, so that an unchanged set writes nothing.
fn with_notices(reason: Reason, publication: &Publication, observed: &Observed<'_>) -> String {
    let mut notices = publication.notices.clone();
    if publication.published.expires_at - publication.published.issued_at < SHORT_LIFE {
        notices.insert(Notice::ShortLifetime);
    }
    let grant = observed.provider.as_ref().ok().and_then(|provider| provider.grant_type.as_deref());
    if grant == Some("password") {
        notices.insert(Notice::LegacyGrant);
    }
    if publication.repeated_at().is_some() {
        notices.insert(Notice::StickyToken);
    }
    let mut message = sentence(reason);
    for notice in notices {
        for part in [" ", notice.as_str(), ": ", notice.sentence()] {
            message.push_str(part);
        }
    }
    message
}

fn sentence(reason: Reason) -> String {
    reason.sentence().to_owned()
}

fn reason_named(name: &str) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|reason| reason.as_str() == name)
}

#[cfg(test)]
mod tests;
