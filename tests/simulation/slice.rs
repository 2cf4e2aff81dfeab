//! One controller of those that share the fleet: its queue, its permits, its gate. The gate is the product's own; the
//! order of things around it is that of `controller::{queue, turn, gates}`. Knows no TokenSource but by its number.

use std::collections::{HashMap, VecDeque};

use tokensource::decide::gate::Gate;

use crate::clock::{Instant, SECOND};

/// As `controller::queue`: for each TokenSource that is worked on so many may be under way.
const UNDER_WAY: usize = 16;
/// CPU that a reconcile takes besides its calls: assumed, and generous. The decide layer's own share is measured.
pub(crate) const LOOK: Instant = 100;

/// Something that waits for a permit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    Begin(u32),
    Resume(u32),
}

pub(crate) struct Slice {
    pub(crate) gate: Gate,
    pub(crate) places: usize,
    /// How many of a namespace are inside the gate.
    inside: HashMap<u32, usize>,
    ready: VecDeque<u32>,
    running: usize,
    tasks: VecDeque<Task>,
    permits: usize,
    /// When its one thread is free.
    free: Instant,
    most_inside: usize,
    /// Before this, what the cache says of a target is compared with the target.
    pub(crate) settled: Instant,
}

impl Slice {
    /// One that begins to lead at this instant.
    pub(crate) fn new(concurrency: usize, now: Instant) -> Self {
        Self {
            gate: Gate::default(),
            places: concurrency,
            inside: HashMap::new(),
            ready: VecDeque::new(),
            running: 0,
            tasks: VecDeque::new(),
            permits: concurrency,
            free: now,
            most_inside: 0,
            settled: now + 120 * SECOND,
        }
    }

    /// A TokenSource is to be looked at.
    pub(crate) fn push(&mut self, number: u32) {
        self.ready.push_back(number);
    }

    /// A reconcile has heard from the provider, and goes on.
    pub(crate) fn resume(&mut self, number: u32) {
        self.tasks.push_back(Task::Resume(number));
    }

    /// The next that may go on now, with a permit.
    pub(crate) fn next(&mut self) -> Option<Task> {
        while self.running < self.places * UNDER_WAY
            && let Some(number) = self.ready.pop_front()
        {
            self.running += 1;
            self.tasks.push_back(Task::Begin(number));
        }
        if self.permits == 0 {
            return None;
        }
        let task = self.tasks.pop_front()?;
        self.permits -= 1;
        Some(task)
    }

    /// When the thread has done a look's work that is handed to it now.
    pub(crate) fn work(&mut self, now: Instant) -> Instant {
        self.free = self.free.max(now) + LOOK;
        self.free
    }

    pub(crate) fn give_permit_back(&mut self) {
        self.permits += 1;
    }

    /// A reconcile is over.
    pub(crate) fn end(&mut self) {
        self.permits += 1;
        self.running -= 1;
    }

    /// Somebody has entered the gate.
    pub(crate) fn entered(&mut self) {
        self.most_inside = self.most_inside.max(self.gate.in_flight());
    }

    /// A place in the namespace's share, if there is one.
    pub(crate) fn visit(&mut self, namespace: u32) -> bool {
        let inside = self.inside.entry(namespace).or_default();
        let room = *inside < self.places * 2;
        *inside += usize::from(room);
        room
    }

    pub(crate) fn end_visit(&mut self, namespace: u32) {
        if let Some(inside) = self.inside.get_mut(&namespace) {
            *inside -= 1;
            if *inside == 0 {
                self.inside.remove(&namespace);
            }
        }
    }

    /// The most that were inside the gate at once.
    pub(crate) fn most_inside(&self) -> usize {
        self.most_inside
    }
}
