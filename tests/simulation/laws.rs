//! The laws for every request in every scenario, checked without the tested code where possible. Knows the rules; must not
//! know how they are implemented.

use tokensource::api::from_kubernetes;
use tokensource::decide::Target;
use tokensource::decide::schedule::due_between;

use crate::clock::{Instant, SECOND, at};
use crate::fleet::{Flight, Source};
use crate::product::Product;
use crate::tally::Count;
use crate::world::World;

/// The minimum interval between two requests for one TokenSource, 5 s, less a second for rounding.
const DISTANCE: Instant = 4 * SECOND;

#[derive(Default)]
pub(crate) struct Laws {
    /// Requests whose answer was lost.
    lost: u64,
    broken: Vec<String>,
}

impl Laws {
    /// Checks a request when it is sent.
    pub(crate) fn sent(&mut self, source: &mut Source, product: &Product, now: Instant) {
        let version = source.flight.as_ref().unwrap().version;
        if let Target::Ours(published) = &source.target
            && published.inputs_fingerprint == product.inputs_fingerprint(version)
        {
            let (earliest, _) = due_between(product.lifetime, &product.spec.renewal);
            let due = published.issued_at + earliest;
            self.hold(at(now) >= due, || {
                format!("{}: a request at {} for a token due at {due}", source.uid, at(now))
            });
        }
        // A request with other credentials need not wait because of a failure of the previous credentials.
        let failed = source.status.failed_inputs.as_deref() == Some(product.attempted(version));
        if let (true, Some(retry_at)) = (failed, &source.status.retry_at) {
            let retry_at = from_kubernetes(retry_at);
            self.hold(at(now) >= retry_at, || {
                format!("{}: a request at {} before {retry_at}", source.uid, at(now))
            });
        }
        if let Some(asked_at) = source.asked_at.replace(now) {
            self.hold(now - asked_at >= DISTANCE, || format!("{}: asked twice within 4 s", source.uid));
        }
    }

    /// Counts a request whose answer is lost, because the controller crashed during this reconcile.
    pub(crate) fn lost(&mut self, flight: &Flight) {
        self.lost += u64::from(flight.sent.is_some() && flight.came.is_none());
    }

    fn hold(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.broken.len() < 10 {
            self.broken.push(what());
        }
    }

    /// The broken laws.
    pub(crate) fn broken(&self) -> &[String] {
        &self.broken
    }
}

/// Makes the checks at the end, and returns all broken laws.
pub(crate) fn verdict(world: &World, end: Instant) -> Vec<String> {
    let mut broken = world.laws.broken().to_vec();
    let mut check = |holds: bool, what: String| {
        if !holds {
            broken.push(what);
        }
    };
    let total = |what| world.tally.total(what);
    let under_way = |source: &&Source| {
        source.flight.as_ref().is_some_and(|flight| flight.sent.is_some() && flight.came.is_none())
    };
    let under_way = u64::try_from(world.fleet.sources.iter().filter(under_way).count()).unwrap();
    let (requests, tokens) = (total(Count::Request), total(Count::Token));
    let answered = tokens + total(Count::Unavailable) + total(Count::Limited);
    check(
        requests == answered + under_way + world.laws.lost,
        format!("{requests} requests, {answered} answers, {under_way} under way, {} lost", world.laws.lost),
    );
    let without =
        world.fleet.sources.iter().filter(|source| source.expires_at().is_none_or(|ends| ends < end));
    check(without.clone().count() == 0, format!("{} without a token at the end", without.count()));
    for (number, slice) in world.slices.iter().enumerate() {
        let (waiting, most) = (slice.limiter.waiting(), slice.most_in_flight);
        let is_calm = waiting <= 2 * slice.concurrency && !slice.limiter.is_open();
        check(is_calm, format!("{waiting} wait at limiter {number} at the end"));
        check(most <= slice.concurrency, format!("{most} requests at the same time in slice {number}"));
    }
    broken
}
