//! The rates of a limiter: of each client that got a 429, and of all requests if the provider limits clients together. Knows
//! tenants, clients and the requests of the last second. Must not know who waits, nor whether the endpoint fails.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use compact_str::CompactString;

use super::last_two::LastTwo;
use super::rate::{Meter, Rate};
use super::request::{Client, Request};

/// If two tenants get a 429 within this time, the provider is assumed to limit them together and not separately. Tenants are
/// namespaces, or the clients of one namespace.
const TOGETHER: TimeDelta = TimeDelta::seconds(30);

/// The maximum number of limited clients. The 429s of further clients are ignored: the limit bounds memory and work if credentials
/// are recreated again and again.
const CLIENTS: usize = 1024;

/// The rates of one limiter.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    /// The rate of all requests, while it is limited.
    all: Option<Rate>,
    /// The tenant whose clients alone have caused `all`, while no other tenant was present. The limit may be of this tenant only,
    /// so `all` ends when another tenant makes a request.
    alone: Option<CompactString>,
    /// The rates of limited clients.
    clients: BTreeMap<Client, Rate>,
    limited_tenants: LastTwo<CompactString>,
    limited_clients: LastTwo<CompactString>,
    meter: Meter,
    forgotten_at: Option<DateTime<Utc>>,
}

impl Rates {
    /// Notes that this tenant makes a request.
    pub(super) fn see(&mut self, tenant: &CompactString) {
        if self.alone.take_if(|alone| alone != tenant).is_some() {
            self.all = None;
        }
    }

    /// Counts a request that is sent.
    pub(super) fn count(&mut self, now: DateTime<Utc>) {
        self.meter.count(now);
    }

    /// Forgets the limits that have ended, once a second: each call of the limiter calls this.
    pub(super) fn forget(&mut self, now: DateTime<Utc>) {
        if self.forgotten_at.is_some_and(|at| at <= now && now - at < TimeDelta::seconds(1)) {
            return;
        }
        self.forgotten_at = Some(now);
        self.all.take_if(|rate| rate.is_over(now));
        self.clients.retain(|_, rate| !rate.is_over(now));
    }

    /// Whether any request may be sent now.
    pub(super) fn permit_any(&self, now: DateTime<Utc>) -> bool {
        self.all.as_ref().is_none_or(|rate| rate.bucket.available_at(now) <= now)
    }

    /// Whether the rate of this client permits a request now.
    pub(super) fn permit(&self, namespace: &str, client: &CompactString, now: DateTime<Utc>) -> bool {
        let rate = self.clients.get(&(namespace.into(), client.clone()));
        rate.is_none_or(|rate| rate.bucket.available_at(now) <= now)
    }

    /// Takes a token for a request from each bucket that it needs.
    pub(super) fn take(&mut self, request: &Request, now: DateTime<Utc>) {
        for rate in self.all.iter_mut().chain(self.clients.get_mut(&request.client())) {
            rate.bucket.take(now);
        }
    }

    /// Increases the rates after a success of this client.
    pub(super) fn increase(&mut self, client: &Client, sent_at: DateTime<Utc>, now: DateTime<Utc>) {
        for rate in self.all.iter_mut().chain(self.clients.get_mut(client)) {
            rate.increase(sent_at, now);
        }
    }

    /// Limits all requests after the circuit breaker has closed. The limit of a tenant that was alone is not remembered.
    pub(super) fn recover(&mut self, now: DateTime<Utc>) {
        let before = self.all.as_ref().filter(|_| self.alone.is_none());
        self.all = Some(Rate::after_recovery(before, now));
        self.alone = None;
    }

    /// Limits the client that got a 429. All requests are limited instead if the provider limits together the clients of two
    /// tenants, or two clients of a tenant that is alone.
    pub(super) fn decrease(
        &mut self,
        client: Client,
        tenant: CompactString,
        is_alone: bool,
        sent_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) {
        let since = now - TOGETHER;
        let two_tenants = self.limited_tenants.has_another(&tenant, since);
        let together = two_tenants || is_alone && self.limited_clients.has_another(&client.1, since);
        self.limited_tenants.note(tenant.clone(), now);
        self.limited_clients.note(client.1.clone(), now);
        if two_tenants {
            self.alone = None;
        }
        if let Some(rate) = self.clients.get_mut(&client) {
            rate.decrease(sent_at, now);
            return;
        }
        let begun = Rate::below(self.meter.rate(now), now);
        if !together {
            if self.clients.len() < CLIENTS {
                self.clients.insert(client, begun);
            }
            return;
        }
        if !two_tenants && self.all.as_ref().is_none_or(|rate| !rate.knows_limit()) {
            self.alone = Some(tenant);
        }
        match &mut self.all {
            Some(rate) => rate.decrease(sent_at, now),
            None => self.all = Some(begun),
        }
    }

    /// Whether any rate is limited.
    #[cfg(test)]
    pub(super) fn limit_any(&self) -> bool {
        self.all.is_some() || !self.clients.is_empty()
    }

    /// When each bucket has a token.
    pub(super) fn instants(&self, now: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        self.all.iter().chain(self.clients.values()).map(move |rate| rate.bucket.available_at(now))
    }
}
