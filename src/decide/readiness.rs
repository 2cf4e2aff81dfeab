//! Flaws of the token in the target.
//!
//! One list of flaws answers both "is the token usable now" and "must it be renewed", so that the answers agree. They differ
//! for rotated credentials, which leave the current token usable; for a token that expires soon; for one that the probe
//! rejects; and for a requested renewal.

use chrono::{DateTime, Utc};

use super::schedule::{Life, REQUESTED_INTERVAL, renew_at};
use super::versions::Versions;
use super::{Cause, Observed, Published, Target, inputs, probe};
use crate::api::{Reason, TokenSourceStatus, from_kubernetes};

/// The first flaw of the token in the target; None while the token is usable.
pub(super) fn unusable(observed: &Observed<'_>) -> Option<Reason> {
    flaw(observed)
        // Rotated credentials require a new token, but the current one stays usable.
        .filter(|flaw| *flaw != Cause::InputsChanged || !is_of_this_spec(observed))
        .map(Cause::reason)
        .or_else(|| {
            let published = observed.published()?;
            (observed.now >= published.expires_at).then_some(Reason::TokenExpired)
        })
        // Last, because a rejected token may be usable after all, and a token with one of the other flaws is not.
        .or_else(|| probe::is_rejected(observed).then_some(Reason::ProbeRejected))
}

/// Why a new token must be requested; None while the current one needs no renewal.
pub(super) fn cause(observed: &Observed<'_>) -> Option<Cause> {
    flaw(observed)
        .or_else(|| {
            let published = observed.published()?;
            let unchanged = observed.last_unchanged(observed.status);
            let due = observed.now >= due(observed, published, unchanged);
            (due || life(published).is_of_another_clock(observed.now)).then_some(Cause::RenewalDue)
        })
        .or_else(|| probe::calls_for_renewal(observed).then_some(Cause::ProbeRejected))
        .or_else(|| observed.open_renew_request().map(|_| Cause::RenewalRequested))
        // A requested renewal that failed is still due, although the request has been acknowledged.
        .or_else(|| observed.failed_before().then_some(Cause::RenewalRequested))
}

/// The instant from which the published token must be renewed. `unchanged` is when the provider last returned the same
/// token.
pub(super) fn due(
    observed: &Observed<'_>,
    published: &Published,
    unchanged: Option<DateTime<Utc>>,
) -> DateTime<Utc> {
    renew_at(life(published), &observed.spec.renewal, observed.uid, unchanged)
}

/// When the next request will be made. None if no request is planned, or if the target holds no token, so that the request
/// is about to be made. `status` is the status to be recorded.
pub(super) fn next_request(observed: &Observed<'_>, status: &TokenSourceStatus) -> Option<DateTime<Utc>> {
    if observed.spec.suspend {
        return None;
    }
    if status.failures > 0 && is_of_these_inputs(observed, status) {
        return status.retry_at.as_ref().map(from_kubernetes);
    }
    let published = observed.published()?;
    let due = due(observed, published, observed.last_unchanged(status));
    let earliest = observed.last_attempt().map(|last| last + REQUESTED_INTERVAL);
    // A requested renewal waits for `REQUESTED_INTERVAL`. An instant in the past is left out: the request is about to be
    // made, or is blocked.
    let requested = observed.open_renew_request().and(earliest).filter(|at| *at > observed.now);
    let rejected = probe::renewal_at(observed).map(|at| earliest.map_or(at, |earliest| at.max(earliest)));
    [requested, rejected].into_iter().flatten().chain([due]).min()
}

fn is_of_these_inputs(observed: &Observed<'_>, status: &TokenSourceStatus) -> bool {
    let attempt = observed.fingerprints.as_ref().map(|fingerprints| fingerprints.attempt.as_str());
    attempt.is_some() && status.failed_inputs.as_deref() == attempt
}

/// Whether the token in the target was requested with this spec and provider. The values of the credentials may differ.
pub(super) fn is_of_this_spec(observed: &Observed<'_>) -> bool {
    observed
        .published()
        .is_some_and(|published| matches_spec(observed, &published.inputs_fingerprint, &published.versions))
}

/// Whether a token with this fingerprint and these versions was requested with this spec and provider. The values of the
/// credentials may differ.
pub(super) fn matches_spec(observed: &Observed<'_>, inputs_fingerprint: &str, versions: &Versions) -> bool {
    observed.provider.as_ref().is_ok_and(|provider| {
        inputs::token_fingerprint_with_earlier(observed.spec, provider, &observed.secrets, versions)
            == inputs_fingerprint
    })
}

fn life(published: &Published) -> Life {
    Life { issued_at: published.issued_at, expires_at: published.expires_at }
}

/// Flaws that do not depend on time.
fn flaw(observed: &Observed<'_>) -> Option<Cause> {
    match &observed.target {
        Target::Missing if observed.status.issued_at.is_some() => Some(Cause::TargetMissing),
        Target::Missing => Some(Cause::TokenPending),
        Target::Foreign(_) => Some(Cause::TargetConflict),
        Target::Withdrawn { .. } => Some(Cause::TokenWithdrawn),
        Target::Ours(published) if !published.intact => Some(Cause::TargetTampered),
        Target::Ours(published) => observed
            .fingerprints
            .as_ref()
            .is_some_and(|fingerprints| fingerprints.token != published.inputs_fingerprint)
            .then_some(Cause::InputsChanged),
    }
}
