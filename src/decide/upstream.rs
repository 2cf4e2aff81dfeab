//! Other TokenSources whose tokens a request needs (`tokenSourceRef`): whether they have one to give, and circles among
//! them. Knows a TokenSource and its target by what was observed of them; must not know a token.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};

use super::render::keeps_token;
use super::secrets::Credentials;
use crate::api::{ConditionType, TokenSource};

/// Another TokenSource whose token a request needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// What it has to give.
    pub state: UpstreamState,
}

/// What an upstream TokenSource has to give.
#[derive(Clone, Debug, PartialEq)]
pub enum UpstreamState {
    /// It does not exist.
    Missing,
    /// It has no valid token now.
    NotReady,
    /// Its target does not keep the token itself.
    TokenNotKept,
    /// Its target holds a valid token. The target is described as credentials are.
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
            Some((target, _)) => Self::Ready(target),
            None => Self::NotReady,
        }
    }
}

/// More references than this are not followed.
const MOST_FOLLOWED: usize = 64;

/// A circle of references that leads from this TokenSource back to it: the names along it, beginning and ending with its own.
/// Empty if there is none. `named_by` tells which TokenSources one names.
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
