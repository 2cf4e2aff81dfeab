//! The permit of a reconcile: so many work at once, and namespaces have them in turn.
//!
//! Knows that a reconcile which waits for a provider or an issuer gives its permit back meanwhile. Must not know what
//! anybody waits for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::decide::limiter::{InTurn, Queue, Shares};

/// The reconciles of one namespace that wait for a permit.
#[derive(Default)]
struct Waiting {
    /// Those that have been answered by a provider go first: until they have written the token, a process that ends
    /// loses it.
    answered: VecDeque<oneshot::Sender<Permit>>,
    begun: VecDeque<oneshot::Sender<Permit>>,
}

impl Queue for Waiting {
    fn is_empty(&self) -> bool {
        self.answered.is_empty() && self.begun.is_empty()
    }
}

struct State {
    shares: Shares,
    waiting: InTurn<Waiting>,
}

/// A semaphore whose permits go to namespaces in turn. None holds more than its share: calls to the API server that hang
/// for one namespace, in a webhook for example, must not hold up the others.
#[derive(Clone)]
pub(crate) struct Permits(Arc<Mutex<State>>);

/// One of its permits.
pub(crate) struct Permit {
    permits: Permits,
    namespace: String,
}

impl Permits {
    pub(crate) fn new(total: usize) -> Self {
        Self(Arc::new(Mutex::new(State { shares: Shares::new(total), waiting: InTurn::default() })))
    }

    /// Waits for one, to begin a reconcile.
    pub(crate) async fn acquire(&self, namespace: &str) -> Option<Permit> {
        self.wait(namespace, |waiting| &mut waiting.begun).await
    }

    /// Waits for one, to go on with a reconcile that has been answered: before those that begin.
    pub(crate) async fn resume(&self, namespace: &str) -> Option<Permit> {
        self.wait(namespace, |waiting| &mut waiting.answered).await
    }

    async fn wait(
        &self,
        namespace: &str,
        queue: impl FnOnce(&mut Waiting) -> &mut VecDeque<oneshot::Sender<Permit>>,
    ) -> Option<Permit> {
        let (sender, receiver) = oneshot::channel();
        self.lock().waiting.update(namespace, |waiting| queue(waiting).push_back(sender));
        self.grant();
        // No sender is dropped but with its receiver.
        receiver.await.ok()
    }

    /// Hands out what is free.
    fn grant(&self) {
        loop {
            let mut state = self.lock();
            let State { shares, waiting } = &mut *state;
            let next = waiting.take(|namespace, queue| {
                if shares.has_room(namespace) {
                    let next = queue.answered.pop_front().or_else(|| queue.begun.pop_front());
                    Some((next?, namespace.to_owned()))
                } else {
                    None
                }
            });
            let Some((sender, namespace)) = next else { return };
            shares.take(&namespace);
            drop(state);
            // A permit whose reconcile is gone comes back at once, by being dropped.
            drop(sender.send(Permit { permits: self.clone(), namespace }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.lock().shares.give_back(&self.namespace);
        self.permits.grant();
    }
}

#[cfg(test)]
mod tests;
