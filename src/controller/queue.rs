//! The queue: each name once however often it is called, one look at it at a time, and another when that asks for it.
//!
//! Knows kube's scheduler, and is used in place of its `applier`, which polls all that is under way whenever one of them
//! moves, and has a call wait for the timer. Must not know what the names stand for, nor what a look does.

use std::collections::HashSet;
use std::hash::Hash;
use std::pin::pin;
use std::time::Duration;

use futures::channel::mpsc;
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt};
use kube::runtime::scheduler::{ScheduleRequest, scheduler};
use tokio::time::Instant;

/// The timer counts whole milliseconds, rounds up twice, and its clock lags behind: what is to happen now is asked for
/// so much earlier.
const EARLIER: Duration = Duration::from_secs(1);

/// Looks at each name that is called, at most at so many at once, until the calls end and the last look has. A look
/// returns after how long there is to be another even if nobody calls, unless there need not be one.
pub(super) async fn serve<Name, Look>(
    calls: impl Stream<Item = Name>,
    max_concurrent: usize,
    look: impl Fn(Name) -> Look,
) where
    Name: Clone + Eq + Hash,
    Look: Future<Output = Option<Duration>>,
{
    let (schedule, requests) = mpsc::unbounded();
    // Refused only once the scheduler is gone, at the end.
    let ask = |message: Name, run_at| drop(schedule.unbounded_send(ScheduleRequest { message, run_at }));
    let (mut calls, mut scheduled) = (pin!(calls), pin!(scheduler(requests)));
    let mut busy = HashSet::new();
    let mut looks = FuturesUnordered::new();
    loop {
        let mut next = if busy.len() < max_concurrent {
            scheduled.as_mut().hold_unless(|name| !busy.contains(name)).left_stream()
        } else {
            // Takes in what is due, without searching through all that waits.
            scheduled.as_mut().hold().right_stream()
        };
        tokio::select! {
            // Calls that come together are told apart before the first is answered: of the same name they are one.
            biased;
            call = calls.next() => match call {
                Some(name) => ask(name, now()),
                None => break,
            },
            Some(name) = next.next() => {
                busy.insert(name.clone());
                let look = look(name.clone());
                looks.push(async move { (name, look.await) });
            }
            Some((name, requeue_after)) = looks.next() => {
                busy.remove(&name);
                if let Some(at) = requeue_after.and_then(|after| Instant::now().checked_add(after)) {
                    ask(name, at);
                }
            }
        }
    }
    while looks.next().await.is_some() {}
}

fn now() -> Instant {
    let now = Instant::now();
    now.checked_sub(EARLIER).unwrap_or(now)
}

#[cfg(test)]
mod tests;
