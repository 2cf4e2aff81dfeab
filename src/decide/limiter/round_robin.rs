//! Queues by namespace that are served round robin, and permits that namespaces share.
//!
//! Knows namespaces and numbers. Must not know the queued items.

use std::collections::{BTreeMap, VecDeque};

use compact_str::CompactString;

/// The queue of one namespace.
pub trait Queue: Default {
    /// Whether the queue is empty.
    fn is_empty(&self) -> bool;
}

impl<T> Queue for VecDeque<T> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

/// One queue for each namespace, served round robin.
#[derive(Clone, Debug, Default)]
pub struct RoundRobin<Q> {
    queues: BTreeMap<CompactString, Q>,
    /// The namespaces with non-empty queues, the next one first.
    order: VecDeque<CompactString>,
}

impl<Q: Queue> RoundRobin<Q> {
    /// Changes a namespace's queue. A namespace whose queue was empty joins at the end of the order.
    pub fn update<T>(&mut self, namespace: &str, change: impl FnOnce(&mut Q) -> T) -> T {
        let queue = self.queues.entry(namespace.into()).or_default();
        let waited = !queue.is_empty();
        let changed = change(queue);
        let waits = !queue.is_empty();
        if !waits {
            self.queues.remove(namespace);
        }
        if waits && !waited {
            self.order.push_back(namespace.into());
        } else if waited && !waits {
            self.order.retain(|other| other != namespace);
        }
        changed
    }

    /// Takes an item from the first queue for which `from` returns one. Its namespace then moves to the end of the order.
    pub fn take<T>(&mut self, mut from: impl FnMut(&str, &mut Q) -> Option<T>) -> Option<T> {
        let mut index = 0;
        while let Some(namespace) = self.order.get(index) {
            let queue = self.queues.get_mut(namespace);
            let taken = queue.and_then(|queue| from(namespace, queue));
            let waits = self.queues.get(namespace).is_some_and(|queue| !queue.is_empty());
            if waits && taken.is_none() {
                index += 1;
                continue;
            }
            if let Some(namespace) = self.order.remove(index) {
                if waits {
                    self.order.push_back(namespace);
                } else {
                    self.queues.remove(&namespace);
                }
            }
            if taken.is_some() {
                return taken;
            }
        }
        None
    }
}

/// A number of equal permits that namespaces share.
#[derive(Clone, Debug)]
pub struct Shares {
    total: usize,
    taken: BTreeMap<CompactString, usize>,
    in_use: usize,
}

impl Shares {
    /// Shares with this number of permits, none of them in use.
    pub fn new(total: usize) -> Self {
        Self { total: total.max(1), taken: BTreeMap::new(), in_use: 0 }
    }

    /// Whether any permit is free.
    pub fn is_free(&self) -> bool {
        self.in_use < self.total
    }

    /// Whether no permit is in use.
    #[cfg(test)]
    pub(crate) fn is_unused(&self) -> bool {
        self.in_use == 0 && self.taken.is_empty()
    }

    /// Whether this namespace may take one more permit: its first, or a further one if the permits that are then free are at
    /// least a third of the permits that the namespace then has. So one namespace whose requests hang takes three quarters,
    /// two of them three sevenths each, and a permit is left for a namespace that has none (a dynamic threshold, as in
    /// switches that share a buffer).
    pub fn has_room(&self, namespace: &str) -> bool {
        let free = self.total - self.in_use;
        let taken = self.taken.get(namespace).copied().unwrap_or_default();
        free > 0 && (taken == 0 || taken < 3 * (free - 1))
    }

    /// Takes a permit for this namespace.
    pub fn take(&mut self, namespace: &str) {
        self.in_use += 1;
        *self.taken.entry(namespace.into()).or_default() += 1;
    }

    /// Returns a permit of this namespace.
    pub fn give_back(&mut self, namespace: &str) {
        let Some(taken) = self.taken.get_mut(namespace) else { return };
        *taken -= 1;
        if *taken == 0 {
            self.taken.remove(namespace);
        }
        self.in_use -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_three_namespaces_gets_every_third_turn() {
        let mut queues = RoundRobin::<VecDeque<u32>>::default();
        for (namespace, count) in [("a", 100), ("b", 3), ("c", 4)] {
            (0..count).for_each(|number| queues.update(namespace, |queue| queue.push_back(number)));
        }
        let mut served = String::new();
        while served.len() < 12 {
            let next = queues.take(|namespace, queue| queue.pop_front().map(|_| namespace.to_owned()));
            served.push_str(&next.unwrap());
        }
        assert_eq!(served, "abcabcabcaca");
    }

    #[test]
    fn a_namespace_without_anything_to_give_is_passed_over_and_keeps_its_turn() {
        let mut queues = RoundRobin::<VecDeque<u32>>::default();
        for namespace in ["a", "b", "c"] {
            (0..3).for_each(|number| queues.update(namespace, |queue| queue.push_back(number)));
        }
        let mut next = |without: &str| {
            queues.take(|namespace, queue| {
                if namespace == without { None } else { queue.pop_front().map(|_| namespace.to_owned()) }
            })
        };
        let served: Vec<_> = ["a", "a", "", "", ""].iter().filter_map(|without| next(without)).collect();
        assert_eq!(served, ["b", "c", "a", "b", "c"]);
    }

    #[test]
    fn namespaces_that_take_all_they_may_leave_room_for_one_that_has_none() {
        for (namespaces, total, each) in
            [(1, 16, 12), (2, 16, 7), (3, 16, 5), (1, 256, 192), (1, 1, 1), (1, 2, 1)]
        {
            let mut shares = Shares::new(total);
            let greedy: Vec<String> = (0..namespaces).map(|number| number.to_string()).collect();
            for _ in 0..total {
                for namespace in &greedy {
                    if shares.has_room(namespace) {
                        shares.take(namespace);
                    }
                }
            }
            assert!(shares.taken.values().all(|taken| *taken <= each), "{namespaces} of {total}: {shares:?}");
            assert!(total == 1 || shares.has_room("other"), "{namespaces} of {total}: {shares:?}");
        }
    }
}
