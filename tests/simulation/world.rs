//! The simulation: events in the order of time. Knows queues and triggers; must not know the expected results.

mod reconcile;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::clock::{Instant, SECOND, at, instant};
use crate::fleet::{Fleet, Phase};
use crate::laws::Laws;
use crate::plane::Plane;
use crate::product::Product;
use crate::provider::Provider;
use crate::scenario::Scenario;
use crate::slice::{Slice, Task};
use crate::tally::Tally;

/// The time until another replica leads.
const FAILOVER: Instant = 20 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A reconcile is due, if this is still the set time.
    Due(u32),
    /// A reconcile gets CPU time.
    Look(u32),
    /// The credentials have been read.
    Send(u32),
    /// The provider's answer has arrived.
    Answer(u32),
    /// The result has been written.
    Written(u32),
    /// The timer of a slice's limiter fires.
    Timer(usize),
    /// All credentials are replaced.
    Rotate,
    /// The controllers crash.
    Crash,
    /// Other controllers start.
    Begin,
}

pub(crate) struct World {
    pub(crate) product: Product,
    pub(crate) fleet: Fleet,
    pub(crate) tally: Tally,
    pub(crate) laws: Laws,
    pub(crate) slices: Vec<Slice>,
    concurrency: usize,
    provider: Provider,
    plane: Plane,
    now: Instant,
    version: usize,
    /// The number of crashes so far: events of controllers that have crashed are ignored.
    epoch: u32,
    events: BinaryHeap<Reverse<(Instant, u64, u32, Event)>>,
    order: u64,
    writes: u64,
}

impl World {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let product = Product::new(scenario.lifetime);
        let mut tally = Tally::new(scenario.length);
        let fleet = Fleet::new(scenario, &product, &mut tally);
        let mut world = Self {
            slices: (0..scenario.slices).map(|_| Slice::new(scenario.concurrency, 0)).collect(),
            concurrency: scenario.concurrency,
            provider: Provider::new(scenario.outage.clone(), scenario.quota, scenario.seed ^ 1),
            plane: Plane::new(scenario.cores),
            laws: Laws::default(),
            now: 0,
            version: 0,
            epoch: 0,
            events: BinaryHeap::new(),
            order: 0,
            writes: 0,
            product,
            fleet,
            tally,
        };
        for number in 0..world.fleet.len() {
            let next = world.fleet[number].next;
            world.schedule(next, Event::Due(number));
        }
        scenario.rotation.into_iter().for_each(|when| world.schedule(when, Event::Rotate));
        scenario.crash.into_iter().for_each(|when| world.schedule(when, Event::Crash));
        world
    }

    /// Simulates up to this instant.
    pub(crate) fn run(&mut self, end: Instant) {
        while let Some(Reverse((when, _, epoch, event))) = self.events.pop() {
            if when >= end {
                break;
            }
            self.now = when;
            self.happens(event, epoch);
        }
        self.now = end;
    }

    fn happens(&mut self, event: Event, epoch: u32) {
        let timeless = matches!(event, Event::Rotate | Event::Crash | Event::Begin);
        if epoch != self.epoch && !timeless {
            return;
        }
        match event {
            Event::Due(number) => self.due(number),
            Event::Look(number) => self.look(number),
            Event::Send(number) => self.send(number),
            Event::Answer(number) => self.answer(number),
            Event::Written(number) => self.written(number),
            Event::Timer(slice) => {
                self.slices[slice].timer = Instant::MAX;
                self.resume_waiters(slice);
            }
            Event::Rotate => {
                self.version += 1;
                (0..self.fleet.len()).for_each(|number| self.trigger(number));
            }
            Event::Crash => self.crash(),
            Event::Begin => (0..self.fleet.len()).for_each(|number| self.trigger(number)),
        }
    }

    fn schedule(&mut self, when: Instant, event: Event) {
        self.order += 1;
        self.events.push(Reverse((when, self.order, self.epoch, event)));
    }

    fn crash(&mut self) {
        self.epoch += 1;
        let begin = self.now + FAILOVER;
        for slice in &mut self.slices {
            *slice = Slice::new(self.concurrency, begin);
        }
        for source in &mut self.fleet.sources {
            if let Some(flight) = source.flight.take() {
                self.laws.lost(&flight);
            }
            (source.phase, source.next) = (Phase::Idle, Instant::MAX);
        }
        self.schedule(begin, Event::Begin);
    }

    /// Triggers a reconcile as soon as possible.
    fn trigger(&mut self, number: u32) {
        let now = self.now;
        self.fleet[number].next = now;
        self.schedule(now, Event::Due(number));
    }

    fn due(&mut self, number: u32) {
        let source = &mut self.fleet[number];
        if source.next != self.now {
            return;
        }
        source.next = Instant::MAX;
        match source.phase {
            Phase::Idle => {
                source.phase = Phase::Queued;
                let slice = source.slice;
                self.slices[slice].push(self.fleet.namespace(number), number, false);
                self.pump(slice);
            }
            // The TokenSource is queued already, or will be reconciled again afterwards.
            Phase::Queued | Phase::Again => {}
            Phase::Running => source.phase = Phase::Again,
        }
    }

    /// Queues the TokenSources that the limiter resumes, and sets its timer.
    fn resume_waiters(&mut self, slice: usize) {
        let resumed = self.slices[slice].limiter.resume(at(self.now));
        for (_, name) in resumed.names {
            let number: u32 = name.parse().unwrap();
            let phase = &mut self.fleet[number].phase;
            *phase = if *phase == Phase::Running { Phase::Again } else { *phase };
            if matches!(phase, Phase::Idle | Phase::Queued) {
                *phase = Phase::Queued;
                self.fleet[number].next = Instant::MAX;
                self.slices[slice].push(self.fleet.namespace(number), number, true);
            }
        }
        let next = resumed.next.map_or(Instant::MAX, instant);
        if next < self.slices[slice].timer {
            self.slices[slice].timer = next;
            self.schedule(next, Event::Timer(slice));
        }
        self.pump(slice);
    }

    /// Grants permits while there are any.
    fn pump(&mut self, slice: usize) {
        let start = |fleet: &mut Fleet, number| {
            let phase = &mut fleet[number].phase;
            let is_queued = *phase == Phase::Queued;
            *phase = if is_queued { Phase::Running } else { *phase };
            is_queued
        };
        while let Some(task) = self.slices[slice].next(|number| start(&mut self.fleet, number)) {
            match task {
                Task::Begin(number) => {
                    let when = self.slices[slice].work(self.now);
                    self.schedule(when, Event::Look(number));
                }
                Task::Resume(number) => self.resume(number),
            }
        }
    }
}
