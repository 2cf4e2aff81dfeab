//! Reconcile permits: they limit how many reconciles work at the same time, and namespaces take turns to get them.
//!
//! A reconcile returns its permit while it waits for a provider, an issuer, a probe or a webhook. Must not know what a
//! reconcile does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::decide::limiter::{Queue, RoundRobin, Shares};

/// The reconciles of one namespace that wait for a permit.
#[derive(Default)]
struct Waiting {
    /// Reconciles that a provider has answered go first: a process that ends before the token is written loses the token.
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
    waiting: RoundRobin<Waiting>,
}

/// A semaphore whose permits go to namespaces in turn. No namespace holds more than its share, so that calls to the API
/// server that hang for one namespace, for example in a webhook, do not block the others.
#[derive(Clone)]
pub(crate) struct Permits(Arc<Mutex<State>>);

/// One permit, returned when it is dropped.
pub(crate) struct Permit {
    permits: Permits,
    namespace: String,
}

impl Permits {
    pub(crate) fn new(total: usize) -> Self {
        Self(Arc::new(Mutex::new(State { shares: Shares::new(total), waiting: RoundRobin::default() })))
    }

    /// Waits for a permit to begin a reconcile.
    pub(crate) async fn acquire(&self, namespace: &str) -> Option<Permit> {
        self.wait(namespace, |waiting| &mut waiting.begun).await
    }

    /// Waits for a permit to continue a reconcile that has been answered, before reconciles that begin.
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
        // There is no error: a sender is dropped only after its receiver.
        receiver.await.ok()
    }

    /// Hands out the free permits.
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
            // If the reconcile has ended, the permit is dropped here, which returns it.
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
