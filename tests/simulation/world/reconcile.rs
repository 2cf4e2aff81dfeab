//! A reconcile, as in `controller::reconcile`, with each call as one event. The product decides what to do, which calls get
//! a token and write it, what to report and when to reconcile again.

use std::iter::successors;

use tokensource::api::from_kubernetes;
use tokensource::decide::limiter::{Admission, Request};
use tokensource::decide::{
    Cause, Deferral, Observed, ObservedAfter, ObtainCall, Outcome, Plan, PublishCall, Target, decide,
    next_status, requeue_after,
};

use super::{Event, World};
use crate::clock::{Instant, MILLISECOND, SECOND, at, instant};
use crate::fleet::{Flight, Phase};
use crate::plane::{READ, SECRET, STATUS};
use crate::product::failing;
use crate::provider::Reply;
use crate::tally::Count;

/// The time until a watch delivers a write.
const WATCH: Instant = 5 * MILLISECOND;

impl World {
    /// `observe`, `decide`, and the limiter.
    pub(super) fn look(&mut self, number: u32) {
        self.tally.count(Count::Look, 1, self.now);
        let (now, version) = (self.now, self.version);
        let source = &mut self.fleet.sources[number as usize];
        let target = std::mem::replace(&mut source.target, Target::Missing);
        let observed = Observed {
            namespace: &self.fleet.namespaces[source.namespace as usize],
            ..self.product.observed((&source.uid, &source.name), &source.status, target, version, now)
        };
        let plan = decide(&observed);
        let request = Request::of(&observed);
        let slice = &mut self.slices[source.slice];
        if !matches!(plan, Plan::Issue(_)) {
            slice.limiter.leave(&request.name, at(now));
        }
        let came = match &plan {
            Plan::Nothing => Some(Outcome::Unchanged),
            Plan::Wait(_) => Some(Outcome::Waiting),
            Plan::Issue(_) => match slice.limiter.acquire(request, at(now)) {
                Admission::Granted => None,
                Admission::Waiting { report, open_reason } => {
                    Some(Outcome::Deferred(Deferral { report, failure: open_reason.map(failing) }))
                }
            },
            other => panic!("this fleet needs no such plan: {other:?}"),
        };
        slice.most_in_flight = slice.most_in_flight.max(slice.limiter.in_flight());
        let (asks, slice) = (came.is_none(), source.slice);
        source.target = observed.target;
        let flight = Flight { looked_at: now, version, plan, sent: None, came, writes: 0 };
        source.flight = Some(Box::new(flight));
        if asks {
            self.read_credentials(number);
        } else {
            self.record(number);
        }
        self.resume_waiters(slice);
    }

    fn read_credentials(&mut self, number: u32) {
        let request = ObtainCall::first(false);
        let others = [request.after_success(), request.after_failure(false)];
        assert_eq!((request, others), (ObtainCall::Request, [None; 2]), "this fleet has no refresh tokens");
        let slice = self.fleet[number].slice;
        let calls = if self.now < self.slices[slice].settled { 2 } else { 1 };
        let when = self.plane.call(READ * calls, self.now);
        self.schedule(when, Event::Send(number));
    }

    pub(super) fn send(&mut self, number: u32) {
        let now = self.now;
        let source = &mut self.fleet.sources[number as usize];
        let slice = source.slice;
        self.laws.sent(source, &self.product, now);
        self.tally.count(Count::Request, 1, now);
        let due = source.status.renew_at.as_ref().map(from_kubernetes);
        let flight = source.flight.as_mut().unwrap();
        if let (Plan::Issue(Cause::RenewalDue), Some(due)) = (&flight.plan, due) {
            self.tally.lateness.push(u32::try_from((now - instant(due)).max(0) / SECOND).unwrap());
        }
        let (reply, answered) = self.provider.ask(now);
        flight.sent = Some((now, reply));
        self.schedule(answered, Event::Answer(number));
        self.slices[slice].give_permit_back(self.fleet.namespace(number));
        self.pump(slice);
    }

    pub(super) fn answer(&mut self, number: u32) {
        let slice = self.fleet[number].slice;
        self.slices[slice].resume(self.fleet.namespace(number), number);
        self.pump(slice);
    }

    /// Continues with the answer and a reconcile permit: returns the limiter's permit, and writes the result.
    pub(super) fn resume(&mut self, number: u32) {
        let now = self.now;
        let source = &mut self.fleet.sources[number as usize];
        let flight = source.flight.as_mut().unwrap();
        let (sent_at, reply) = flight.sent.unwrap();
        let namespace = &self.fleet.namespaces[source.namespace as usize];
        let (name, slice) = ((namespace.as_ref().into(), source.name.as_ref().into()), source.slice);
        self.slices[slice].limiter.release(&name, self.product.answer(reply), at(now));
        let what = match reply {
            Reply::Token => Count::Token,
            Reply::Unavailable => Count::Unavailable,
            Reply::Limited => Count::Limited,
        };
        self.tally.count(what, 1, now);
        flight.came = Some(match (self.product.failure(reply), &flight.plan) {
            (Some(failure), _) => Outcome::Failed(at(now), failure.clone()),
            (None, Plan::Issue(cause)) => {
                self.writes += 1;
                self.tally.count(Count::Rotated, u32::from(*cause == Cause::InputsChanged), now);
                Outcome::Published(self.product.publication(*cause, sent_at, flight.version, self.writes))
            }
            (None, other) => panic!("nobody asked: {other:?}"),
        });
        self.record(number);
        self.resume_waiters(slice);
    }

    /// Makes the status, and writes the status if it has changed. If a token was issued, the token is written before the
    /// status.
    fn record(&mut self, number: u32) {
        let now = self.now;
        let source = &mut self.fleet.sources[number as usize];
        let flight = source.flight.as_mut().unwrap();
        let target = std::mem::replace(&mut source.target, Target::Missing);
        let observed = self.product.observed(
            (&source.uid, &source.name),
            &source.status,
            target,
            flight.version,
            flight.looked_at,
        );
        let outcome = flight.came.as_ref().unwrap();
        let missing_from = match &observed.target {
            Target::Ours(published) => instant(published.expires_at),
            _ => 0,
        };
        let observed_after = ObservedAfter::new(observed, outcome);
        let status = next_status(&observed_after, outcome);
        let target = observed_after.target.clone();
        let secret = matches!(outcome, Outcome::Published(_));
        if let (true, Target::Ours(published)) = (secret, &target) {
            self.tally.replaced(missing_from, now);
            self.tally.missing_from(instant(published.expires_at));
        }
        source.target = target;
        let news = status != source.status;
        source.status = status;
        let first = secret.then(|| PublishCall::first(false));
        let secrets = u32::try_from(successors(first, |call| call.after_success()).count()).unwrap();
        flight.writes = secrets + u32::from(news);
        let cost = SECRET * Instant::from(secrets) + STATUS * Instant::from(news);
        if cost > 0 {
            let when = self.plane.call(cost, now);
            self.schedule(when, Event::Written(number));
        } else {
            self.written(number);
        }
    }

    /// Ends the reconcile, and sets the time of the next reconcile.
    pub(super) fn written(&mut self, number: u32) {
        let now = self.now;
        let source = &mut self.fleet.sources[number as usize];
        let flight = source.flight.take().unwrap();
        let outcome = flight.came.unwrap();
        self.tally.count(Count::Write, flight.writes, now);
        let after = requeue_after(&flight.plan, &outcome, &source.status, None, at(now));
        let mut next = now + Instant::try_from(after.as_micros()).unwrap();
        if source.phase == Phase::Again {
            next = now;
        } else if flight.writes > 0 {
            next = next.min(now + WATCH);
        }
        source.phase = Phase::Idle;
        source.next = next.min(source.next);
        let (next, slice) = (source.next, source.slice);
        self.schedule(next, Event::Due(number));
        self.slices[slice].end(self.fleet.namespace(number));
        self.pump(slice);
    }
}
