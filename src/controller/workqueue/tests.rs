//! The workqueue on paused time, which moves only when every task waits for it.

use std::cell::{Cell, RefCell};

use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::stream;
use proptest::test_runner::{Config, TestRunner};
use tokio::task::yield_now;
use tokio::time::{advance, sleep};

use super::*;

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

/// A look: at what, from when to when, and whether it asked for another.
#[derive(Clone, Copy, Debug)]
struct Looked {
    name: &'static str,
    from: Duration,
    to: Duration,
    /// Which of all calls and looks it was.
    number: usize,
    asks: bool,
}

#[derive(Default)]
struct Log {
    looks: RefCell<Vec<Looked>>,
    happened: Cell<usize>,
    under_way: Cell<usize>,
    most: Cell<usize>,
}

impl Log {
    fn number(&self) -> usize {
        self.happened.set(self.happened.get() + 1);
        self.happened.get()
    }

    /// A look that takes so long.
    async fn look(&self, name: &'static str, began: Instant, takes: Duration) {
        let (from, number) = (began.elapsed(), self.number());
        self.under_way.set(self.under_way.get() + 1);
        self.most.set(self.most.get().max(self.under_way.get()));
        if !takes.is_zero() {
            sleep(takes).await;
        }
        self.under_way.set(self.under_way.get() - 1);
        self.looks.borrow_mut().push(Looked { name, from, to: began.elapsed(), number, asks: false });
    }

    /// Names and times of all looks, in the order in which they ended.
    fn times(&self) -> Vec<(&'static str, Duration, Duration)> {
        self.looks.borrow().iter().map(|look| (look.name, look.from, look.to)).collect()
    }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Serves what `call` calls, each look taking so long and asking for another after `requeue`.
async fn play(
    log: &Log,
    max_concurrent: usize,
    takes: Duration,
    requeue: impl Fn(usize) -> Option<Duration>,
    call: impl AsyncFnOnce(UnboundedSender<&'static str>),
) {
    let began = Instant::now();
    let (caller, calls) = unbounded();
    // Each in a namespace of its own: no share but the whole is in the way.
    let calls = calls.map(|name: &'static str| (name.into(), name.into()));
    let serve = serve(calls, stream::pending(), max_concurrent, async |(_, name)| {
        let name = NAMES.into_iter().find(|known| *known == name).unwrap();
        log.look(name, began, takes).await;
        let mut looks = log.looks.borrow_mut();
        let after = requeue(looks.len());
        if let Some(look) = looks.last_mut() {
            look.asks = after.is_some();
        }
        after
    });
    tokio::join!(serve, call(caller));
}

fn never(_: usize) -> Option<Duration> {
    None
}

#[tokio::test(start_paused = true)]
async fn whoever_is_called_is_looked_at_without_waiting_for_the_timer() {
    // The queue begins between two ticks of the timer, and so does each call.
    let (log, odd) = (Log::default(), Duration::from_micros(1100));
    advance(Duration::from_micros(700)).await;
    play(&log, 16, Duration::ZERO, never, async |calls| {
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
    let at: Vec<_> = log.times().iter().map(|(_, from, _)| *from).collect();
    assert_eq!(at, [0, 1, 2, 3].map(|round| odd * round));
}

#[tokio::test(start_paused = true)]
async fn calls_that_come_together_are_one() {
    for _ in 0..50 {
        let log = Log::default();
        play(&log, 16, Duration::ZERO, never, async |calls| {
            for name in ["one", "two", "one", "one"] {
                calls.unbounded_send(name).unwrap();
            }
            sleep(millis(5)).await;
        })
        .await;
        assert_eq!(log.times().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_during_a_look_lead_to_one_more_and_never_to_two_at_once() {
    let log = Log::default();
    play(&log, 16, millis(10), never, async |calls| {
        for _ in 0..5 {
            calls.unbounded_send("one").unwrap();
            sleep(millis(1)).await;
        }
        sleep(millis(30)).await;
    })
    .await;
    assert_eq!(log.times(), [("one", millis(0), millis(10)), ("one", millis(10), millis(20))]);
    assert_eq!(log.most.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn others_go_at_once_up_to_the_limit() {
    let log = Log::default();
    play(&log, 2, millis(10), never, async |calls| {
        for name in ["one", "two", "three", "four"] {
            calls.unbounded_send(name).unwrap();
        }
        sleep(millis(50)).await;
    })
    .await;
    let ended: Vec<_> = log.times().iter().map(|(_, _, to)| *to).collect();
    assert_eq!(ended, [10, 10, 20, 20].map(millis));
    assert_eq!(log.most.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_look_is_repeated_when_it_asks_for_that_and_sooner_when_called() {
    let log = Log::default();
    let twice = |looks| (looks < 3).then_some(millis(100));
    play(&log, 16, Duration::ZERO, twice, async |calls| {
        calls.unbounded_send("one").unwrap();
        sleep(millis(40)).await;
        calls.unbounded_send("one").unwrap();
        sleep(millis(500)).await;
    })
    .await;
    // Called at 40, and from then on by itself; the first request, for 100, gave way to the call.
    let at: Vec<_> = log.times().iter().map(|(_, from, _)| *from).collect();
    assert_eq!(at, [0, 40, 140].map(millis));
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_looks_under_way_and_begins_no_others() {
    let log = Log::default();
    play(
        &log,
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
    assert_eq!(log.times().len(), 1);
}

/// Whatever is called, whenever, and whatever asks for more: each call is followed by a look, and so is each look that
/// asks for another. No name has two at once, and no more than so many are under way.
#[test]
fn nothing_that_was_asked_for_is_lost() {
    let calls = proptest::collection::vec((0..NAMES.len(), 0_u64..8), 1..40);
    let settings = (calls, 1_usize..4, 0_u64..12, 0_usize..30, 0_u64..20);
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let played = TestRunner::new(config).run(&settings, |(calls, max_concurrent, takes, requeues, after)| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (log, called) = (Log::default(), RefCell::new(Vec::new()));
        let requeue = |looks| (looks <= requeues).then_some(millis(after));
        runtime.block_on(play(&log, max_concurrent, millis(takes), requeue, async |caller| {
            for (name, pause) in calls {
                sleep(millis(pause)).await;
                called.borrow_mut().push((NAMES[name], log.number()));
                caller.unbounded_send(NAMES[name]).unwrap();
            }
            sleep(millis(2000)).await;
        }));

        let looks = log.looks.into_inner();
        assert!(log.most.get() <= max_concurrent);
        for (name, number) in called.into_inner() {
            assert!(looks.iter().any(|look| look.name == name && look.number > number), "{name}, {number}");
        }
        for (index, look) in looks.iter().enumerate() {
            let mut later = looks[index + 1..].iter().filter(|other| other.name == look.name);
            assert!(!look.asks || later.clone().next().is_some(), "{look:?} asked for another");
            assert!(later.all(|other| other.from >= look.to), "{look:?} and another at once");
        }
        Ok(())
    });
    played.unwrap();
}

fn name(namespace: &str, name: &str) -> NamespacedName {
    (namespace.into(), name.into())
}

/// Starts all that may be, and says of which namespaces.
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
fn woken_names_go_before_triggered_ones_in_every_other_turn() {
    let mut queue = Workqueue::new(100);
    (0..10).for_each(|number| queue.add(name(&number.to_string(), "triggered"), Band::Triggered));
    queue.add(name("9", "triggered"), Band::Woken);
    queue.add(name("woken", "a"), Band::Woken);
    let first: Vec<_> = started(&mut queue);
    assert_eq!(first[..4], ["0", "9", "1", "woken"]);
    assert_eq!(first.len(), 11, "each once");
}

#[test]
fn a_name_that_is_woken_while_it_is_reconciled_is_reconciled_again() {
    let mut queue = Workqueue::new(1);
    queue.add(name("a", "one"), Band::Triggered);
    assert_eq!(queue.start(), Some(name("a", "one")));
    queue.add(name("a", "one"), Band::Woken);
    queue.add(name("a", "one"), Band::Triggered);
    queue.finish(name("a", "one"), Some(Instant::now()));
    assert_eq!(queue.start(), Some(name("a", "one")));
    queue.finish(name("a", "one"), None);
    assert_eq!((queue.start(), queue.due(), queue.entries.len()), (None, None, 0));
}
