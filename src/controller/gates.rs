//! The gates in front of the providers, one for each way that `TokenSource`s share.
//!
//! Knows who shares a gate, and that whoever enters leaves, even if their reconcile is given up. Must not decide who
//! may enter.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use futures::Stream;
use kube::ResourceExt;
use tokio::sync::broadcast;

use super::mint::Stop;
use super::references::{NamespacedName, name_of};
use crate::api::{ProviderKind, Reason, TokenProviderSpec, TokenSource};
use crate::decide::gate::{Entry, Gate, Met, Need, UNTOLD, Wait};
use crate::decide::{Deferral, Failure, Observed};
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
    /// Who was turned away since a namespace has its share: since when, and when they last came.
    turned_away: HashMap<NamespacedName, (DateTime<Utc>, DateTime<Utc>)>,
    /// When what nobody uses was last taken away.
    swept: DateTime<Utc>,
}

impl State {
    /// Takes away what nobody uses; only now and then, for it looks at everything.
    fn sweep(&mut self, now: DateTime<Utc>) {
        if (now - self.swept).abs() >= SWEEP {
            self.swept = now;
            self.gates.retain(|_, gate| !gate.is_idle(now));
            self.turned_away.retain(|_, (_, last)| (now - *last).abs() < SWEEP);
        }
    }
}

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

/// What nobody uses any more may stand so much longer.
const SWEEP: TimeDelta = TimeDelta::minutes(1);

/// A tenant at its limit comes again after this.
const SHORTLY: TimeDelta = TimeDelta::seconds(1);

/// Calls that a scope has not heard yet; who misses theirs looks again by themselves.
const CALLS: usize = 1024;

/// All gates.
pub(super) struct Gates {
    state: Mutex<State>,
    calls: broadcast::Sender<NamespacedName>,
    /// How many may be inside one gate at once: a few of all that may be under way, so that providers which hang leave
    /// room for the others.
    places: usize,
    clock: fn() -> DateTime<Utc>,
}

/// The right to ask, until it is given back.
pub(super) struct Pass {
    gates: Arc<Gates>,
    key: Key,
    who: String,
    met: Met,
    /// Given back after the gate's own place: fields are dropped after `drop`.
    visit: Visit,
}

/// A place in a namespace's share, without a gate.
pub(super) struct Visit {
    gates: Arc<Gates>,
    namespace: String,
}

impl Gates {
    pub(super) fn new(concurrency: u16, clock: fn() -> DateTime<Utc>) -> Self {
        let places = usize::from(concurrency.max(1));
        Self { state: Mutex::default(), calls: broadcast::Sender::new(CALLS), places, clock }
    }

    /// Those whose turn it is, from now on: they need not wait until they look again by themselves.
    pub(super) fn calls(&self) -> impl Stream<Item = NamespacedName> + Send + use<> {
        futures::stream::unfold(self.calls.subscribe(), |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(source) => return Some((source, receiver)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
    }

    /// It is gone, and stands in nobody's way.
    pub(super) fn forget(&self, source: &NamespacedName) {
        let who = name(source);
        let mut state = self.lock();
        state.turned_away.remove(source);
        state.gates.values_mut().for_each(|gate| gate.forget(&who));
    }

    /// How busy they are.
    pub(super) fn load(&self) -> Load {
        let now = (self.clock)();
        self.lock().gates.values().fold(Load::default(), |load, gate| Load {
            waiting: load.waiting + gate.waiting(now),
            in_flight: load.in_flight + gate.in_flight(),
            troubled: load.troubled + usize::from(gate.is_troubled()),
        })
    }

    /// Lets this `TokenSource` ask, or says when to come again.
    pub(super) fn enter(
        self: &Arc<Self>,
        source: &TokenSource,
        observed: &Observed<'_>,
    ) -> Result<Pass, Stop> {
        let provider = observed.provider.clone().map_err(Stop::Refused)?;
        let key = key(source, provider);
        let now = (self.clock)();
        let visit = self.visit(source)?;
        let who = name(&name_of(source));
        let entry = {
            let mut state = self.lock();
            state.sweep(now);
            state.gates.entry(key.clone()).or_default().enter(&who, Need::of(observed), self.places, now)
        };
        match entry {
            Entry::Enter => Ok(Pass { gates: Arc::clone(self), key, who, met: Met::NotAtAll, visit }),
            Entry::Later(Wait { until, tell, trouble }) => {
                let failure = trouble.map(|reason| troubled(reason, &key.host));
                Err(Stop::Deferred(Deferral { until, tell, failure }))
            }
        }
    }

    /// Lets this `TokenSource` wait for somebody, as one of its namespace's share.
    pub(super) fn visit(self: &Arc<Self>, source: &TokenSource) -> Result<Visit, Stop> {
        let namespace = source.namespace().unwrap_or_default();
        let who = name_of(source);
        let mut state = self.lock();
        let inside = state.inside.entry(namespace.clone()).or_default();
        if *inside >= self.places * 2 {
            let now = (self.clock)();
            let (since, last) = state.turned_away.entry(who).or_insert((now, now));
            (*since, *last) = ((*since).min(now), now);
            let tell = now - *since >= UNTOLD;
            return Err(Stop::Deferred(Deferral { until: now + SHORTLY, tell, failure: None }));
        }
        *inside += 1;
        state.turned_away.remove(&who);
        drop(state);
        Ok(Visit { gates: Arc::clone(self), namespace })
    }

    /// Whoever is next is woken.
    fn call(&self, who: &str) {
        if let Some((namespace, name)) = who.split_once('/') {
            // Nobody listens any more when the process ends.
            let _ = self.calls.send((namespace.into(), name.into()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut state = self.gates.lock();
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
        // Of a provider that is shared, tenants are the parties.
        let party = if self.key.cluster_provider.is_some() { &self.visit.namespace } else { &self.who };
        let now = (self.gates.clock)();
        let next = {
            let mut state = self.gates.lock();
            state.gates.get_mut(&self.key).and_then(|gate| {
                gate.leave(&self.who, party, &self.met, now);
                gate.call(self.gates.places, now)
            })
        };
        if let Some(next) = next {
            self.gates.call(&next);
        }
    }
}

/// How a `TokenSource` is called at a gate.
fn name((namespace, name): &NamespacedName) -> String {
    format!("{namespace}/{name}")
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::api::TokenSourceSpec;

    static SECONDS: AtomicI64 = AtomicI64::new(0);

    fn clock() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(SECONDS.load(Ordering::Relaxed))
    }

    #[test]
    fn of_who_is_turned_away_others_are_told_after_a_minute() {
        let gates = Arc::new(Gates::new(1, clock));
        let source = |name: &str| {
            let mut source = TokenSource::new(name, TokenSourceSpec::default());
            source.metadata.namespace = Some("ns".to_owned());
            source
        };
        let told = |name: &str| match gates.visit(&source(name)) {
            Err(Stop::Deferred(deferral)) => Some(deferral.tell),
            _ => None,
        };
        let inside = [gates.visit(&source("a")), gates.visit(&source("b"))];
        assert_eq!(told("c"), Some(false), "a namespace has no more than its share");
        SECONDS.store(59, Ordering::Relaxed);
        assert_eq!(told("c"), Some(false));
        SECONDS.store(61, Ordering::Relaxed);
        assert_eq!(told("c"), Some(true));
        drop(inside);
        assert_eq!(told("c"), None, "now there is room");
        assert!(gates.lock().turned_away.is_empty());
    }
}
