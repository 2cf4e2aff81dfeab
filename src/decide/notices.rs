//! Notices: facts about the token in the target that an operator should know.
//!
//! Knows which entries `status.notices` has and since when, and makes the message of `Renewed` from them. Must not read a
//! message to find out what was reported before.

use std::collections::BTreeMap;

use super::schedule::SHORT_LIFE;
use super::{Observed, Outcome, ProbeVerdict, Probed, Publication, restart};
use crate::api::{Reason, StatusNotice, TokenSourceStatus, to_kubernetes};
use crate::oauth::Notice;

const PROBE_UNCLEAR: &str = "ProbeUnclear";
const PROBE_UNCLEAR_MESSAGE: &str = "The probe's URL does not say whether it takes the token: it cannot be reached, or \
                                     answers neither 2xx, 401 nor 403.";
/// The number of probes in a row without a verdict that is reported. A smaller number may be a temporary fault.
const UNCLEAR_PROBES: u32 = 3;

/// Messages by reason.
type Messages = BTreeMap<String, String>;

/// The notices to record. `status` names the token for which the workloads were restarted last.
pub(super) fn next(
    observed: &Observed<'_>,
    status: &TokenSourceStatus,
    outcome: &Outcome,
) -> Vec<StatusNotice> {
    let before = &observed.status.notices;
    if observed.published().is_none() {
        return Vec::new();
    }
    let mut messages = match outcome {
        Outcome::Published(publication) => of_publication(publication, observed),
        _ => before.iter().map(|notice| (notice.reason.clone(), notice.message.clone())).collect(),
    };
    match outcome {
        Outcome::Probed(probed) => probe(&mut messages, probed),
        Outcome::NotRestarted(_) => insert(&mut messages, Reason::RestartFailed),
        _ => {}
    }
    if !restart::is_needed(observed, status) {
        messages.remove(Reason::RestartFailed.as_str());
    }
    let since = |reason: &str| before.iter().find(|notice| notice.reason == reason);
    let notice = |(reason, message): (String, String)| StatusNotice {
        since: since(&reason).map_or_else(|| to_kubernetes(observed.now), |notice| notice.since.clone()),
        reason,
        message,
    };
    messages.into_iter().map(notice).collect()
}

/// The message of `Renewed` while it is True.
pub(super) fn message(reason: Reason, notices: &[StatusNotice]) -> String {
    let mut message = reason.sentence().to_owned();
    for notice in notices {
        for part in [" ", &notice.reason, ": ", &notice.message] {
            message.push_str(part);
        }
    }
    message
}

/// Whether one of the notices has this reason.
pub(super) fn has(notices: &[StatusNotice], reason: Reason) -> bool {
    notices.iter().any(|notice| notice.reason == reason.as_str())
}

fn insert(messages: &mut Messages, reason: Reason) {
    messages.insert(reason.to_string(), reason.sentence().to_owned());
}

fn of_publication(publication: &Publication, observed: &Observed<'_>) -> Messages {
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
    notices.into_iter().map(|notice| (notice.to_string(), notice.sentence().to_owned())).collect()
}

fn probe(messages: &mut Messages, probed: &Probed) {
    match probed.verdict {
        ProbeVerdict::Rejected => {
            messages.remove(PROBE_UNCLEAR);
            insert(messages, Reason::ProbeRejected);
        }
        ProbeVerdict::Accepted => {
            messages.remove(PROBE_UNCLEAR);
            messages.remove(Reason::ProbeRejected.as_str());
        }
        ProbeVerdict::Unclear if probed.unclear >= UNCLEAR_PROBES => {
            messages.insert(PROBE_UNCLEAR.to_owned(), PROBE_UNCLEAR_MESSAGE.to_owned());
        }
        ProbeVerdict::Unclear => {}
    }
}
