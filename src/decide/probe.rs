//! The probe (`renewal.probe`): when the token is sent to its URL, and what follows from a 401.
//!
//! Knows that a rejected token is renewed once, and that a probe which also rejects the next token is more likely wrong than
//! right, so that further renewals wait longer. Must not know how a URL is requested.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::schedule::is_of_another_clock;
use super::{Observed, ProbeVerdict, Probed, Published};
use crate::api::{ConditionType, Reason, from_kubernetes};

/// The interval if the spec sets none.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// The longest pause between two renewals of tokens that were rejected one after the other, unless the interval is longer.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);

/// Whether the published token must be sent to the probe now.
pub(super) fn is_due(observed: &Observed<'_>) -> bool {
    let Some(published) = tried(observed) else { return false };
    let turn = intervals(observed, published, observed.now);
    let last =
        verdict(observed, published).map_or(0, |probed| self::intervals(observed, published, probed.at));
    turn > last
}

/// Whether the probe has rejected the published token and not accepted it since. After a restart, the recorded rejection of
/// this token is used until the next result.
pub(super) fn is_rejected(observed: &Observed<'_>) -> bool {
    let Some(published) = tried(observed) else { return false };
    if let Some(probed) = verdict(observed, published) {
        return probed.verdict == ProbeVerdict::Rejected;
    }
    let status = observed.status;
    let ready = ConditionType::Ready.find(&status.conditions);
    ready.is_some_and(|ready| ready.reason == Reason::ProbeRejected.as_str())
        && status.issued_at.as_ref().map(from_kubernetes) == Some(published.issued_at)
}

/// Whether the published token must be renewed because the probe rejected it.
pub(super) fn calls_for_renewal(observed: &Observed<'_>) -> bool {
    renewal_at(observed).is_some_and(|earliest| observed.now >= earliest)
}

/// When the next reconcile for the probe is due.
pub fn next_probe(observed: &Observed<'_>) -> Option<DateTime<Utc>> {
    let published = tried(observed)?;
    let turn = i32::try_from(intervals(observed, published, observed.now).saturating_add(1)).ok();
    let next = turn.map(|turn| published.issued_at + interval(observed) * turn);
    renewal_at(observed).into_iter().chain(next).min()
}

/// The earliest instant at which the published token is renewed because the probe rejected it; None if the last result of
/// this process is no rejection of this token.
pub(super) fn renewal_at(observed: &Observed<'_>) -> Option<DateTime<Utc>> {
    let published = tried(observed)?;
    let probed = verdict(observed, published).filter(|probed| probed.verdict == ProbeVerdict::Rejected)?;
    let before = u32::try_from(observed.status.probe_rejections).unwrap_or_default();
    if before == 0 {
        return Some(probed.at);
    }
    // If the provider returned the same token again, the last request was sent after the token was issued.
    let unchanged = observed.last_unchanged(observed.status);
    let asked = unchanged.map_or(published.issued_at, |unchanged| unchanged.max(published.issued_at));
    let interval = interval(observed);
    let pause = interval.checked_mul(2_i32.saturating_pow(before)).unwrap_or(LONGEST_PAUSE);
    Some(asked + pause.min(LONGEST_PAUSE.max(interval)))
}

/// The token that is probed: the one in the target, if it is unaltered.
fn tried<'a>(observed: &'a Observed<'_>) -> Option<&'a Published> {
    observed.spec.renewal.probe.as_ref()?;
    observed.published().filter(|published| published.intact)
}

fn verdict<'a>(observed: &'a Observed<'_>, published: &Published) -> Option<&'a Probed> {
    let of_this = |probed: &&Probed| probed.issued_at == published.issued_at;
    // A result from the future is ignored: it would keep the token from being probed until then.
    observed.probed.as_ref().filter(of_this).filter(|probed| !is_of_another_clock(probed.at, observed.now))
}

/// The number of intervals that have passed since the token was issued. A restart therefore moves no probe, and a new token
/// is first probed after one interval.
fn intervals(observed: &Observed<'_>, published: &Published, at: DateTime<Utc>) -> i64 {
    (at - published.issued_at).num_seconds() / interval(observed).num_seconds().max(1)
}

fn interval(observed: &Observed<'_>) -> TimeDelta {
    let probe = observed.spec.renewal.probe.as_ref();
    let interval = probe.and_then(|probe| probe.interval).map_or(DEFAULT_INTERVAL, crate::api::Duration::get);
    // The CRD's rule requires at least ten seconds, and a duration has a maximum.
    TimeDelta::from_std(interval).unwrap_or(LONGEST_PAUSE).max(TimeDelta::seconds(10))
}

#[cfg(test)]
mod tests;
