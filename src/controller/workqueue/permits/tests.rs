//! The permits of each namespace, on paused time.

use std::time::Duration;

use futures::future::join_all;
use proptest::prelude::*;
use tokio::time::{Instant, sleep, timeout};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn calls_that_hang_for_one_namespace_hold_up_no_other() {
    let permits = Permits::new(16);
    let hangs = join_all((0..100).map(|_| async {
        for _ in 0..6 {
            let permit = permits.acquire("hangs").await;
            sleep(10 * SECOND).await;
            drop(permit);
        }
    }));
    let others = join_all((0..50).map(|number: u32| {
        let permits = &permits;
        async move {
            sleep(Duration::from_millis(97) * number).await;
            let mut longest = Duration::ZERO;
            for _ in 0..60 {
                let asked = Instant::now();
                let permit = permits.acquire(if number.is_multiple_of(2) { "other" } else { "third" }).await;
                longest = longest.max(asked.elapsed());
                sleep(Duration::from_millis(5)).await;
                drop(permit);
                sleep(SECOND).await;
            }
            longest
        }
    }));
    let longest = tokio::select! {
        longest = others => longest.into_iter().max(),
        _ = hangs => None,
    };
    assert!(longest.is_some_and(|longest| longest < SECOND / 2), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_permit_comes_back_from_an_acquire_that_is_given_up() {
    let permits = Permits::new(1);
    let held = permits.acquire("a").await;
    assert!(timeout(SECOND, permits.acquire("a")).await.is_err());
    let late = permits.acquire("b");
    tokio::pin!(late);
    assert!(timeout(SECOND, &mut late).await.is_err());
    drop(held);
    assert!(timeout(SECOND, late).await.is_ok());
    assert!(timeout(SECOND, permits.acquire("c")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_answered_reconcile_goes_before_those_that_begin() {
    let permits = Permits::new(1);
    let held = permits.acquire("a").await;
    let order = Mutex::new(Vec::new());
    let begin = async |number: u32| {
        let _permit = permits.acquire("a").await;
        order.lock().unwrap().push(number);
    };
    let resume = async {
        sleep(SECOND).await;
        let _permit = permits.resume("a").await;
        order.lock().unwrap().push(0);
    };
    let release = async {
        sleep(2 * SECOND).await;
        drop(held);
    };
    futures::join!(begin(1), begin(2), resume, release);
    assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
}

proptest! {
    #[test]
    fn every_acquire_has_its_permit_and_no_more_than_all_are_held(
        total in 1_usize..5,
        tasks in prop::collection::vec((0..4_u8, 0..50_u64, 1..50_u64, prop::option::of(0..60_u64)), 1..40),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let permits = Permits::new(total);
        let held = std::cell::Cell::new(0_usize);
        let played = runtime.block_on(async { timeout(3600 * SECOND, join_all(tasks.iter().map(|task| async {
            let (namespace, begins, takes, gives_up) = *task;
            sleep(Duration::from_millis(begins)).await;
            let namespace = namespace.to_string();
            let work = async {
                let permit = permits.acquire(&namespace).await;
                held.set(held.get() + 1);
                assert!(held.get() <= total);
                sleep(Duration::from_millis(takes)).await;
                held.set(held.get() - 1);
                drop(permit);
            };
            match gives_up {
                // A cancelled `acquire` takes no permit.
                Some(after) => drop(timeout(Duration::from_millis(after), permits.acquire(&namespace)).await),
                None => work.await,
            }
        }))).await });
        prop_assert!(played.is_ok(), "an acquire never ends");
        let state = permits.lock();
        prop_assert!(state.shares.is_unused());
    }
}
