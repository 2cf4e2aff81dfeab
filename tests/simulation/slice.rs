//! One of the controllers that share the fleet: its workqueue, its reconcile permits, its limiter. Shares, queues and
//! limiter are the product's own; the order of events is the same as in `controller::{workqueue, provider}`. Knows a TokenSource
//! only by its number.

use std::collections::VecDeque;

use tokensource::decide::limiter::{Limiter, RoundRobin, Shares};

use crate::clock::{Instant, SECOND, at};

/// The number of reconciles in progress for each permit, as in `controller::run`.
const UNDER_WAY: usize = 16;
/// The CPU time of a reconcile without its calls. The value is an estimate, rather too high; the share of the decide layer is
/// measured.
pub(crate) const LOOK: Instant = 100;

/// A task that waits for a permit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    Begin(u32),
    Resume(u32),
}

type Numbers<T> = RoundRobin<VecDeque<T>>;

pub(crate) struct Slice {
    pub(crate) limiter: Limiter,
    pub(crate) concurrency: usize,
    /// The TokenSources that the limiter has resumed, and the others.
    ready: [Numbers<u32>; 2],
    resumed_first: bool,
    under_way: Shares,
    tasks: Numbers<Task>,
    permits: Shares,
    /// When its thread is free.
    free: Instant,
    /// When the limiter's timer fires.
    pub(crate) timer: Instant,
    pub(crate) most_in_flight: usize,
    /// The end of the time in which the cached target is compared with the target.
    pub(crate) settled: Instant,
}

impl Slice {
    /// A controller that starts to lead at this instant.
    pub(crate) fn new(concurrency: usize, now: Instant) -> Self {
        Self {
            limiter: Limiter::new(concurrency, true, at(now)),
            concurrency,
            ready: Default::default(),
            resumed_first: true,
            under_way: Shares::new(concurrency * UNDER_WAY),
            tasks: Numbers::default(),
            permits: Shares::new(concurrency),
            free: now,
            timer: Instant::MAX,
            most_in_flight: 0,
            settled: now + 120 * SECOND,
        }
    }

    /// Queues a TokenSource.
    pub(crate) fn push(&mut self, namespace: &str, number: u32, is_resumed: bool) {
        self.ready[usize::from(!is_resumed)].update(namespace, |queue| queue.push_back(number));
    }

    /// Continues a reconcile after the provider's answer.
    pub(crate) fn resume(&mut self, namespace: &str, number: u32) {
        self.tasks.update(namespace, |queue| queue.push_back(Task::Resume(number)));
    }

    /// The next task that gets a permit.
    pub(crate) fn next(&mut self, mut begins: impl FnMut(u32) -> bool) -> Option<Task> {
        while let Some((namespace, number)) = self.start(&mut begins) {
            self.under_way.take(&namespace);
            self.tasks.update(&namespace, |queue| queue.push_back(Task::Begin(number)));
        }
        let Self { tasks, permits, .. } = self;
        let has_room = |namespace: &str| permits.has_room(namespace);
        let (namespace, task) = tasks.take(|namespace, queue| {
            if has_room(namespace) { Some((namespace.to_owned(), queue.pop_front()?)) } else { None }
        })?;
        permits.take(&namespace);
        Some(task)
    }

    fn start(&mut self, mut begins: impl FnMut(u32) -> bool) -> Option<(String, u32)> {
        if !self.under_way.is_free() {
            return None;
        }
        self.resumed_first = !self.resumed_first;
        let Self { ready, under_way, resumed_first, .. } = self;
        let order = if *resumed_first { [0, 1] } else { [1, 0] };
        order.into_iter().find_map(|band| {
            ready[band].take(|namespace, queue| {
                if !under_way.has_room(namespace) {
                    return None;
                }
                std::iter::from_fn(|| queue.pop_front())
                    .find(|number| begins(*number))
                    .map(|number| (namespace.to_owned(), number))
            })
        })
    }

    /// When the thread will have finished a reconcile that is passed to it now.
    pub(crate) fn work(&mut self, now: Instant) -> Instant {
        self.free = self.free.max(now) + LOOK;
        self.free
    }

    pub(crate) fn give_permit_back(&mut self, namespace: &str) {
        self.permits.give_back(namespace);
    }

    /// Ends a reconcile.
    pub(crate) fn end(&mut self, namespace: &str) {
        self.permits.give_back(namespace);
        self.under_way.give_back(namespace);
    }
}
