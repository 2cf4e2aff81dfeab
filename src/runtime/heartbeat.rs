//! Detects whether the event loop of the reconciles is running. Must not know its tasks.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The pause between two beats.
const INTERVAL: Duration = Duration::from_secs(1);
/// An event loop that has not run for this long is not busy but stuck, and only a new process helps.
const LIMIT: Duration = Duration::from_secs(180);

/// When the event loop last ran. Clones share the state.
#[derive(Clone, Debug)]
pub(super) struct Heartbeat {
    started: Instant,
    /// Milliseconds from `started` to the last beat.
    last: Arc<AtomicU64>,
}

impl Heartbeat {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), last: Arc::default() }
    }

    /// Beats forever. To be run by the monitored event loop.
    pub(super) async fn beat(self) -> Infallible {
        loop {
            let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.last.store(elapsed, Ordering::Relaxed);
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// The heartbeat of an event loop that is stuck.
    #[cfg(test)]
    pub(super) fn stuck() -> Self {
        let started = Instant::now().checked_sub(LIMIT * 2).unwrap();
        Self { started, last: Arc::default() }
    }

    /// How long the event loop has not run, if that is too long.
    pub(super) fn stalled(&self) -> Option<Duration> {
        self.stalled_after(self.started.elapsed())
    }

    fn stalled_after(&self, elapsed: Duration) -> Option<Duration> {
        let age = elapsed.saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)));
        (age > LIMIT).then_some(age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_loop_without_a_beat_for_three_minutes_is_stalled() {
        let heartbeat = Heartbeat::new();
        heartbeat.last.store(60_000, Ordering::Relaxed);
        for (elapsed, stalled) in [(60, None), (240, None), (241, Some(181))] {
            let found = heartbeat.stalled_after(Duration::from_secs(elapsed));
            assert_eq!(found, stalled.map(Duration::from_secs), "{elapsed}");
        }
    }
}
