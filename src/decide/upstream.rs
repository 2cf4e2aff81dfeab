//! Other TokenSources whose tokens a request needs (`tokenSourceRef`): whether their tokens can be used, and circles of
//! references. Knows the observed TokenSource and its target; must not know a token.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};

use super::render::keeps_token;
use super::secrets::ReferencedSecret;
use super::versions::Role;
use crate::api::{ConditionType, TokenProviderSpec, TokenSource, TokenSourceSpec};

/// Another TokenSource whose token a request needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// The name of the upstream `TokenSource`.
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
    /// The target holds a valid token. The Secret is described like credentials.
    Ready(ReferencedSecret),
}

impl UpstreamState {
    /// The state of this TokenSource. `target` is its target Secret with the expiry of the token in it; None if the Secret
    /// does not exist, is not its own, or holds no token.
    pub fn of(
        source: &TokenSource,
        target: Option<(ReferencedSecret, DateTime<Utc>)>,
        now: DateTime<Utc>,
    ) -> Self {
        if !keeps_token(&source.spec.target) {
            return Self::TokenNotKept;
        }
        let status = source.status.as_ref();
        let is_ready = status.is_some_and(|status| ConditionType::Ready.is_true(&status.conditions));
        match target.filter(|(_, expires_at)| is_ready && now < *expires_at) {
            Some((target, _)) => Self::Ready(still_allowed(source, target)),
            None => Self::NotReady,
        }
    }
}

/// The target with the hosts that both its annotation and the spec allow. A host that was removed from the spec may stay in
/// the annotation for as long as nothing can be written.
fn still_allowed(source: &TokenSource, target: ReferencedSecret) -> ReferencedSecret {
    let ReferencedSecret::Present { name, uid, resource_version, allowed_hosts } = target else {
        return target;
    };
    let in_spec = |host: &&str| source.spec.target.allowed_hosts.iter().any(|allowed| allowed.0 == **host);
    let hosts = allowed_hosts.map(|hosts| hosts.split(',').filter(in_spec).collect::<Vec<_>>().join(","));
    ReferencedSecret::Present { name, uid, resource_version, allowed_hosts: hosts }
}

/// The maximum number of references that are followed.
const MOST_FOLLOWED: usize = 64;

/// A TokenSource in a chain of references.
#[derive(Default)]
pub struct Link {
    /// Whether its request is made with a Secret or a ServiceAccount.
    has_owner: bool,
    /// The TokenSources that its provider block names.
    names: Vec<String>,
}

impl Link {
    /// The TokenSource with this spec and provider block.
    pub fn of(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> Self {
        Self {
            has_owner: names_owned(spec, provider),
            names: provider.token_sources().into_iter().map(str::to_owned).collect(),
        }
    }
}

/// Whether the request is made with a Secret or a ServiceAccount, whose owner decides where that may be sent.
pub(super) fn names_owned(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> bool {
    let secret = Role::ALL.into_iter().any(|role| role.secret_name(spec, provider).is_some());
    secret || provider.service_accounts().next().is_some()
}

/// The properties of the references that start at one TokenSource and lead to others.
#[derive(Debug, Default, PartialEq)]
pub struct Chain {
    /// The names along a circle of references, which begins and ends with the TokenSource itself; empty if there is none.
    pub circle: Vec<String>,
    /// Whether another TokenSource in the chain requests its token with a Secret or a ServiceAccount.
    pub has_owner: bool,
}

/// Follows the references of the TokenSource `start`, at most 64 of them. `link` finds a TokenSource by its name.
pub fn follow(start: &str, link: impl Fn(&str) -> Link) -> Chain {
    let mut chain = Chain::default();
    let mut reached_from: BTreeMap<String, String> = BTreeMap::new();
    let mut open = VecDeque::from([start.to_owned()]);
    while let Some(at) = open.pop_front() {
        let Link { has_owner, names } = link(&at);
        chain.has_owner |= has_owner && at != start;
        for next in names {
            if next == start {
                if chain.circle.is_empty() {
                    chain.circle = path(start, &at, &reached_from);
                }
            } else if reached_from.len() < MOST_FOLLOWED && !reached_from.contains_key(&next) {
                reached_from.insert(next.clone(), at.clone());
                open.push_back(next);
            }
        }
    }
    chain
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
