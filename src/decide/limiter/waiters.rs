//! Those that wait at a limiter: namespaces in turn, and within a namespace whose token expires soonest.
//! Knows names, deadlines and clients. Must not know what they wait for.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use compact_str::CompactString;

use super::in_turn::{InTurn, Queue};
use super::{Name, Request};

/// A TokenSource whose wait has lasted so long is to say so in its status.
const UNREPORTED: TimeDelta = TimeDelta::minutes(1);

/// One that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    pub(super) request: Request,
    deadline: DateTime<Utc>,
    since: DateTime<Utc>,
    /// Its status is to say that it waits.
    reported: bool,
}

type Deadline = (DateTime<Utc>, CompactString);

/// Those of one namespace, by client, so that a client that is held back is passed over at once.
#[derive(Clone, Debug, Default)]
pub(super) struct OfNamespace {
    clients: BTreeMap<CompactString, BTreeSet<Deadline>>,
    /// The first of each client.
    heads: BTreeSet<(Deadline, CompactString)>,
}

impl Queue for OfNamespace {
    fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }
}

impl OfNamespace {
    fn insert(&mut self, waiter: &Waiter) {
        let place = (waiter.deadline, waiter.request.name.1.clone());
        self.change(&waiter.request.credentials, |waiting| waiting.insert(place));
    }

    fn remove(&mut self, waiter: &Waiter) {
        let place = (waiter.deadline, waiter.request.name.1.clone());
        self.change(&waiter.request.credentials, |waiting| waiting.remove(&place));
    }

    fn change(&mut self, client: &CompactString, change: impl FnOnce(&mut BTreeSet<Deadline>) -> bool) {
        let waiting = self.clients.entry(client.clone()).or_default();
        let before = waiting.first().cloned();
        change(waiting);
        let after = waiting.first().cloned();
        if waiting.is_empty() {
            self.clients.remove(client);
        }
        if before != after {
            before.map(|head| self.heads.remove(&(head, client.clone())));
            after.map(|head| self.heads.insert((head, client.clone())));
        }
    }

    /// The name whose deadline is the first, of the clients that may ask.
    fn first(&self, may_ask: impl Fn(&CompactString) -> bool) -> Option<CompactString> {
        self.heads.iter().find(|(_, client)| may_ask(client)).map(|((_, name), _)| name.clone())
    }
}

/// Those that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiters {
    all: BTreeMap<Name, Waiter>,
    namespaces: InTurn<OfNamespace>,
    /// Those that have had a token with the same inputs, and have not failed since: the last success first.
    proven: BTreeSet<(Reverse<DateTime<Utc>>, Name)>,
    /// Those whose status does not say yet that they wait, in the order in which they came.
    unreported: BTreeSet<(DateTime<Utc>, Name)>,
}

impl Waiters {
    /// Takes one in. One that waits already keeps its place in time, though it may need a token sooner or later by now.
    pub(super) fn join(&mut self, request: Request, now: DateTime<Utc>) {
        let name = request.name.clone();
        let before = self.all.remove(&name);
        let (since, reported) =
            before.as_ref().map_or((now, false), |before| (before.since, before.reported));
        let waiter = Waiter { deadline: request.need.deadline(since), request, since, reported };
        self.namespaces.update(&name.0, |queue| {
            if let Some(before) = &before {
                queue.remove(before);
            }
            queue.insert(&waiter);
        });
        if let Some(before) = &before {
            self.drop_from_lists(before);
        }
        if !reported {
            self.unreported.insert((since, name.clone()));
        }
        if let Some(succeeded_at) = waiter.request.is_well_since() {
            self.proven.insert((Reverse(succeeded_at), name.clone()));
        }
        self.all.insert(name, waiter);
    }

    pub(super) fn remove(&mut self, name: &Name) -> Option<Waiter> {
        let waiter = self.all.remove(name)?;
        self.namespaces.update(&name.0, |queue| queue.remove(&waiter));
        self.drop_from_lists(&waiter);
        Some(waiter)
    }

    /// The next one, of the clients that may ask: namespaces in turn, and within one the first deadline.
    pub(super) fn take(&mut self, may_ask: impl Fn(&str, &CompactString) -> bool) -> Option<Waiter> {
        let waiter = self.namespaces.take(|namespace, queue| {
            let name = queue.first(|client| may_ask(namespace, client))?;
            let waiter = self.all.remove(&(namespace.into(), name))?;
            queue.remove(&waiter);
            Some(waiter)
        })?;
        self.drop_from_lists(&waiter);
        Some(waiter)
    }

    /// The one whose same inputs succeeded last and have not failed since, of the tenants that have not failed either.
    pub(super) fn take_proven(
        &mut self,
        has_failed: impl Fn(&str, &CompactString) -> bool,
    ) -> Option<Waiter> {
        let name = self.proven.iter().map(|(_, name)| name).find(|name| {
            let waiter = self.all.get(*name);
            waiter.is_some_and(|waiter| !has_failed(&name.0, &waiter.request.credentials))
        })?;
        self.remove(&name.clone())
    }

    /// Whether the status of this one is to say that it waits.
    pub(super) fn is_reported(&self, name: &Name) -> bool {
        self.all.get(name).is_some_and(|waiter| waiter.reported)
    }

    pub(super) fn report(&mut self, name: &Name) {
        if let Some(waiter) = self.all.get_mut(name) {
            waiter.reported = true;
            self.unreported.remove(&(waiter.since, name.clone()));
        }
    }

    /// The next one whose status is to say that it waits, and when.
    pub(super) fn next_report(&self) -> Option<(DateTime<Utc>, Name)> {
        self.unreported.first().map(|(since, name)| (*since + UNREPORTED, name.clone()))
    }

    #[cfg(test)]
    pub(super) fn has(&self, name: &Name) -> bool {
        self.all.contains_key(name)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn drop_from_lists(&mut self, waiter: &Waiter) {
        let name = &waiter.request.name;
        self.unreported.remove(&(waiter.since, name.clone()));
        if let Some(succeeded_at) = waiter.request.is_well_since() {
            self.proven.remove(&(Reverse(succeeded_at), name.clone()));
        }
    }
}
