//! The TokenSources: their state in the API server in the product's own types, and the progress of their reconciles. Knows
//! the beginning of a fleet; must not know what happens to it.

use std::ops::{Index, IndexMut};

use tokensource::api::TokenSourceStatus;
use tokensource::decide::schedule::{Life, renew_at};
use tokensource::decide::{Cause, ObservedAfter, Outcome, Plan, Target, next_status, requeue_after};

use crate::clock::{Instant, SECOND, at, instant};
use crate::product::Product;
use crate::provider::Reply;
use crate::random::Random;
use crate::scenario::Scenario;
use crate::tally::Tally;

/// The number of TokenSources in a namespace.
const NAMESPACE: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    Queued,
    Running,
    /// A reconcile is in progress, and another reconcile was triggered meanwhile.
    Again,
}

/// A reconcile in progress.
pub(crate) struct Flight {
    pub(crate) looked_at: Instant,
    /// The version of the credentials.
    pub(crate) version: usize,
    pub(crate) plan: Plan,
    pub(crate) sent: Option<(Instant, Reply)>,
    pub(crate) came: Option<Outcome>,
    pub(crate) writes: u32,
}

pub(crate) struct Source {
    pub(crate) uid: Box<str>,
    /// Its number.
    pub(crate) name: Box<str>,
    pub(crate) namespace: u32,
    pub(crate) slice: usize,
    pub(crate) status: TokenSourceStatus,
    pub(crate) target: Target,
    pub(crate) phase: Phase,
    /// When the TokenSource is reconciled next.
    pub(crate) next: Instant,
    pub(crate) flight: Option<Box<Flight>>,
    /// When a request was last sent for the TokenSource.
    pub(crate) asked_at: Option<Instant>,
}

pub(crate) struct Fleet {
    pub(crate) sources: Vec<Source>,
    pub(crate) namespaces: Vec<Box<str>>,
}

impl Fleet {
    pub(crate) fn new(scenario: &Scenario, product: &Product, tally: &mut Tally) -> Self {
        let mut random = Random::new(scenario.seed);
        let sources = (0..scenario.count)
            .map(|number| {
                let namespace = number / NAMESPACE;
                let mut source = Source {
                    uid: random.uid(),
                    name: number.to_string().into(),
                    namespace: u32::try_from(namespace).unwrap(),
                    slice: namespace % scenario.slices,
                    status: TokenSourceStatus::default(),
                    target: Target::Missing,
                    phase: Phase::Idle,
                    next: 0,
                    flight: None,
                    asked_at: None,
                };
                if scenario.cold {
                    tally.missing_from(0);
                } else {
                    source.has_a_token(product, &mut random, scenario.age);
                    tally.missing_from(source.expires_at().unwrap());
                }
                source
            })
            .collect();
        let namespaces =
            (0..scenario.count.div_ceil(NAMESPACE)).map(|number| format!("team-{number}").into()).collect();
        Self { sources, namespaces }
    }

    pub(crate) fn namespace(&self, number: u32) -> &str {
        &self.namespaces[self[number].namespace as usize]
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.sources.len()).unwrap()
    }
}

impl Source {
    /// The state after a long time without disturbances: at a random time between two renewals, or not older than `age`.
    fn has_a_token(&mut self, product: &Product, random: &mut Random, age: Option<i64>) {
        let life = Life { issued_at: at(0), expires_at: at(0) + product.lifetime };
        let round = instant(renew_at(life, &product.spec.renewal, &self.uid, None)) / SECOND;
        let issued_at = -random.between(0, age.unwrap_or(round)) * SECOND;
        let outcome = Outcome::Published(product.publication(Cause::TokenPending, issued_at, 0, 0));
        let observed = product.observed((&self.uid, &self.name), &self.status, Target::Missing, 0, issued_at);
        let observed_after = ObservedAfter::new(observed, &outcome);
        let status = next_status(&observed_after, &outcome);
        self.target = observed_after.target.clone();
        self.status = status;
        let after = requeue_after(&Plan::Nothing, &Outcome::Unchanged, &self.status, None, at(0));
        self.next = Instant::try_from(after.as_micros()).unwrap();
    }

    /// When the token in the target expires.
    pub(crate) fn expires_at(&self) -> Option<Instant> {
        match &self.target {
            Target::Ours(published) => Some(instant(published.expires_at)),
            _ => None,
        }
    }
}

impl Index<u32> for Fleet {
    type Output = Source;

    fn index(&self, number: u32) -> &Source {
        &self.sources[number as usize]
    }
}

impl IndexMut<u32> for Fleet {
    fn index_mut(&mut self, number: u32) -> &mut Source {
        &mut self.sources[number as usize]
    }
}
