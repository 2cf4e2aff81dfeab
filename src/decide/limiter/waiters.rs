//! The TokenSources that wait for a limiter: namespaces in turn, and within a namespace by the expiry of the token. Knows
//! names, deadlines and clients. Must not know what they wait for.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use compact_str::CompactString;

use super::round_robin::{Queue, RoundRobin};
use super::{Name, Request};

/// The time after which a status reports the wait.
const UNREPORTED: TimeDelta = TimeDelta::minutes(1);

/// A waiting TokenSource.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    pub(super) request: Request,
    deadline: DateTime<Utc>,
    since: DateTime<Utc>,
    /// Whether its status must report the wait.
    reported: bool,
}

type Deadline = (DateTime<Utc>, CompactString);

/// The waiters of one namespace, by client, so that a limited client is skipped immediately.
#[derive(Clone, Debug, Default)]
pub(super) struct OfNamespace {
    clients: BTreeMap<CompactString, BTreeSet<Deadline>>,
    /// The first waiter of each client.
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

    /// The name with the earliest deadline among the clients for which `may_send` is true.
    fn first(&self, may_send: impl Fn(&CompactString) -> bool) -> Option<CompactString> {
        self.heads.iter().find(|(_, client)| may_send(client)).map(|((_, name), _)| name.clone())
    }
}

/// All waiting TokenSources.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiters {
    all: BTreeMap<Name, Waiter>,
    namespaces: RoundRobin<OfNamespace>,
    /// The waiters whose inputs succeeded and have not failed since: the most recent success first.
    proven: BTreeSet<(Reverse<DateTime<Utc>>, Name)>,
    /// The waiters whose status does not report the wait yet, in the order of their arrival.
    unreported: BTreeSet<(DateTime<Utc>, Name)>,
}

impl Waiters {
    /// Adds a waiter. A TokenSource that waits already keeps its arrival time, although its deadline may have changed.
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

    /// Takes the next waiter of the namespaces with room and of the clients that may send: namespaces in turn, and within a
    /// namespace the earliest deadline.
    pub(super) fn take(
        &mut self,
        has_room: impl Fn(&str) -> bool,
        may_send: impl Fn(&str, &CompactString) -> bool,
    ) -> Option<Waiter> {
        let waiter = self.namespaces.take(|namespace, queue| {
            let name = has_room(namespace).then(|| queue.first(|client| may_send(namespace, client)))??;
            let waiter = self.all.remove(&(namespace.into(), name))?;
            queue.remove(&waiter);
            Some(waiter)
        })?;
        self.drop_from_lists(&waiter);
        Some(waiter)
    }

    /// Takes the waiter with the most recent success, among those whose inputs have not failed since and whose clients may send.
    pub(super) fn take_proven(&mut self, may_send: impl Fn(&str, &CompactString) -> bool) -> Option<Waiter> {
        let name = self.proven.iter().map(|(_, name)| name).find(|name| {
            let waiter = self.all.get(*name);
            waiter.is_some_and(|waiter| may_send(&name.0, &waiter.request.credentials))
        })?;
        self.remove(&name.clone())
    }

    /// Whether the status of this waiter must report the wait.
    pub(super) fn is_reported(&self, name: &Name) -> bool {
        self.all.get(name).is_some_and(|waiter| waiter.reported)
    }

    pub(super) fn report(&mut self, name: &Name) {
        if let Some(waiter) = self.all.get_mut(name) {
            waiter.reported = true;
            self.unreported.remove(&(waiter.since, name.clone()));
        }
    }

    /// The next waiter whose status must report the wait, and when.
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
