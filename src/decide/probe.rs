//! The probe (`renewal.probe`): when the token is shown to its URL, and what a 401 there leads to.
//!
//! Knows that one token is renewed once for being rejected, and that a probe which rejects the next one as well is
//! more likely wrong than right. Must not know how a URL is asked.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::conditions::find;
use super::schedule::is_of_another_clock;
use super::{Observed, Probed, Published, Verdict};
use crate::api::{ConditionType, Reason, from_kubernetes};

/// Where the spec names none.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// The longest pause between two renewals of tokens that were rejected one after the other.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);

/// Whether the published token is to be shown now.
pub(super) fn is_due(observed: &Observed<'_>) -> bool {
    let Some(published) = tried(observed) else { return false };
    let turn = turn(observed, published, observed.now);
    let last = verdict(observed, published).map_or(0, |probed| self::turn(observed, published, probed.at));
    turn > last
}

/// Whether the probe has rejected the published token and not accepted it since. After a restart nobody has shown it yet:
/// what is recorded of this very token holds until the probe speaks.
pub(super) fn is_rejected(observed: &Observed<'_>) -> bool {
    let Some(published) = tried(observed) else { return false };
    if let Some(probed) = verdict(observed, published) {
        return probed.verdict == Verdict::Rejected;
    }
    let status = observed.status;
    let ready = find(&status.conditions, ConditionType::Ready);
    ready.is_some_and(|ready| ready.reason == Reason::ProbeRejected.as_str())
        && status.issued_at.as_ref().map(from_kubernetes) == Some(published.issued_at)
}

/// Whether the published token is to be renewed for having been rejected.
pub(super) fn calls_for_renewal(observed: &Observed<'_>) -> bool {
    owed(observed).is_some_and(|earliest| observed.now >= earliest)
}

/// When to look again for the probe's sake.
pub fn next_probe(observed: &Observed<'_>) -> Option<DateTime<Utc>> {
    let published = tried(observed)?;
    let turn = i32::try_from(turn(observed, published, observed.now).saturating_add(1)).ok();
    let next = turn.map(|turn| published.issued_at + interval(observed) * turn);
    owed(observed).into_iter().chain(next).min()
}

/// The earliest instant at which a rejected token is renewed; none where there is none.
pub(super) fn owed(observed: &Observed<'_>) -> Option<DateTime<Utc>> {
    let published = tried(observed)?;
    let probed = verdict(observed, published).filter(|probed| probed.verdict == Verdict::Rejected)?;
    let before = u32::try_from(observed.status.probe_rejections).unwrap_or_default();
    if before == 0 {
        return Some(probed.at);
    }
    // A provider that returns the very same token has been asked later than the token was issued.
    let unchanged = observed.last_unchanged(observed.status);
    let asked = unchanged.map_or(published.issued_at, |unchanged| unchanged.max(published.issued_at));
    let interval = interval(observed);
    let pause = interval.checked_mul(2_i32.saturating_pow(before)).unwrap_or(LONGEST_PAUSE);
    Some(asked + pause.min(LONGEST_PAUSE.max(interval)))
}

/// The token that the probe is for: one that stands in the target as it was written.
fn tried<'a>(observed: &'a Observed<'_>) -> Option<&'a Published> {
    observed.spec.renewal.probe.as_ref()?;
    observed.published().filter(|published| published.intact)
}

fn verdict<'a>(observed: &'a Observed<'_>, published: &Published) -> Option<&'a Probed> {
    let of_this = |probed: &&Probed| probed.issued_at == published.issued_at;
    // What was said at an instant yet to come would keep the token from being shown until then.
    observed.probed.as_ref().filter(of_this).filter(|probed| !is_of_another_clock(probed.at, observed.now))
}

/// How many intervals of the token's life have passed. Counted from its issue, so that a restart moves nothing and a
/// new token is given one interval before it is shown.
fn turn(observed: &Observed<'_>, published: &Published, at: DateTime<Utc>) -> i64 {
    (at - published.issued_at).num_seconds() / interval(observed).num_seconds().max(1)
}

fn interval(observed: &Observed<'_>) -> TimeDelta {
    let probe = observed.spec.renewal.probe.as_ref();
    let interval = probe.and_then(|probe| probe.interval).map_or(DEFAULT_INTERVAL, crate::api::Duration::get);
    // The CRD's rule holds it above ten seconds and a duration's own bounds below this.
    TimeDelta::from_std(interval).unwrap_or(LONGEST_PAUSE).max(TimeDelta::seconds(10))
}

#[cfg(test)]
mod tests;
