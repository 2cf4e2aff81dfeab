//! The workqueue: each name is queued once however often it is triggered, and has one reconcile at a time. Namespaces
//! take turns.
//!
//! Used instead of kube's `applier`, which does not share by namespace, polls all reconciles in flight whenever one of them
//! makes progress, and delays a trigger until the next tick of the timer. Must not know what a reconcile does.

pub(crate) mod permits;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::pin::pin;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt};
use tokio::time::{Instant, sleep_until};

use crate::controller::view::name::NamespacedName;
use crate::decide::limiter::{RoundRobin, Shares};

/// Reconciles each name that is triggered or resumed, at most `max_concurrent` at a time. Ends when the triggers have ended
/// and the last reconcile has finished. A reconcile returns after how long it must be repeated without a trigger; None for
/// never.
pub(crate) async fn serve<Reconcile>(
    triggers: impl Stream<Item = NamespacedName>,
    resumed: impl Stream<Item = NamespacedName>,
    max_concurrent: usize,
    reconcile: impl Fn(NamespacedName) -> Reconcile,
) where
    Reconcile: Future<Output = Option<Duration>>,
{
    let (mut triggers, mut resumed) = (pin!(triggers), pin!(resumed.fuse()));
    let mut queue = Workqueue::new(max_concurrent);
    let mut running = FuturesUnordered::new();
    loop {
        queue.promote(Instant::now());
        let due = queue.due();
        tokio::select! {
            // Takes all pending triggers before it starts a reconcile, so that several triggers of one name are one.
            biased;
            trigger = triggers.next() => match trigger {
                Some(name) => queue.add(name, Band::Triggered),
                None => break,
            },
            Some(name) = resumed.next() => queue.add(name, Band::Resumed),
            () = std::future::ready(()), if queue.may_start => if let Some(name) = queue.start() {
                let reconciled = reconcile(name.clone());
                running.push(async move { (name, reconciled.await) });
            },
            Some((name, requeue_after)) = running.next() => {
                queue.finish(name, requeue_after.and_then(|after| Instant::now().checked_add(after)));
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
    }
    while running.next().await.is_some() {}
}

/// Why a name is queued. Resumed names come before triggered names in every second turn, because most of them have a permit
/// of their limiter already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Band {
    Triggered,
    Resumed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Delayed(Instant),
    Ready(Band),
    /// A reconcile of the object is in flight. If a band is given, another one follows.
    Busy(Option<Band>),
}

struct Workqueue {
    entries: HashMap<NamespacedName, Entry>,
    delayed: BTreeSet<(Instant, NamespacedName)>,
    triggered: RoundRobin<VecDeque<NamespacedName>>,
    resumed: RoundRobin<VecDeque<NamespacedName>>,
    resumed_first: bool,
    shares: Shares,
    /// False after no reconcile could be started, until something changes.
    may_start: bool,
}

impl Workqueue {
    fn new(max_concurrent: usize) -> Self {
        Self {
            entries: HashMap::new(),
            delayed: BTreeSet::new(),
            triggered: RoundRobin::default(),
            resumed: RoundRobin::default(),
            resumed_first: true,
            shares: Shares::new(max_concurrent),
            may_start: false,
        }
    }

    fn add(&mut self, name: NamespacedName, band: Band) {
        match self.entries.get_mut(&name) {
            Some(Entry::Busy(again)) => {
                if *again != Some(Band::Resumed) {
                    *again = Some(band);
                }
                return;
            }
            Some(Entry::Ready(before)) if *before == band || *before == Band::Resumed => return,
            Some(Entry::Delayed(at)) => drop(self.delayed.remove(&(*at, name.clone()))),
            // `next` skips the entry that is left in the former band.
            Some(Entry::Ready(_)) | None => {}
        }
        self.make_ready(name, band);
    }

    fn make_ready(&mut self, name: NamespacedName, band: Band) {
        self.may_start = true;
        self.entries.insert(name.clone(), Entry::Ready(band));
        self.band(band).update(&name.0.clone(), |queue| queue.push_back(name));
    }

    /// Queues the names whose delay is over.
    fn promote(&mut self, now: Instant) {
        while self.due().is_some_and(|due| due <= now) {
            if let Some((_, name)) = self.delayed.pop_first() {
                self.make_ready(name, Band::Triggered);
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        self.delayed.first().map(|(at, _)| *at)
    }

    /// The next name to reconcile, of a namespace that has not used up its share.
    fn start(&mut self) -> Option<NamespacedName> {
        self.may_start = self.shares.is_free();
        if !self.may_start {
            return None;
        }
        self.resumed_first = !self.resumed_first;
        let bands = if self.resumed_first {
            [Band::Resumed, Band::Triggered]
        } else {
            [Band::Triggered, Band::Resumed]
        };
        let name = bands.into_iter().find_map(|band| self.next(band));
        match &name {
            Some(name) => {
                self.shares.take(&name.0);
                self.entries.insert(name.clone(), Entry::Busy(None));
            }
            None => self.may_start = false,
        }
        name
    }

    fn next(&mut self, band: Band) -> Option<NamespacedName> {
        let Self { entries, triggered, resumed, shares, .. } = self;
        let queues = if band == Band::Resumed { resumed } else { triggered };
        queues.take(|namespace, queue| {
            if !shares.has_room(namespace) {
                return None;
            }
            let is_ready = |name: &NamespacedName| entries.get(name) == Some(&Entry::Ready(band));
            while let Some(name) = queue.pop_front() {
                if is_ready(&name) {
                    return Some(name);
                }
            }
            None
        })
    }

    fn finish(&mut self, name: NamespacedName, requeue_at: Option<Instant>) {
        self.may_start = true;
        self.shares.give_back(&name.0);
        match (self.entries.remove(&name), requeue_at) {
            (Some(Entry::Busy(Some(band))), _) => self.make_ready(name, band),
            (_, Some(at)) => {
                self.entries.insert(name.clone(), Entry::Delayed(at));
                self.delayed.insert((at, name));
            }
            (_, None) => {}
        }
    }

    fn band(&mut self, band: Band) -> &mut RoundRobin<VecDeque<NamespacedName>> {
        match band {
            Band::Triggered => &mut self.triggered,
            Band::Resumed => &mut self.resumed,
        }
    }
}

#[cfg(test)]
mod tests;
