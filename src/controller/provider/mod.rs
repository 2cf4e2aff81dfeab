//! The limiters of providers: their lock, their timers, and permits that are returned however a reconcile ends.
//!
//! Knows which TokenSources share a limiter, and how a waiter is resumed. Must not decide which of them may send a request.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use chrono::{DateTime, TimeDelta, Utc};
use futures::Stream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::api::{Reason, TokenProviderSpec};
use crate::controller::view::name::NamespacedName;
use crate::decide::limiter::{Admission, Answer, Limiter, Request};
use crate::decide::{Deferral, Failure, Observed};
use crate::issue::inputs::Purpose;
use key::LimiterKey;

mod key;

/// How often unused limiters are dropped.
const SWEEP: TimeDelta = TimeDelta::minutes(1);
/// The maximum number of unused limiters of one namespace. Each different port or timeout in a spec creates a limiter.
const UNUSED: usize = 64;

struct Slot {
    limiter: Limiter,
    /// The next instant at which a waiter may be resumed, and the task that waits for it.
    timer: Option<(DateTime<Utc>, AbortHandle)>,
}

#[derive(Default)]
struct State {
    limiters: HashMap<Arc<LimiterKey>, Slot>,
    /// The limiter that each waiting TokenSource waits for.
    waiting: HashMap<NamespacedName, Arc<LimiterKey>>,
    /// The workqueues of all views.
    workqueues: Vec<mpsc::UnboundedSender<NamespacedName>>,
    swept: DateTime<Utc>,
}

/// How busy the limiters are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// How many TokenSources wait.
    pub(crate) waiting: usize,
    /// How many TokenSources are sending a request.
    pub(crate) in_flight: usize,
    /// How many limiters have an open circuit breaker.
    pub(crate) open: usize,
}

/// All limiters.
pub(crate) struct Limiters {
    this: Weak<Self>,
    state: Mutex<State>,
    permits: usize,
    /// When the limiters were created, by both clocks. Limiters count elapsed time from here, so that setting the wall
    /// clock delays no request.
    began: (DateTime<Utc>, Instant),
}

/// The permission to send a request, returned when it is dropped.
pub(crate) struct Permit {
    limiters: Arc<Limiters>,
    key: Arc<LimiterKey>,
    name: NamespacedName,
    answer: Answer,
}

impl Limiters {
    pub(crate) fn new(concurrency: u16, clock: fn() -> DateTime<Utc>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            state: Mutex::default(),
            permits: usize::from(concurrency.max(1)),
            began: (clock(), Instant::now()),
        })
    }

    /// The names of the TokenSources that are resumed from now on. Each workqueue gets all of them.
    pub(crate) fn resumptions(&self) -> impl Stream<Item = NamespacedName> + Send + use<> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.lock().workqueues.push(sender);
        futures::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)))
    }

    /// Lets this `TokenSource` send a request, or makes it wait until it is resumed.
    pub(crate) fn acquire(
        self: &Arc<Self>,
        provider: &TokenProviderSpec,
        observed: &Observed<'_>,
    ) -> Result<Permit, Deferral> {
        self.enter(Purpose::Token, provider, observed, Request::of(observed))
    }

    /// Lets this `TokenSource` send the requests that revoke its tokens, or makes it wait until it is resumed. These requests
    /// have a limiter of their own: a revocation endpoint that hangs must not use up the permits that renewals need, nor stop
    /// renewals by its failures.
    pub(crate) fn acquire_for_revocation(
        self: &Arc<Self>,
        provider: &TokenProviderSpec,
        observed: &Observed<'_>,
    ) -> Result<Permit, Deferral> {
        self.enter(Purpose::Revocation, provider, observed, Request::of_revocation(observed))
    }

    fn enter(
        self: &Arc<Self>,
        purpose: Purpose,
        provider: &TokenProviderSpec,
        observed: &Observed<'_>,
        request: Request,
    ) -> Result<Permit, Deferral> {
        let name = request.name.clone();
        let key = Arc::new(LimiterKey::of(observed.namespace, observed.spec, provider, purpose));
        let now = self.now();
        let mut state = self.lock();
        state.sweep(now);
        if state.waiting.get(&name).is_some_and(|before| *before != key) {
            self.leave_in(&mut state, &name, now);
        }
        let slot = state.limiters.entry(Arc::clone(&key)).or_insert_with(|| Slot {
            limiter: Limiter::new(self.permits, key.is_shared(), now),
            timer: None,
        });
        let admission = slot.limiter.acquire(request, now);
        self.resume(&mut state, &key, now);
        match admission {
            Admission::Granted => {
                state.waiting.remove(&name);
                drop(state);
                Ok(Permit { limiters: Arc::clone(self), key, name, answer: Answer::Unrelated })
            }
            Admission::Waiting { report, open_reason } => {
                let failure = open_reason.map(|reason| failing(reason, key.host()));
                state.waiting.insert(name, key);
                Err(Deferral { report, failure })
            }
        }
    }

    /// Removes a `TokenSource` that needs no token now or no longer exists.
    pub(crate) fn leave(&self, name: &NamespacedName) {
        self.leave_in(&mut self.lock(), name, self.now());
    }

    /// How busy the limiters are.
    pub(crate) fn load(&self) -> Load {
        self.lock().limiters.values().fold(Load::default(), |load, Slot { limiter, .. }| Load {
            waiting: load.waiting + limiter.waiting(),
            in_flight: load.in_flight + limiter.in_flight(),
            open: load.open + usize::from(limiter.is_open()),
        })
    }

    fn leave_in(&self, state: &mut State, name: &NamespacedName, now: DateTime<Utc>) {
        let Some(key) = state.waiting.remove(name) else { return };
        if let Some(slot) = state.limiters.get_mut(&key) {
            slot.limiter.leave(name, now);
        }
        self.resume(state, &key, now);
    }

    fn release(&self, key: &Arc<LimiterKey>, name: &NamespacedName, answer: Answer) {
        let (mut state, now) = (self.lock(), self.now());
        if let Some(slot) = state.limiters.get_mut(key) {
            slot.limiter.release(name, answer, now);
        }
        self.resume(&mut state, key, now);
    }

    /// Queues the TokenSources that may send now or must report their wait, and sets the timer for the next ones.
    fn resume(&self, state: &mut State, key: &Arc<LimiterKey>, now: DateTime<Utc>) {
        let Some(slot) = state.limiters.get_mut(key) else { return };
        let resumed = slot.limiter.resume(now);
        for name in resumed.names {
            // A workqueue that has ended is removed.
            state.workqueues.retain(|workqueue| workqueue.send(name.clone()).is_ok());
        }
        let Some(next) = resumed.next else { return };
        if slot.timer.as_ref().is_some_and(|(at, _)| *at <= next) {
            return;
        }
        let (this, limiter) = (Weak::clone(&self.this), Arc::clone(key));
        let wait = (next - now).to_std().unwrap_or_default();
        let timer = tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            if let Some(limiters) = this.upgrade() {
                limiters.timer(&limiter);
            }
        });
        if let Some((_, later)) = slot.timer.replace((next, timer.abort_handle())) {
            later.abort();
        }
    }

    fn timer(&self, key: &Arc<LimiterKey>) {
        let (mut state, now) = (self.lock(), self.now());
        if let Some(slot) = state.limiters.get_mut(key) {
            slot.timer = None;
        }
        self.resume(&mut state, key, now);
    }

    fn now(&self) -> DateTime<Utc> {
        let (began, then) = self.began;
        began + TimeDelta::from_std(then.elapsed()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops idle limiters, and the unused limiters of each namespace beyond `UNUSED`. Done at most once in `SWEEP`, since
    /// all limiters are visited.
    fn sweep(&mut self, now: DateTime<Utc>) {
        if now - self.swept < SWEEP {
            return;
        }
        self.swept = now;
        self.limiters.retain(|_, slot| !slot.limiter.is_idle(now));
        let mut unused: HashMap<&str, Vec<&Arc<LimiterKey>>> = HashMap::new();
        for (key, _) in self.limiters.iter().filter(|(_, slot)| slot.limiter.is_unused()) {
            if let Some(namespace) = key.namespace() {
                unused.entry(namespace).or_default().push(key);
            }
        }
        let mut dropped = HashSet::new();
        for mut keys in unused.into_values() {
            let used_at = |key: &&Arc<LimiterKey>| self.limiters.get(*key).map(|slot| slot.limiter.used_at());
            keys.sort_unstable_by_key(|key| std::cmp::Reverse(used_at(key)));
            dropped.extend(keys.into_iter().skip(UNUSED).cloned());
        }
        self.limiters.retain(|key, _| !dropped.contains(key));
    }
}

impl Permit {
    /// Reports how the request was answered.
    pub(crate) fn release(mut self, answer: Answer) {
        self.answer = answer;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiters.release(&self.key, &self.name, self.answer);
    }
}

/// The failure to report while the circuit breaker is open. Does not repeat the error messages of other TokenSources,
/// which may mention their credentials.
fn failing(reason: Reason, host: &str) -> Failure {
    Failure::local(
        reason,
        format!(
            "{} Requests of other TokenSources to {host} have failed so; a few are tried until it answers, and \
             then all are served, namespaces in turn, soonest expiry first.",
            reason.sentence()
        ),
    )
}

#[cfg(test)]
mod tests;
