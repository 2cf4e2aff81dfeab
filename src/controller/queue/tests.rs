//! On paused time, which moves only when everybody waits for it.

use std::cell::{Cell, RefCell};

use futures::channel::mpsc::{UnboundedSender, unbounded};
use proptest::test_runner::{Config, TestRunner};
use tokio::task::yield_now;
use tokio::time::{advance, sleep};

use super::*;

/// What was looked at, and from when to when.
#[derive(Default)]
struct Log {
    looks: RefCell<Vec<(&'static str, Duration, Duration)>>,
    under_way: Cell<usize>,
    most: Cell<usize>,
}

impl Log {
    /// A look that takes so long.
    async fn look(&self, name: &'static str, began: Instant, takes: Duration) {
        let from = began.elapsed();
        self.under_way.set(self.under_way.get() + 1);
        self.most.set(self.most.get().max(self.under_way.get()));
        if !takes.is_zero() {
            sleep(takes).await;
        }
        self.under_way.set(self.under_way.get() - 1);
        self.looks.borrow_mut().push((name, from, began.elapsed()));
    }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Serves what `call` calls, each look taking so long and asking for another after `again`.
async fn play(
    at_once: usize,
    takes: Duration,
    again: impl Fn(&Log) -> Option<Duration>,
    call: impl AsyncFnOnce(UnboundedSender<&'static str>),
) -> Log {
    let (log, began) = (Log::default(), Instant::now());
    let (caller, calls) = unbounded();
    let serve = serve(calls, at_once, async |name| {
        log.look(name, began, takes).await;
        again(&log)
    });
    tokio::join!(serve, call(caller));
    log
}

fn never(_: &Log) -> Option<Duration> {
    None
}

#[tokio::test(start_paused = true)]
async fn whoever_is_called_is_looked_at_without_waiting_for_the_timer() {
    let odd = Duration::from_micros(1300);
    let log = play(16, Duration::ZERO, never, async |calls| {
        for _ in 0..4 {
            calls.unbounded_send("one").unwrap();
            // Others have a chance, and time has not.
            yield_now().await;
            yield_now().await;
            advance(odd).await;
        }
        sleep(millis(5)).await;
    })
    .await;
    let at: Vec<_> = log.looks.into_inner().iter().map(|(_, from, _)| *from).collect();
    assert_eq!(at, [0, 1, 2, 3].map(|round| odd * round));
}

#[tokio::test(start_paused = true)]
async fn calls_during_a_look_lead_to_one_more_and_never_to_two_at_once() {
    let log = play(16, millis(10), never, async |calls| {
        for _ in 0..5 {
            calls.unbounded_send("one").unwrap();
            sleep(millis(1)).await;
        }
        sleep(millis(30)).await;
    })
    .await;
    assert_eq!(log.looks.into_inner(), [("one", millis(0), millis(10)), ("one", millis(10), millis(20))]);
    assert_eq!(log.most.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn others_go_at_once_up_to_the_limit() {
    let log = play(2, millis(10), never, async |calls| {
        for name in ["one", "two", "three", "four"] {
            calls.unbounded_send(name).unwrap();
        }
        sleep(millis(50)).await;
    })
    .await;
    let looks = log.looks.into_inner();
    assert_eq!(looks.len(), 4, "{looks:?}");
    assert_eq!(looks.iter().map(|(_, _, to)| *to).collect::<Vec<_>>(), [10, 10, 20, 20].map(millis));
    assert_eq!(log.most.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_look_is_repeated_when_it_asks_for_that_and_sooner_when_called() {
    let twice = |log: &Log| (log.looks.borrow().len() < 3).then_some(millis(100));
    let log = play(16, Duration::ZERO, twice, async |calls| {
        calls.unbounded_send("one").unwrap();
        sleep(millis(40)).await;
        calls.unbounded_send("one").unwrap();
        sleep(millis(500)).await;
    })
    .await;
    let at: Vec<_> = log.looks.into_inner().iter().map(|(_, from, _)| *from).collect();
    // Called at 40, and from then on by itself; the first request, for 100, gave way to the call.
    assert_eq!(at, [0, 40, 140].map(millis));
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_looks_under_way_and_begins_no_others() {
    let log = play(
        1,
        millis(10),
        |_| Some(millis(1)),
        async |calls| {
            calls.unbounded_send("one").unwrap();
            calls.unbounded_send("two").unwrap();
            sleep(millis(5)).await;
        },
    )
    .await;
    assert_eq!(log.looks.into_inner().len(), 1);
}

/// Whatever is called, whenever: each call is followed by a look that begins no earlier, and no name has two at once.
#[test]
fn no_call_is_lost() {
    const NAMES: [&str; 4] = ["one", "two", "three", "four"];
    let calls = proptest::collection::vec((0..NAMES.len(), 0_u64..8), 1..40);
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let played = TestRunner::new(config).run(&(calls, 1_usize..4, 0_u64..12), |(calls, at_once, takes)| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let began = Instant::now();
            let called = RefCell::new(Vec::new());
            let log = play(at_once, millis(takes), never, async |caller| {
                for (name, pause) in calls {
                    sleep(millis(pause)).await;
                    called.borrow_mut().push((NAMES[name], began.elapsed()));
                    caller.unbounded_send(NAMES[name]).unwrap();
                }
                sleep(millis(1000)).await;
            })
            .await;
            let looks = log.looks.into_inner();
            assert!(log.most.get() <= at_once);
            for (name, at) in called.into_inner() {
                assert!(
                    looks.iter().any(|(looked, from, _)| *looked == name && *from >= at),
                    "{name} at {at:?}"
                );
            }
            for (index, (name, from, to)) in looks.iter().enumerate() {
                let overlaps = |(other, since, until): &(&str, Duration, Duration)| {
                    other == name && *since < *to && *from < *until
                };
                assert!(!looks[index + 1..].iter().any(overlaps), "{name} twice at once");
            }
        });
        Ok(())
    });
    played.unwrap();
}
