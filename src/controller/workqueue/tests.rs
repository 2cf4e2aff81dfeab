//! The workqueue on paused time, which moves only when every task waits for it.

use std::cell::{Cell, RefCell};

use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::stream;
use proptest::test_runner::{Config, TestRunner};
use tokio::task::yield_now;
use tokio::time::{advance, sleep};

use super::*;

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

/// A reconcile: its name, its beginning and end, and whether it asked to be repeated.
#[derive(Clone, Copy, Debug)]
struct Reconciled {
    name: &'static str,
    from: Duration,
    to: Duration,
    /// The number of this reconcile among all triggers and reconciles.
    number: usize,
    asks: bool,
}

#[derive(Default)]
struct Log {
    reconciles: RefCell<Vec<Reconciled>>,
    happened: Cell<usize>,
    under_way: Cell<usize>,
    most: Cell<usize>,
}

impl Log {
    fn number(&self) -> usize {
        self.happened.set(self.happened.get() + 1);
        self.happened.get()
    }

    /// A reconcile that takes this long.
    async fn reconcile(&self, name: &'static str, began: Instant, takes: Duration) {
        let (from, number) = (began.elapsed(), self.number());
        self.under_way.set(self.under_way.get() + 1);
        self.most.set(self.most.get().max(self.under_way.get()));
        if !takes.is_zero() {
            sleep(takes).await;
        }
        self.under_way.set(self.under_way.get() - 1);
        self.reconciles.borrow_mut().push(Reconciled {
            name,
            from,
            to: began.elapsed(),
            number,
            asks: false,
        });
    }

    /// Names and times of all reconciles, in the order in which they ended.
    fn times(&self) -> Vec<(&'static str, Duration, Duration)> {
        self.reconciles
            .borrow()
            .iter()
            .map(|reconcile| (reconcile.name, reconcile.from, reconcile.to))
            .collect()
    }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Serves the names that `trigger` sends. Each reconcile takes this long and asks to be repeated after `requeue`.
async fn play(
    log: &Log,
    max_concurrent: usize,
    takes: Duration,
    requeue: impl Fn(usize) -> Option<Duration>,
    trigger: impl AsyncFnOnce(UnboundedSender<&'static str>),
) {
    let began = Instant::now();
    let (sender, triggers) = unbounded();
    // Each name has a namespace of its own, so that no share limits it.
    let triggers = triggers.map(|name: &'static str| (name.into(), name.into()));
    let serve = serve(triggers, stream::pending(), max_concurrent, async |(_, name)| {
        let name = NAMES.into_iter().find(|known| *known == name).unwrap();
        log.reconcile(name, began, takes).await;
        let mut reconciles = log.reconciles.borrow_mut();
        let after = requeue(reconciles.len());
        if let Some(reconcile) = reconciles.last_mut() {
            reconcile.asks = after.is_some();
        }
        after
    });
    tokio::join!(serve, trigger(sender));
}

fn never(_: usize) -> Option<Duration> {
    None
}

#[tokio::test(start_paused = true)]
async fn a_triggered_name_is_reconciled_without_waiting_for_the_timer() {
    // The queue starts between two ticks of the timer, and so does each trigger.
    let (log, odd) = (Log::default(), Duration::from_micros(1100));
    advance(Duration::from_micros(700)).await;
    play(&log, 16, Duration::ZERO, never, async |triggers| {
        for _ in 0..4 {
            triggers.unbounded_send("one").unwrap();
            // Lets other tasks run, while time stands still.
            yield_now().await;
            yield_now().await;
            advance(odd).await;
        }
        sleep(millis(5)).await;
    })
    .await;
    let at: Vec<_> = log.times().iter().map(|(_, from, _)| *from).collect();
    assert_eq!(at, [0, 1, 2, 3].map(|round| odd * round));
}

#[tokio::test(start_paused = true)]
async fn triggers_that_come_together_cause_one_reconcile() {
    for _ in 0..50 {
        let log = Log::default();
        play(&log, 16, Duration::ZERO, never, async |triggers| {
            for name in ["one", "two", "one", "one"] {
                triggers.unbounded_send(name).unwrap();
            }
            sleep(millis(5)).await;
        })
        .await;
        assert_eq!(log.times().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn triggers_during_a_reconcile_cause_one_more_and_never_two_at_the_same_time() {
    let log = Log::default();
    play(&log, 16, millis(10), never, async |triggers| {
        for _ in 0..5 {
            triggers.unbounded_send("one").unwrap();
            sleep(millis(1)).await;
        }
        sleep(millis(30)).await;
    })
    .await;
    assert_eq!(log.times(), [("one", millis(0), millis(10)), ("one", millis(10), millis(20))]);
    assert_eq!(log.most.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn other_names_are_reconciled_at_the_same_time_up_to_the_limit() {
    let log = Log::default();
    play(&log, 2, millis(10), never, async |triggers| {
        for name in ["one", "two", "three", "four"] {
            triggers.unbounded_send(name).unwrap();
        }
        sleep(millis(50)).await;
    })
    .await;
    let ended: Vec<_> = log.times().iter().map(|(_, _, to)| *to).collect();
    assert_eq!(ended, [10, 10, 20, 20].map(millis));
    assert_eq!(log.most.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_is_repeated_when_it_asks_for_that_and_sooner_when_triggered() {
    let log = Log::default();
    let twice = |reconciles| (reconciles < 3).then_some(millis(100));
    play(&log, 16, Duration::ZERO, twice, async |triggers| {
        triggers.unbounded_send("one").unwrap();
        sleep(millis(40)).await;
        triggers.unbounded_send("one").unwrap();
        sleep(millis(500)).await;
    })
    .await;
    // Triggered at 40, which replaced the requeue at 100, and from then on requeued.
    let at: Vec<_> = log.times().iter().map(|(_, from, _)| *from).collect();
    assert_eq!(at, [0, 40, 140].map(millis));
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_reconciles_in_flight_and_starts_no_others() {
    let log = Log::default();
    play(
        &log,
        1,
        millis(10),
        |_| Some(millis(1)),
        async |triggers| {
            triggers.unbounded_send("one").unwrap();
            triggers.unbounded_send("two").unwrap();
            sleep(millis(5)).await;
        },
    )
    .await;
    assert_eq!(log.times().len(), 1);
}

/// For all triggers and requeues: each trigger is followed by a reconcile, and so is each reconcile that asks to be repeated. No
/// name has two reconciles at the same time, and no more than `max_concurrent` run at the same time.
#[test]
fn no_trigger_and_no_requeue_is_lost() {
    let triggers = proptest::collection::vec((0..NAMES.len(), 0_u64..8), 1..40);
    let settings = (triggers, 1_usize..4, 0_u64..12, 0_usize..30, 0_u64..20);
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let played =
        TestRunner::new(config).run(&settings, |(triggers, max_concurrent, takes, requeues, after)| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let (log, triggered) = (Log::default(), RefCell::new(Vec::new()));
            let requeue = |reconciles| (reconciles <= requeues).then_some(millis(after));
            runtime.block_on(play(&log, max_concurrent, millis(takes), requeue, async |sender| {
                for (name, pause) in triggers {
                    sleep(millis(pause)).await;
                    triggered.borrow_mut().push((NAMES[name], log.number()));
                    sender.unbounded_send(NAMES[name]).unwrap();
                }
                sleep(millis(2000)).await;
            }));

            let reconciles = log.reconciles.into_inner();
            assert!(log.most.get() <= max_concurrent);
            for (name, number) in triggered.into_inner() {
                assert!(
                    reconciles.iter().any(|reconcile| reconcile.name == name && reconcile.number > number),
                    "{name}, {number}"
                );
            }
            for (index, reconcile) in reconciles.iter().enumerate() {
                let mut later = reconciles[index + 1..].iter().filter(|other| other.name == reconcile.name);
                assert!(!reconcile.asks || later.clone().next().is_some(), "{reconcile:?} asked for another");
                assert!(
                    later.all(|other| other.from >= reconcile.to),
                    "{reconcile:?} and another at the same time"
                );
            }
            Ok(())
        });
    played.unwrap();
}

fn name(namespace: &str, name: &str) -> NamespacedName {
    (namespace.into(), name.into())
}

/// Starts all reconciles that may start, and returns their namespaces.
fn started(queue: &mut Workqueue) -> Vec<String> {
    std::iter::from_fn(|| queue.start()).map(|(namespace, _)| namespace.to_string()).collect()
}

#[test]
fn namespaces_go_in_turn_and_none_has_more_than_its_share_under_way() {
    let mut queue = Workqueue::new(16);
    (0..100).for_each(|number| queue.add(name("many", &number.to_string()), Band::Triggered));
    assert_eq!(started(&mut queue).len(), 12, "three quarters");
    (0..3).for_each(|number| queue.add(name("few", &number.to_string()), Band::Triggered));
    assert_eq!(started(&mut queue), ["few"; 3]);
    for number in 3..6 {
        queue.add(name("few", &number.to_string()), Band::Triggered);
        queue.add(name("other", &number.to_string()), Band::Triggered);
    }
    (0..12).for_each(|number| queue.finish(name("many", &number.to_string()), None));
    assert_eq!(started(&mut queue)[..6], ["many", "few", "other", "many", "few", "other"]);
}

#[test]
fn resumed_names_go_before_triggered_ones_in_every_other_turn() {
    let mut queue = Workqueue::new(100);
    (0..10).for_each(|number| queue.add(name(&number.to_string(), "triggered"), Band::Triggered));
    queue.add(name("9", "triggered"), Band::Resumed);
    queue.add(name("resumed", "a"), Band::Resumed);
    let first: Vec<_> = started(&mut queue);
    assert_eq!(first[..4], ["0", "9", "1", "resumed"]);
    assert_eq!(first.len(), 11, "each once");
}

#[test]
fn a_name_that_is_resumed_while_it_is_reconciled_is_reconciled_again() {
    let mut queue = Workqueue::new(1);
    queue.add(name("a", "one"), Band::Triggered);
    assert_eq!(queue.start(), Some(name("a", "one")));
    queue.add(name("a", "one"), Band::Resumed);
    queue.add(name("a", "one"), Band::Triggered);
    queue.finish(name("a", "one"), Some(Instant::now()));
    assert_eq!(queue.start(), Some(name("a", "one")));
    queue.finish(name("a", "one"), None);
    assert_eq!((queue.start(), queue.due(), queue.entries.len()), (None, None, 0));
}
