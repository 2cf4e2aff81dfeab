//! The gates in front of the providers, one for each way that `TokenSource`s share.
//!
//! Knows who shares a gate, and that whoever enters leaves, even if their reconcile is given up. Must not decide who
//! may enter.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt;

use super::mint::Stop;
use crate::api::{ProviderKind, Reason, TokenProviderSpec, TokenSource};
use crate::decide::gate::{Entry, Gate, Met};
use crate::decide::{Failure, Observed, Published};
use crate::oauth::Endpoint;

/// Those who describe a provider themselves share a gate with their namespace only: what one tenant's timeout or
/// authorities make of a host is no evidence for another. Those of a `ClusterTokenProvider` are of one mind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    cluster_provider: Option<String>,
    namespace: Option<String>,
    host: String,
}

#[derive(Default)]
struct State {
    gates: HashMap<Key, Gate>,
    /// How many of a namespace are inside any gate: with many providers that hang, one tenant could else have all of
    /// what may be under way.
    inside: HashMap<String, usize>,
}

type Shared = Arc<Mutex<State>>;

/// How busy the gates are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Who may not ask yet.
    pub(super) waiting: usize,
    /// Who is asking.
    pub(super) in_flight: usize,
    /// Gates whose provider is in trouble.
    pub(super) troubled: usize,
}

/// A tenant at its limit comes again after this.
const SHORTLY: TimeDelta = TimeDelta::seconds(1);

/// All gates.
pub(super) struct Gates {
    shared: Shared,
    /// How many may be inside one gate at once: a few of all that may be under way, so that providers which hang leave
    /// room for the others.
    places: usize,
    clock: fn() -> DateTime<Utc>,
}

/// The right to ask, until it is given back.
pub(super) struct Pass {
    gates: Shared,
    key: Key,
    who: String,
    met: Met,
    clock: fn() -> DateTime<Utc>,
    /// Given back after the gate's own place: fields are dropped after `drop`.
    visit: Visit,
}

/// A place in a namespace's share, without a gate.
pub(super) struct Visit {
    gates: Shared,
    namespace: String,
}

impl Gates {
    pub(super) fn new(concurrency: u16, clock: fn() -> DateTime<Utc>) -> Self {
        let places = usize::from(concurrency.max(1));
        Self { shared: Shared::default(), places, clock }
    }

    /// How busy they are.
    pub(super) fn load(&self) -> Load {
        let now = (self.clock)();
        let state = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        state.gates.values().fold(Load::default(), |load, gate| Load {
            waiting: load.waiting + gate.waiting(now),
            in_flight: load.in_flight + gate.in_flight(),
            troubled: load.troubled + usize::from(gate.is_troubled()),
        })
    }

    /// Lets this `TokenSource` ask, or says when to come again.
    pub(super) fn enter(&self, source: &TokenSource, observed: &Observed<'_>) -> Result<Pass, Stop> {
        let provider = observed.provider.clone().map_err(Stop::Refused)?;
        let key = key(source, provider);
        let now = (self.clock)();
        // Of a token that is of no use it does not matter how long it lives.
        let useful = |published: &&Published| {
            published.intact && observed.inputs.as_ref().is_some_and(|inputs| inputs.asked == published.asked)
        };
        let expires_at = observed.published().filter(useful).map(|published| published.expires_at);
        let visit = self.visit(source)?;
        let entry = {
            let mut state = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            state.gates.retain(|_, gate| !gate.is_idle(now));
            state.gates.entry(key.clone()).or_default().enter(observed.uid, expires_at, self.places, now)
        };
        match entry {
            Entry::Enter => Ok(Pass {
                gates: Arc::clone(&self.shared),
                key,
                who: observed.uid.to_owned(),
                met: Met::NotAtAll,
                clock: self.clock,
                visit,
            }),
            Entry::Later(until, reason) => {
                Err(Stop::Deferred(until, reason.map(|reason| troubled(reason, &key.host))))
            }
        }
    }

    /// Lets this `TokenSource` wait for somebody, as one of its namespace's share.
    pub(super) fn visit(&self, source: &TokenSource) -> Result<Visit, Stop> {
        let namespace = source.namespace().unwrap_or_default();
        let mut state = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let inside = state.inside.entry(namespace.clone()).or_default();
        if *inside >= self.places * 2 {
            return Err(Stop::Deferred((self.clock)() + SHORTLY, None));
        }
        *inside += 1;
        Ok(Visit { gates: Arc::clone(&self.shared), namespace })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut state = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inside) = state.inside.get_mut(&self.namespace) {
            *inside = inside.saturating_sub(1);
        }
        state.inside.retain(|_, inside| *inside > 0);
    }
}

impl Pass {
    /// The provider met the request so.
    pub(super) fn leave(mut self, met: Met) {
        self.met = met;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = state.gates.get_mut(&self.key) {
            // Of a provider that is shared, tenants are the parties.
            let party = if self.key.cluster_provider.is_some() { &self.visit.namespace } else { &self.who };
            gate.leave(&self.who, party, &self.met, (self.clock)());
        }
    }
}

fn key(source: &TokenSource, provider: &TokenProviderSpec) -> Key {
    let url = provider.token_endpoint.as_deref().or(provider.issuer.as_deref()).unwrap_or_default();
    // What cannot be read as a URL is refused before anything is sent.
    let host = Endpoint::parse(url).map(|url| format!("{}:{}", url.host(), url.port())).unwrap_or_default();
    let of_cluster =
        source.spec.provider_ref.as_ref().filter(|to| to.kind == ProviderKind::ClusterTokenProvider);
    Key {
        cluster_provider: of_cluster.map(|to| to.name.clone()),
        namespace: source.namespace().filter(|_| of_cluster.is_none()),
        host,
    }
}

/// Nothing of what others were told is repeated: it may speak of their credentials.
fn troubled(reason: Reason, host: &str) -> Failure {
    Failure::local(
        reason,
        format!(
            "{} Requests of other TokenSources to {host} have failed so; one at a time is tried until it answers, and \
             then all are served, soonest expiry first.",
            reason.sentence()
        ),
    )
}
