//! The status of a provider object, made from the statuses of the TokenSources that use it.
//!
//! Knows which failures prove that the endpoint fails, and when a status is worth a write. Must not know the names of
//! TokenSources, nor their messages: more people may read a ClusterTokenProvider than the TokenSources that use it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::conditions::{ConditionSet, State};
use super::provider_use::{Failed, ProviderUse, past};
use crate::api::{ConditionType, Reason, ReasonKind, TokenProviderStatus, from_kubernetes, to_kubernetes};

/// The shortest time between two writes of one status, except for a transition of `Ready`.
const INTERVAL: TimeDelta = TimeDelta::minutes(1);
/// How much newer a success must be than the recorded one to be worth a write by itself.
const NEWER: TimeDelta = TimeDelta::minutes(10);
/// How long a success in one namespace outweighs the failures of another one. The circuit breaker remembers tenants for the
/// same time.
const AROUND: TimeDelta = TimeDelta::hours(1);

/// The status to write now; None if none is worth a write. `generation` and `before` belong to the provider object, and
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
        // An earlier time replaces a time that another clock has written.
        (Some(next), Some(before)) => {
            next < before || from_kubernetes(next) - from_kubernetes(before) >= NEWER
        }
        (next, before) => next != before,
    };
    let apart = TokenProviderStatus { last_success_time: before.last_success_time.clone(), ..next.clone() };
    let is_transition = state(&next.conditions) != state(&before.conditions);
    let is_due = since_write.is_none_or(|since| since >= INTERVAL);
    (is_transition || is_due && (newer || apart != *before)).then_some(next)
}

fn state(conditions: &[Condition]) -> Option<&str> {
    ConditionType::Ready.find(conditions).map(|ready| ready.status.as_str())
}

fn next(
    users: &[ProviderUse<'_>],
    generation: i64,
    before: Option<&TokenProviderStatus>,
    now: DateTime<Utc>,
) -> TokenProviderStatus {
    let last_success = users.iter().filter_map(|user| user.succeeded_at).max().max(recorded(before, now));
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

/// The last success of a status.
fn recorded(status: Option<&TokenProviderStatus>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    past(status?.last_success_time.as_ref()?, now)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Reachable,
    Failing(Reason),
}

/// Whether the endpoint works. None while nothing is known, so that nobody waits for a provider that nobody uses. `before`
/// is the last status of this generation.
fn verdict(
    users: &[ProviderUse<'_>],
    before: Option<&TokenProviderStatus>,
    now: DateTime<Utc>,
) -> Option<Verdict> {
    if users.is_empty() {
        return None;
    }
    let recorded = recorded(before, now);
    let succeeded_at = users.iter().filter_map(|user| user.succeeded_at).max();
    let last_success = succeeded_at.max(recorded);
    // A TokenSource whose failures began before others succeeded fails for its own reason, as for the circuit breaker. A
    // TokenSource that has never succeeded may do so, too: its author chooses when it first fails.
    let counts = |user: &ProviderUse<'_>, failed: &Failed| {
        last_success.is_none_or(|success| {
            failed.since >= success && (user.succeeded_at.is_some() || now - success >= AROUND)
        })
    };
    let since: Vec<(&str, Failed)> = users
        .iter()
        .filter_map(|user| Some((user.namespace, user.failed.filter(|failed| counts(user, failed))?)))
        .collect();
    if proves(&since, users, now) {
        return Some(Verdict::Failing(most_frequent(&since)?));
    }
    let reported = before.and_then(|before| ConditionType::Ready.find_false(&before.conditions));
    // The failing TokenSources may have been deleted or changed since. Their absence proves nothing about the
    // endpoint; an answer does.
    if let Some(reported) = reported {
        let turned = past(&reported.last_transition_time, now);
        let is_over = succeeded_at > recorded
            || users.iter().filter_map(|user| user.answered_at).any(|answered| Some(answered) > turned);
        if !is_over {
            return Reason::named(&reported.reason).map(Verdict::Failing);
        }
    }
    last_success.map(|_| Verdict::Reachable)
}

/// Whether the failures since the last success prove that the endpoint fails. One lost request does not, and neither do
/// failures of one namespace while requests of another one succeed, because a provider may answer 500 to what a tenant
/// sends.
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
        "{} No request has succeeded{since}; the last requests of {failing} of {users} TokenSources failed because of \
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
