//! Waits until a condition is true, and checks that a condition stays true.
//!
//! Knows only time. An attempt returns why the condition is not true yet; the panic message contains the last reason, so
//! that a failed story explains itself.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// The pause between two attempts: short enough for tests, and little load with a dozen waiting stories.
const PAUSE: Duration = Duration::from_millis(50);

/// Repeats `attempt` until it succeeds, and returns its result; panics at the deadline `patience`.
///
/// ```
/// # #[tokio::main] async fn main() {
/// use tokensource_kit::eventually;
/// let mut visits = 0;
/// let found = eventually("the third visit", std::time::Duration::from_secs(5), async || {
///     visits += 1;
///     if visits < 3 { Err(format!("only {visits} so far")) } else { Ok(visits) }
/// })
/// .await;
/// assert_eq!(found, 3);
/// # }
/// ```
pub async fn eventually<T, E: Display>(
    what: &str,
    patience: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    let mut last = "the first attempt has not ended".to_owned();
    loop {
        match timeout_at(start + patience, attempt()).await {
            Ok(Ok(found)) => return found,
            Ok(Err(reason)) => last = reason.to_string(),
            Err(_) => {}
        }
        assert!(
            start.elapsed() + PAUSE < patience,
            "waited {patience:?} for {what}, in vain; the last attempt said: {last}"
        );
        sleep(PAUSE).await;
    }
}

/// Repeats `look` for the whole of `duration`; panics at the first failure.
pub async fn throughout<E: Display>(
    what: &str,
    duration: Duration,
    mut look: impl AsyncFnMut() -> Result<(), E>,
) {
    let start = Instant::now();
    while start.elapsed() < duration {
        if let Err(reason) = look().await {
            panic!(
                "{what} should have lasted for {duration:?}, and ended after {:?}: {reason}",
                start.elapsed()
            );
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "the last attempt said: still raining")]
    async fn gives_the_last_reason() {
        eventually("sunshine", Duration::from_millis(200), async || Err::<(), _>("still raining")).await;
    }

    #[tokio::test]
    #[should_panic(expected = "waited 200ms for an answer")]
    async fn an_attempt_that_hangs_is_cut_off() {
        let hang = async || {
            std::future::pending::<()>().await;
            Ok::<(), String>(())
        };
        eventually("an answer", Duration::from_millis(200), hang).await;
    }

    #[tokio::test]
    #[should_panic(expected = "ended after")]
    async fn a_breach_ends_the_watch() {
        let mut looks = 0;
        throughout("the peace", Duration::from_secs(5), async || {
            looks += 1;
            if looks < 3 { Ok(()) } else { Err("shots") }
        })
        .await;
    }
}
