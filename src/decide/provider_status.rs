//! The status of a provider object, made from the statuses of the TokenSources that name it.
//!
//! Knows which failures the endpoint causes and which a client causes, and when a status is worth a write. Must not know the
//! names of TokenSources, nor their messages: more people may read a ClusterTokenProvider than the TokenSources that use it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::conditions::{ConditionSet, State, find};
use crate::api::{
    ConditionType, Reason, ReasonKind, TokenProviderStatus, TokenSourceStatus, from_kubernetes, to_kubernetes,
};

/// The shortest time between two writes of one status, except for a transition of `Ready`.
const INTERVAL: TimeDelta = TimeDelta::minutes(1);
/// How much newer a success must be than the recorded one to be worth a write by itself.
const NEWER: TimeDelta = TimeDelta::minutes(10);
/// How long a success in one namespace outweighs the failures of another one. The circuit breaker remembers tenants as long.
const AROUND: TimeDelta = TimeDelta::hours(1);

/// What a failure says about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bearing {
    /// The endpoint, or the provider object, causes the failure. No client can.
    Fails,
    /// The endpoint has answered, and the client or its request causes the failure.
    Answers,
    /// Nothing was sent, or the failure is about something else.
    Silent,
}

const fn bearing(reason: Reason) -> Bearing {
    use ReasonKind as Kind;
    match reason {
        Reason::TLSVerificationFailed
        | Reason::DiscoveryFailed
        | Reason::IssuerMismatch
        | Reason::EndpointNotFound
        | Reason::EndpointNotAllowed
        | Reason::UnexpectedRedirect
        | Reason::UnsupportedMediaType => Bearing::Fails,
        Reason::RateLimited | Reason::ProviderError | Reason::UnsupportedTokenType => Bearing::Answers,
        _ => match reason.kind() {
            Kind::Endpoint => Bearing::Fails,
            // Many providers refuse bad credentials with a success response of their own form.
            Kind::Unusable | Kind::RefreshToken | Kind::Assertion | Kind::Credentials | Kind::Refused => {
                Bearing::Answers
            }
            Kind::Fact | Kind::NotSent | Kind::Passing | Kind::Other => Bearing::Silent,
        },
    }
}

/// A TokenSource whose last request failed for a reason of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Failed {
    /// When the first of its failures in a row was reported.
    since: DateTime<Utc>,
    reason: Reason,
    /// How many of its requests have failed in a row.
    times: i32,
}

/// What a TokenSource says about the provider that it uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProviderUse<'a> {
    namespace: &'a str,
    /// When the last successful request was sent.
    succeeded_at: Option<DateTime<Utc>>,
    /// When the endpoint last answered with a refusal of the client or the request, if that was its last answer.
    answered_at: Option<DateTime<Utc>>,
    failed: Option<Failed>,
}

impl<'a> ProviderUse<'a> {
    /// What a TokenSource of this namespace, with this generation and status, says. None if the provider does not admit it:
    /// otherwise everybody could raise the count of a ClusterTokenProvider.
    pub fn of(namespace: &'a str, generation: i64, status: Option<&TokenSourceStatus>) -> Option<Self> {
        let nothing = Self { namespace, succeeded_at: None, answered_at: None, failed: None };
        // A status of an earlier generation may be about another provider.
        let Some(status) = status.filter(|status| status.observed_generation == Some(generation)) else {
            return Some(nothing);
        };
        let renewed = find(&status.conditions, ConditionType::Renewed);
        let failure = renewed.filter(|renewed| renewed.status == State::False.as_str());
        let reason = failure.and_then(|failure| Reason::named(&failure.reason));
        if reason == Some(Reason::ProviderNotAllowed) {
            return None;
        }
        // The reason of its own request. While others have found the endpoint failing, `Renewed` has theirs.
        let own = reason
            .filter(|reason| status.failures > 0 && status.failed_reason.as_deref() == Some(reason.as_str()));
        let bearing = own.map_or(Bearing::Silent, bearing);
        let since = failure.map(|failure| from_kubernetes(&failure.last_transition_time));
        let failed = since.zip(own).filter(|_| bearing == Bearing::Fails);
        let last_failure = status.last_failure_time.as_ref().filter(|_| bearing == Bearing::Answers);
        Some(Self {
            succeeded_at: succeeded_at(status),
            answered_at: last_failure.map(from_kubernetes),
            failed: failed.map(|(since, reason)| Failed { since, reason, times: status.failures }),
            ..nothing
        })
    }
}

/// When the last successful request of this spec was sent, if that is known for certain.
fn succeeded_at(status: &TokenSourceStatus) -> Option<DateTime<Utc>> {
    let ready = find(&status.conditions, ConditionType::Ready)?;
    let is_of_this_spec = ready.status == State::True.as_str()
        || [Reason::TokenExpired, Reason::ProbeRejected].iter().any(|flaw| ready.reason == flaw.as_str());
    let issued_at = status.issued_at.as_ref().filter(|_| is_of_this_spec).map(from_kubernetes)?;
    Some(status.last_unchanged_time.as_ref().map_or(issued_at, |time| issued_at.max(from_kubernetes(time))))
}

/// The status to write now; None if none is worth a write. `generation` and `before` are those of the provider object, and
/// `since_write` is the time since this process last wrote the status.
pub fn provider_status(
    users: &[ProviderUse<'_>],
    generation: i64,
    before: Option<&TokenProviderStatus>,
    since_write: Option<TimeDelta>,
    now: DateTime<Utc>,
) -> Option<TokenProviderStatus> {
    let next = next(users, generation, before, now);
    let Some(before) = before else { return Some(next) };
    let newer = match (&next.last_success_time, &before.last_success_time) {
        (Some(next), Some(before)) => from_kubernetes(next) - from_kubernetes(before) >= NEWER,
        (next, before) => next != before,
    };
    let apart = TokenProviderStatus { last_success_time: before.last_success_time.clone(), ..next.clone() };
    let is_transition = state(&next.conditions) != state(&before.conditions);
    let is_due = since_write.is_none_or(|since| since >= INTERVAL);
    (is_transition || is_due && (newer || apart != *before)).then_some(next)
}

fn state(conditions: &[Condition]) -> Option<&str> {
    find(conditions, ConditionType::Ready).map(|ready| ready.status.as_str())
}

fn next(
    users: &[ProviderUse<'_>],
    generation: i64,
    before: Option<&TokenProviderStatus>,
    now: DateTime<Utc>,
) -> TokenProviderStatus {
    let recorded = before.and_then(|before| before.last_success_time.as_ref()).map(from_kubernetes);
    let last_success = users.iter().filter_map(|user| user.succeeded_at).max().max(recorded);
    let failing = users.iter().filter(|user| user.failed.is_some()).count();
    let verdict = verdict(users, before.filter(|before| before.observed_generation == Some(generation)), now);
    let mut conditions = ConditionSet::new(before.map_or(&[], |before| &before.conditions), generation, now);
    match verdict {
        Some(Verdict::Reachable) => {
            let message = reachable(failing, users.len());
            conditions.set(ConditionType::Ready, State::True, Reason::EndpointReachable, message);
        }
        Some(Verdict::Failing(reason)) => {
            let message = unreachable(reason, failing, users.len(), last_success);
            conditions.set(ConditionType::Ready, State::False, reason, message);
        }
        None => {}
    }
    TokenProviderStatus {
        observed_generation: verdict.map(|_| generation),
        token_sources: count(users.len()),
        failing: count(failing),
        last_success_time: last_success.map(to_kubernetes),
        conditions: conditions.into_conditions(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Reachable,
    Failing(Reason),
}

/// Whether the endpoint works. None while nothing is known, so that nobody waits for a provider that nobody uses. `before` is
/// the last status of this generation.
fn verdict(
    users: &[ProviderUse<'_>],
    before: Option<&TokenProviderStatus>,
    now: DateTime<Utc>,
) -> Option<Verdict> {
    if users.is_empty() {
        return None;
    }
    let recorded = before.and_then(|before| before.last_success_time.as_ref()).map(from_kubernetes);
    let succeeded_at = users.iter().filter_map(|user| user.succeeded_at).max();
    let last_success = succeeded_at.max(recorded);
    // A TokenSource that failed before others succeeded fails for its own reason, as for the circuit breaker.
    let since: Vec<(&str, Failed)> = users
        .iter()
        .filter_map(|user| Some((user.namespace, user.failed?)))
        .filter(|(_, failed)| last_success.is_none_or(|success| failed.since >= success))
        .collect();
    if proves(&since, users, now) {
        return Some(Verdict::Failing(most_frequent(&since)?));
    }
    let ready = before.and_then(|before| find(&before.conditions, ConditionType::Ready));
    let reported = ready.filter(|ready| ready.status == State::False.as_str());
    // The failing TokenSources may be gone or changed since. That proves nothing about the endpoint; an answer does.
    if let Some(reported) = reported {
        let turned = from_kubernetes(&reported.last_transition_time);
        let is_over = succeeded_at > recorded
            || users.iter().filter_map(|user| user.answered_at).any(|answered| answered > turned);
        if !is_over {
            return Reason::named(&reported.reason).map(Verdict::Failing);
        }
    }
    last_success.map(|_| Verdict::Reachable)
}

/// Whether the failures since the last success prove that the endpoint fails. One lost request does not, and neither do
/// failures of one namespace while requests of another one succeed, because a provider may answer 500 to what a tenant sends.
fn proves(since: &[(&str, Failed)], users: &[ProviderUse<'_>], now: DateTime<Utc>) -> bool {
    let Some((first, _)) = since.first() else { return false };
    let may_be_lost = |failed: &Failed| failed.reason.kind() == ReasonKind::Endpoint && failed.times < 2;
    let is_one_lost = since.len() == 1 && since.iter().all(|(_, failed)| may_be_lost(failed));
    let is_of_one_namespace = since.iter().all(|(namespace, _)| namespace == first);
    let others_succeed = users.iter().any(|user| {
        user.namespace != *first && user.succeeded_at.is_some_and(|success| now - success < AROUND)
    });
    !(is_one_lost || is_of_one_namespace && others_succeed)
}

/// The reason of most failures, so that it does not change with each request of a large fleet.
fn most_frequent(failures: &[(&str, Failed)]) -> Option<Reason> {
    let mut counts: BTreeMap<Reason, usize> = BTreeMap::new();
    for (_, failed) in failures {
        *counts.entry(failed.reason).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(reason, _)| reason)
}

fn reachable(failing: usize, users: usize) -> String {
    let sentence = Reason::EndpointReachable.sentence();
    if failing == 0 {
        return sentence.to_owned();
    }
    format!(
        "{sentence} The last requests of {failing} of {users} TokenSources failed for a reason of the endpoint."
    )
}

fn unreachable(reason: Reason, failing: usize, users: usize, last_success: Option<DateTime<Utc>>) -> String {
    let since = last_success.map(|at| at.format(" since %FT%TZ").to_string()).unwrap_or_default();
    format!(
        "{} No request has succeeded{since}; the last requests of {failing} of {users} TokenSources failed for a reason of \
         the endpoint. {}",
        reason.sentence(),
        reason.advice()
    )
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
