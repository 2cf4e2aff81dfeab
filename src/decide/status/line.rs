//! What of a place in line is worth a write: it costs the API server more than the token does, and would be one for each of
//! the thousands that come at once.
//! Knows what is recorded, and what is true. Must not know what a status looks like that is written.

use super::describe_target;
use crate::api::{ConditionType, Reason};
use crate::decide::conditions::{State, find, is_true};
use crate::decide::readiness::unusable;
use crate::decide::{Deferral, Failure, Observed, Outcome};

/// It stands in line, and what is recorded is true enough for as long as that is not worth telling.
pub(super) fn is_no_news(observed: &Observed<'_>, outcome: &Outcome) -> bool {
    let Outcome::Deferred(Deferral { tell: false, failure: None, .. }) = outcome else { return false };
    let ready = is_true(&observed.status.conditions, ConditionType::Ready);
    match unusable(observed) {
        None => ready,
        // Pods go on with the old token.
        Some(Reason::InputsChanged) if ready => {
            observed.published().is_some_and(|published| observed.now < published.expires_at)
        }
        Some(Reason::TokenPending) if observed.status.is_blank() => true,
        Some(flaw) => is_told(observed, flaw),
    }
}

/// It is recorded that there is no usable token, and why, and that nobody has to do anything. Behind what it stood in
/// line before, a provider in trouble perhaps, makes no difference: after an outage that would be a write for everybody.
fn is_told(observed: &Observed<'_>, flaw: Reason) -> bool {
    let status = observed.status;
    let said =
        |kind| find(&status.conditions, kind).map(|found| (found.status.as_str(), found.reason.as_str()));
    let waits = said(ConditionType::Stalled).is_none()
        && said(ConditionType::Reconciling)
            != Some((State::True.as_str(), Reason::TargetWriteFailed.as_str()));
    // What it has met itself, with other inputs, explains nothing any more.
    let explained = status.failures == 0 || observed.failed_before();
    let described = || {
        let mut described = status.clone();
        describe_target(&mut described, observed);
        described
    };
    status.observed_generation == Some(observed.generation)
        && said(ConditionType::Ready) == Some((State::False.as_str(), flaw.as_str()))
        && waits
        && explained
        && described() == *status
}

/// `Renewed` tells of trouble that others have met, and which is over.
pub(super) fn is_over(observed: &Observed<'_>) -> bool {
    let renewed = find(&observed.status.conditions, ConditionType::Renewed);
    let failed = renewed.filter(|renewed| renewed.status == State::False.as_str());
    let reason = failed.and_then(|renewed| Reason::named(&renewed.reason));
    observed.status.failures == 0 && reason.is_some_and(Failure::is_trouble)
}
