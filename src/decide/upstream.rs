//! Other TokenSources whose tokens a request needs (`tokenSourceRef`): whether their tokens can be used, and circles of
//! references. Knows the observed TokenSource and its target; must not know a token.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};

use super::render::keeps_token;
use super::secrets::Credentials;
use super::versions::Role;
use crate::api::{ConditionType, TokenProviderSpec, TokenSource, TokenSourceSpec};

/// Another TokenSource whose token a request needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// Whether its token can be used.
    pub state: UpstreamState,
}

/// Whether the token of an upstream TokenSource can be used.
#[derive(Clone, Debug, PartialEq)]
pub enum UpstreamState {
    /// The TokenSource does not exist.
    Missing,
    /// The TokenSource has no valid token now.
    NotReady,
    /// The target does not contain the unchanged token.
    TokenNotKept,
    /// The target holds a valid token. It is described like credentials.
    Ready(Credentials),
}

impl UpstreamState {
    /// The state of this TokenSource. `target` is its target Secret with the expiry of the token in it; None if the Secret
    /// does not exist, is not its own, or holds no token.
    pub fn of(
        source: &TokenSource,
        target: Option<(Credentials, DateTime<Utc>)>,
        now: DateTime<Utc>,
    ) -> Self {
        if !keeps_token(&source.spec.target) {
            return Self::TokenNotKept;
        }
        let is_ready = source.status.as_ref().is_some_and(|status| {
            let ready = ConditionType::Ready.as_str();
            status.conditions.iter().any(|condition| condition.type_ == ready && condition.status == "True")
        });
        match target.filter(|(_, expires_at)| is_ready && now < *expires_at) {
            Some((target, _)) => Self::Ready(still_allowed(source, target)),
            None => Self::NotReady,
        }
    }
}

/// The target with the hosts that its annotation and the spec allow. A host that was removed from the spec may stay in the annotation
/// for as long as nothing can be written.
fn still_allowed(source: &TokenSource, target: Credentials) -> Credentials {
    let Credentials::Present { name, uid, resource_version, allowed_hosts } = target else { return target };
    let in_spec = |host: &&str| source.spec.target.allowed_hosts.iter().any(|allowed| allowed.0 == **host);
    let hosts = allowed_hosts.map(|hosts| hosts.split(',').filter(in_spec).collect::<Vec<_>>().join(","));
    Credentials::Present { name, uid, resource_version, allowed_hosts: hosts }
}

/// The maximum number of references that are followed.
const MOST_FOLLOWED: usize = 64;

/// Whether the request is made with a Secret or a ServiceAccount, whose owner decides where it may be sent.
pub fn names_owned(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> bool {
    let secret = Role::ALL.into_iter().any(|role| role.secret_name(spec, provider).is_some());
    secret || provider.service_accounts().next().is_some()
}

/// Whether one of these TokenSources, directly or through others, requests its token with something that has an owner.
/// `described` tells for a name whether the TokenSource does so itself, and which others it names.
pub fn has_owner<'a>(
    names: impl IntoIterator<Item = &'a str>,
    described: impl Fn(&str) -> (bool, Vec<String>),
) -> bool {
    let mut open: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let mut seen: BTreeSet<String> = open.iter().cloned().collect();
    while let Some(name) = open.pop() {
        let (has_owner, upstreams) = described(&name);
        if has_owner {
            return true;
        }
        for next in upstreams {
            if seen.len() < MOST_FOLLOWED && seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    false
}

/// The names along a circle of references, beginning and ending with `start`; empty if there is no circle. `named_by`
/// returns the names of the TokenSources that one refers to.
pub fn circle(start: &str, named_by: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let mut reached_from: BTreeMap<String, String> = BTreeMap::new();
    let mut open = VecDeque::from([start.to_owned()]);
    while let Some(at) = open.pop_front() {
        for next in named_by(&at) {
            if next == start {
                return path(start, &at, &reached_from);
            }
            if reached_from.len() < MOST_FOLLOWED && !reached_from.contains_key(&next) {
                reached_from.insert(next.clone(), at.clone());
                open.push_back(next);
            }
        }
    }
    Vec::new()
}

fn path(start: &str, last: &str, reached_from: &BTreeMap<String, String>) -> Vec<String> {
    let mut names = vec![start.to_owned()];
    let mut at = last;
    while at != start {
        names.push(at.to_owned());
        let Some(before) = reached_from.get(at) else { break };
        at = before;
    }
    names.push(start.to_owned());
    names.reverse();
    names
}

#[cfg(test)]
mod tests;
