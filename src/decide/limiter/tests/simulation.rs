//! A fleet behind one limiter, in virtual time. Knows the answers to each TokenSource; must not know what a test expects of
//! the limiter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::decide::fixture::failure;
use crate::oauth::Retry;

/// The answers to requests. An answer takes a tenth of a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Endpoint {
    /// Every answer is a token.
    Healthy,
    /// Every answer is this failure.
    Fails(Reason),
    /// The endpoint answers 429 above this number of requests a second for each client.
    Limits(f64),
}

pub(super) struct Source {
    pub(super) request: Request,
    pub(super) endpoint: Endpoint,
    /// The lifetime of its tokens, in seconds. A renewal is due after half of the lifetime.
    pub(super) lifetime: i64,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) due: DateTime<Utc>,
    failures: u32,
    is_limited: bool,
    /// How many of its tokens expired before the next one was issued.
    pub(super) expired: usize,
    pub(super) issued: usize,
    under_way: bool,
}

impl Source {
    /// A TokenSource with a token of this age in seconds, or without a token.
    pub(super) fn new(request: Request, endpoint: Endpoint, lifetime: i64, age: Option<i64>) -> Self {
        let expires_at = age.map(|age| at(lifetime - age));
        let due = age.map_or(at(0), |age| at(lifetime / 2 - age));
        let mut source = Self {
            request,
            endpoint,
            lifetime,
            expires_at,
            due,
            failures: 0,
            is_limited: false,
            expired: 0,
            issued: 0,
            under_way: false,
        };
        source.request.last_success = age.map(|age| at(-age));
        source
    }

    /// The request, with the need that [`Request::of`] would find.
    fn next_request(&mut self, now: DateTime<Utc>) -> Request {
        self.request.need = match (self.expires_at, self.failures) {
            (None, _) => Need::First,
            (Some(expires_at), 0) => Need::Renewal(expires_at),
            (Some(expires_at), _) if self.is_limited && now < expires_at => Need::Renewal(expires_at),
            (Some(expires_at), _) => Need::Retry(expires_at),
        };
        self.request.clone()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A reconcile of this TokenSource, which wants a token.
    Reconcile(usize),
    /// The answer to the request of this TokenSource.
    Answered(usize),
    /// The instant at which the limiter must be called again.
    Timer,
}

pub(super) struct World {
    pub(super) sources: Vec<Source>,
    limiter: Limiter,
    buckets: BTreeMap<CompactString, TokenBucket>,
    events: BinaryHeap<Reverse<(DateTime<Utc>, Event)>>,
    timer: Option<DateTime<Utc>>,
    pub(super) now: DateTime<Utc>,
}

impl World {
    pub(super) fn new(sources: Vec<Source>, is_shared: bool) -> Self {
        let limiter = Limiter::new(16, is_shared, at(0));
        let events = sources
            .iter()
            .enumerate()
            .map(|(index, source)| Reverse((source.due, Event::Reconcile(index))))
            .collect();
        Self { sources, limiter, buckets: BTreeMap::new(), events, timer: None, now: at(0) }
    }

    pub(super) fn run(&mut self, seconds: i64) {
        while let Some(Reverse((now, event))) = self.events.pop() {
            if now >= at(seconds) {
                break;
            }
            self.now = now;
            match event {
                Event::Reconcile(index) => self.reconcile(index),
                Event::Answered(index) => self.answered(index),
                Event::Timer => self.timer = None,
            }
            let resumed = self.limiter.resume(now);
            for name in resumed.names {
                let index = self.sources.iter().position(|source| source.request.name == name).unwrap();
                self.events.push(Reverse((now + TimeDelta::milliseconds(1), Event::Reconcile(index))));
            }
            if let Some(next) = resumed.next.filter(|next| self.timer.is_none_or(|timer| timer > *next)) {
                self.timer = Some(next);
                self.events.push(Reverse((next, Event::Timer)));
            }
        }
        self.now = at(seconds);
        let now = self.now;
        for source in &mut self.sources {
            source.expired += usize::from(source.expires_at.is_some_and(|expires_at| expires_at < now));
        }
    }

    fn reconcile(&mut self, index: usize) {
        let source = &mut self.sources[index];
        if source.under_way {
            return;
        }
        if self.limiter.acquire(source.next_request(self.now), self.now) == Admission::Granted {
            source.under_way = true;
            self.events.push(Reverse((self.now + TimeDelta::milliseconds(100), Event::Answered(index))));
        }
    }

    fn answered(&mut self, index: usize) {
        let now = self.now;
        let source = &mut self.sources[index];
        source.under_way = false;
        let reason = match source.endpoint {
            Endpoint::Healthy => None,
            Endpoint::Fails(reason) => Some(reason),
            Endpoint::Limits(rate) => {
                let bucket = self.buckets.entry(source.request.credentials.clone());
                let has_room = bucket.or_insert(TokenBucket::full(rate.max(1.0), rate)).take(now);
                (!has_room).then_some(Reason::RateLimited)
            }
        };
        let answer = match reason {
            None => {
                let expired = source.expires_at.is_some_and(|expires_at| expires_at < now);
                source.expired += usize::from(expired);
                source.issued += 1;
                source.expires_at = Some(now + TimeDelta::seconds(source.lifetime));
                (source.request.last_success, source.request.last_failure) = (Some(now), None);
                (source.failures, source.is_limited) = (0, false);
                source.due = now + TimeDelta::seconds(source.lifetime / 2);
                Answer::Succeeded
            }
            Some(reason) => {
                source.failures += 1;
                source.is_limited = reason == Reason::RateLimited;
                source.request.last_failure = Some(now);
                let wait = 2_i64.pow(source.failures.min(8)).min(300);
                source.due = now + TimeDelta::seconds(wait);
                Answer::from(&failure(reason, Retry::TRANSIENT))
            }
        };
        let (name, due) = (source.request.name.clone(), source.due);
        self.limiter.release(&name, answer, now);
        self.events.push(Reverse((due, Event::Reconcile(index))));
    }
}
