//! The end of a trace: the outcome of a request for a token. A reconcile without such an end is not exported.

use crate::controller::report::log::host;
use crate::decide::{Observed, Outcome};
use crate::trace;

/// Notes the outcome, if a token was requested or written, or a new token could not be written.
pub(crate) fn outcome(observed: &Observed<'_>, outcome: &Outcome) {
    let (outcome, failure) = match outcome {
        Outcome::Published(_) => ("Published", None),
        Outcome::Failed(_, failure) => ("Failed", Some(failure)),
        Outcome::Unwritten(Some(_), failure) => ("Unwritten", Some(failure)),
        _ => return,
    };
    let reason = failure.map(|failure| failure.reason.as_str());
    trace::ended(outcome, reason, host(observed).as_deref());
}
