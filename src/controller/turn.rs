//! One reconcile's turn among those that are worked on at once.
//!
//! Knows that whoever waits for strangers, a provider or an issuer, must not keep others from their own cluster's
//! work. Must not know what anybody waits for.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use tokio::sync::SemaphorePermit;

use super::context::Context;

/// The turn, and everything else that a reconcile shares.
pub(super) struct Turn<'a> {
    context: &'a Context,
    permit: Mutex<Option<SemaphorePermit<'a>>>,
}

impl<'a> Turn<'a> {
    /// Waits for it.
    pub(super) async fn take(context: &'a Context) -> Self {
        // Nobody closes the semaphore; without a permit all would merely go at once.
        let permit = context.permits.acquire().await.ok();
        Self { context, permit: Mutex::new(permit) }
    }

    /// Waits for a stranger, and then for another turn.
    pub(super) async fn aside<T>(&self, stranger: impl Future<Output = T>) -> T {
        drop(self.lock().take());
        let answer = stranger.await;
        let permit = self.context.permits.acquire().await.ok();
        *self.lock() = permit;
        answer
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<SemaphorePermit<'a>>> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Turn<'_> {
    type Target = Context;

    fn deref(&self) -> &Context {
        self.context
    }
}
