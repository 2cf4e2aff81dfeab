//! The limiter of an endpoint: which TokenSources may send a request now, and which are resumed when that changes.
//!
//! Knows permits, a circuit breaker, token buckets, and waiters by namespace and deadline. Must not know the content of a
//! request, nor how a reconcile is started. Time is an argument.

mod breaker;
mod last_two;
mod rate;
mod rates;
mod request;
mod round_robin;
mod waiters;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use compact_str::CompactString;

use super::TokenBucket;
use crate::api::Reason;
use breaker::{Breaker, Failed};
use rates::Rates;
pub use request::{Answer, Name, Need, Request};
pub use round_robin::{Queue, RoundRobin, Shares};
use waiters::{Waiter, Waiters};

/// A resumed TokenSource loses its permit if it has not acquired it within this time.
const LAPSE: TimeDelta = TimeDelta::seconds(30);
/// The rate of status writes about waiting: a burst of 100, then 10 a second, so that they do not take API capacity from the
/// writes of tokens.
const REPORTS: TokenBucket = TokenBucket::full(100.0, 10.0);
/// How long an unused limiter is kept.
const IDLE: TimeDelta = TimeDelta::hours(1);

/// Whether a TokenSource may send its request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Admission {
    /// The request may be sent. The caller must release the permit afterwards.
    Granted,
    /// The TokenSource must wait until it is resumed.
    Waiting {
        /// Whether its status must report the wait.
        report: bool,
        /// Why the circuit breaker is open; None if it is closed.
        open_reason: Option<Reason>,
    },
}

/// The TokenSources to resume, and the time of the next call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resumed {
    /// The TokenSources that may send a request now, or must report their wait.
    pub names: Vec<Name>,
    /// The next instant at which this may change without an event; None if there is none.
    pub next: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug)]
struct Permit {
    request: Request,
    /// Whether this request tests if a failing endpoint works again.
    is_trial: bool,
    /// Whether the TokenSource was resumed and has not yet acquired the permit.
    is_reserved: bool,
    since: DateTime<Utc>,
}

/// The limiter in front of one host: of all users of a ClusterTokenProvider, or of the TokenSources of one namespace with
/// the same connection settings.
#[derive(Clone, Debug)]
pub struct Limiter {
    /// Whether several namespaces use the limiter, so that each is a tenant. Otherwise each client of the one namespace is a
    /// tenant.
    is_shared: bool,
    capacity: usize,
    shares: Shares,
    permits: BTreeMap<Name, Permit>,
    breaker: Breaker,
    rates: Rates,
    waiters: Waiters,
    reports: TokenBucket,
    resumed: Vec<Name>,
    used_at: DateTime<Utc>,
}

impl Limiter {
    /// A limiter with this number of permits.
    pub fn new(permits: usize, is_shared: bool, now: DateTime<Utc>) -> Self {
        let capacity = permits.max(1);
        Self {
            is_shared,
            capacity,
            shares: Shares::new(capacity),
            permits: BTreeMap::new(),
            breaker: Breaker::default(),
            rates: Rates::default(),
            waiters: Waiters::default(),
            reports: REPORTS,
            resumed: Vec::new(),
            used_at: now,
        }
    }

    /// Grants a permit, or adds the TokenSource to the waiters. [`Self::resume`] returns the effect on others.
    pub fn acquire(&mut self, request: Request, now: DateTime<Utc>) -> Admission {
        self.used_at = now;
        let name = request.name.clone();
        let tenant = self.tenant(&request);
        self.breaker.see(&tenant, now);
        self.rates.see(&tenant);
        if let Some(permit) = self.permits.get_mut(&name) {
            let may_go = permit.is_trial || self.breaker.open_reason().is_none();
            if permit.is_reserved && may_go && permit.request.credentials == request.credentials {
                (permit.request, permit.is_reserved, permit.since) = (request, false, now);
                self.rates.count(now);
                return Admission::Granted;
            }
            self.give_back(&name);
        }
        self.waiters.join(request, now);
        self.grant(now);
        if let Some(permit) = self.permits.get_mut(&name) {
            permit.is_reserved = false;
            self.resumed.retain(|resumed| *resumed != name);
            self.rates.count(now);
            return Admission::Granted;
        }
        let open_reason = self.breaker.open_reason();
        if open_reason.is_some() && !self.waiters.is_reported(&name) && self.reports.take(now) {
            self.waiters.report(&name);
        }
        Admission::Waiting { report: self.waiters.is_reported(&name), open_reason }
    }

    /// Returns the permit after a request that was answered in this way or was not sent.
    pub fn release(&mut self, name: &Name, answer: Answer, now: DateTime<Utc>) {
        self.used_at = now;
        let Some(Permit { request, is_trial, since: sent_at, .. }) = self.give_back(name) else { return };
        let client = request.client();
        match answer {
            Answer::Succeeded => {
                self.rates.increase(&client, sent_at, now);
                if self.breaker.succeed(is_trial, sent_at, now) {
                    self.rates.recover(now);
                }
            }
            Answer::Failed(_) if self.breaker.is_its_own(request.last_failure) => {
                if is_trial {
                    self.breaker.pause(now);
                }
            }
            Answer::Failed(reason) => {
                let (tenant, proven) = (self.tenant(&request), request.last_success.is_some());
                let failed = Failed { name: request.name, tenant, proven, sent_at, reason };
                self.breaker.fail(failed, is_trial, now);
            }
            Answer::Limited => {
                let tenant = self.tenant(&request);
                let is_alone = self.breaker.is_alone(&tenant, now);
                self.rates.decrease(client, tenant, is_alone, sent_at, now);
            }
            Answer::Unrelated => {}
        }
        self.grant(now);
    }

    /// Removes a TokenSource that does not need a token any more or no longer exists.
    pub fn leave(&mut self, name: &Name, now: DateTime<Utc>) {
        if self.permits.get(name).is_some_and(|permit| permit.is_reserved) {
            self.give_back(name);
        }
        self.waiters.remove(name);
        self.grant(now);
    }

    /// The TokenSources to resume now. Must be called after each change, and at the instant that the last call returned.
    pub fn resume(&mut self, now: DateTime<Utc>) -> Resumed {
        let lapsed = |permit: &Permit| permit.is_reserved && now - permit.since >= LAPSE;
        let lapsed: Vec<Name> =
            self.permits.iter().filter(|(_, permit)| lapsed(permit)).map(|(name, _)| name.clone()).collect();
        for name in &lapsed {
            self.give_back(name);
        }
        self.grant(now);
        while let Some((_, name)) = self.waiters.next_report().filter(|(at, _)| *at <= now)
            && self.reports.take(now)
        {
            self.waiters.report(&name);
            self.resumed.push(name);
        }
        Resumed { names: std::mem::take(&mut self.resumed), next: self.next(now) }
    }

    /// The number of waiting TokenSources.
    pub fn waiting(&self) -> usize {
        self.waiters.len() + self.permits.values().filter(|permit| permit.is_reserved).count()
    }

    /// The number of requests that are being sent.
    pub fn in_flight(&self) -> usize {
        self.permits.values().filter(|permit| !permit.is_reserved).count()
    }

    /// Whether the breaker is open.
    pub fn is_open(&self) -> bool {
        self.breaker.open_reason().is_some()
    }

    /// Whether the limiter has been unused for `IDLE`.
    pub fn is_idle(&self, now: DateTime<Utc>) -> bool {
        self.is_unused() && now - self.used_at >= IDLE
    }

    /// Whether no TokenSource waits or sends a request.
    pub fn is_unused(&self) -> bool {
        self.permits.is_empty() && self.waiters.is_empty()
    }

    /// When the limiter was last used.
    pub const fn used_at(&self) -> DateTime<Utc> {
        self.used_at
    }

    /// The tenant of a request. The failures of a single tenant prove nothing about an endpoint that others use.
    fn tenant(&self, request: &Request) -> CompactString {
        if self.is_shared { request.name.0.clone() } else { request.credentials.clone() }
    }

    fn give_back(&mut self, name: &Name) -> Option<Permit> {
        let permit = self.permits.remove(name)?;
        self.shares.give_back(&name.0);
        self.resumed.retain(|resumed| resumed != name);
        Some(permit)
    }

    /// Grants permits while there is a waiter that may have one. The TokenSources that get one are resumed.
    fn grant(&mut self, now: DateTime<Utc>) {
        self.rates.forget(now);
        while self.permits.len() < self.capacity {
            let is_trial = self.breaker.open_reason().is_some();
            let next = if is_trial { self.next_trial(now) } else { self.next_in_turn(now) };
            let Some(Waiter { request, .. }) = next else { break };
            self.shares.take(&request.name.0);
            self.rates.take(&request, now);
            self.resumed.push(request.name.clone());
            let permit = Permit { request, is_trial, is_reserved: true, since: now };
            self.permits.insert(permit.request.name.clone(), permit);
        }
    }

    fn next_in_turn(&mut self, now: DateTime<Utc>) -> Option<Waiter> {
        if !self.rates.permit_any(now) {
            return None;
        }
        let (rates, shares) = (&self.rates, &self.shares);
        let has_room = |namespace: &str| !self.is_shared || shares.has_room(namespace);
        self.waiters.take(has_room, |namespace, client| rates.permit(namespace, client, now))
    }

    /// The next waiter to test the endpoint with; one at a time. In this order:
    ///
    /// - After the pause, or without a pause if [`Breaker::admits_proven`]: the waiter with the most recent success of the
    ///   same inputs. If several tenants have failed, only waiters of tenants without failures.
    /// - Without a pause, if [`Breaker::admits_others`]: the next waiter of a tenant without failures.
    /// - After the pause, until a trial fails: any waiter.
    ///
    /// Waiters whose client is limited are left out until the rate permits a request: the 429s of one client would follow one
    /// another without a pause.
    fn next_trial(&mut self, now: DateTime<Utc>) -> Option<Waiter> {
        if self.permits.values().any(|permit| permit.is_trial) {
            return None;
        }
        let (breaker, rates, is_shared) = (&self.breaker, &self.rates, self.is_shared);
        let any = |_: &str| true;
        let is_permitted = rates.permit_any(now);
        let may_send =
            |namespace: &str, client: &CompactString| is_permitted && rates.permit(namespace, client, now);
        let is_well = |namespace: &str, client: &CompactString| {
            !breaker.has_failed(if is_shared { namespace } else { client }) && may_send(namespace, client)
        };
        let is_time = breaker.until().is_some_and(|until| now >= until);
        let is_one = breaker.admits_others();
        if (is_time || breaker.admits_proven())
            && let Some(proven) = self.waiters.take_proven(|namespace, client| {
                if is_one { may_send(namespace, client) } else { is_well(namespace, client) }
            })
        {
            return Some(proven);
        }
        if is_one && let Some(other) = self.waiters.take(any, is_well) {
            return Some(other);
        }
        if is_time && breaker.is_in_round() {
            self.breaker.pause(now);
            return None;
        }
        if is_time {
            self.waiters.take_proven(may_send).or_else(|| self.waiters.take(any, may_send))
        } else {
            None
        }
    }

    /// The next instant at which a waiter may get a permit or must report its wait.
    fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let lapse =
            self.permits.values().filter(|permit| permit.is_reserved).map(|permit| permit.since + LAPSE);
        let mut instants: Vec<DateTime<Utc>> = lapse.min().into_iter().collect();
        instants.extend(self.waiters.next_report().map(|(at, _)| at.max(self.reports.available_at(now))));
        if !self.waiters.is_empty() {
            instants.extend(self.rates.instants(now));
            instants.extend(self.breaker.until());
        }
        // Everything that is possible now has been done.
        instants.into_iter().filter(|instant| *instant > now).min()
    }
}

#[cfg(test)]
mod tests;
