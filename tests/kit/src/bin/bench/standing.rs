//! A fleet with long-lived tokens: the cold start, the latency of a new TokenSource, memory, idle load, a restart, and the
//! lower bounds.

use std::time::{Duration, Instant};

use chrono::Utc;
use kube::api::DynamicObject;
use tokensource_kit::controller::ControllerProcess;

use crate::bare::{Bare, Verb, Work};
use crate::fleet::{self, Place};
use crate::journal::{percentile, seconds};
use crate::measure::{Memory, cpu, memory};
use crate::say;
use crate::table::{self, Figure, mebibytes, milliseconds};
use crate::world::{Cost, World, binary};

/// The number of TokenSources of the bare client; more would not change its rate.
const FLOOR: usize = 1000;
/// The number of TokenSources that are added to the existing fleet.
const LATE: usize = 100;
/// The length of the idle measurement.
const IDLE: Duration = Duration::from_secs(20);

/// The figures of the controller.
struct Run {
    cold: Cost,
    settled: Memory,
    idle: Cost,
    latencies: Vec<f64>,
    restart: Restart,
}

struct Restart {
    ready: Duration,
    cost: Cost,
    memory: Memory,
}

/// The figures of the bare client.
struct Floor {
    count: f64,
    cheapest: Verb,
    first: Cost,
    statuses: Vec<(&'static str, Cost)>,
    latencies: Vec<f64>,
    writes: Vec<f64>,
}

pub(crate) async fn measure(size: usize) -> Vec<Figure> {
    say("a control plane, a provider, credentials");
    let world = World::build().await;
    let (places, late) = (fleet::places("fleet", size), fleet::places("late", LATE));
    fleet::prepare(&world.admin, &places, &world.provider).await;
    fleet::prepare(&world.admin, &late, &world.provider).await;
    say(&format!("{size} TokenSources"));
    fleet::populate(&world.admin, &places).await;
    let run = run(&world, &late, size).await;
    let floor = floor(&world, size).await;
    figures(size, &run, &floor)
}

async fn run(world: &World, late: &[Place], size: usize) -> Run {
    say("cold start");
    let meter = world.meter(Duration::ZERO).await;
    let controller = world.controller();
    world.journal.await_ready(size).await;
    let cold = meter.stop(cpu(controller.process())).await;
    assert_eq!(cold.asked.requests, count(size), "one token for each TokenSource");
    assert_eq!(world.provider.counts().twice, 0, "no token is requested twice");
    say(&format!("all Ready after {:.2?}; {}", cold.elapsed, cold.server.each(real(size))));

    settle(world).await;
    let settled = memory(controller.process());
    say(&format!("idle for {} s", IDLE.as_secs()));
    let meter = world.meter(cpu(controller.process())).await;
    tokio::time::sleep(IDLE).await;
    let idle = meter.stop(cpu(controller.process())).await;

    say(&format!("{LATE} more, one after the other"));
    let latencies = latencies(world, late).await;
    settle(world).await;

    say("restart");
    let restart = restart(world, &controller).await;
    controller.terminate().await;
    Run { cold, settled, idle, latencies, restart }
}

/// Waits until nothing was written for three seconds.
async fn settle(world: &World) {
    loop {
        let meter = world.meter(Duration::ZERO).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        if meter.stop(Duration::ZERO).await.server.writes() == 0.0 {
            return;
        }
    }
}

async fn latencies(world: &World, late: &[Place]) -> Vec<f64> {
    let mut latencies = Vec::new();
    for place in late {
        let (mark, began) = (world.journal.mark(), Utc::now());
        fleet::create(&world.admin, place).await.expect("a TokenSource is created");
        let arrival = world.journal.await_token(mark, &place.name).await;
        latencies.push(seconds(arrival.at - began) * 1000.0);
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    latencies
}

async fn restart(world: &World, controller: &ControllerProcess) -> Restart {
    assert_eq!(controller.terminate().await.code(), Some(0), "SIGTERM ends the controller in order");
    let meter = world.meter(Duration::ZERO).await;
    let began = Instant::now();
    controller.process().start_again();
    while controller.get("/readyz").await.is_err() {
        assert!(controller.process().is_running(), "{}", controller.process().tail(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ready = began.elapsed();
    // After this time the controller leads, and has reconciled every TokenSource once.
    tokio::time::sleep(Duration::from_secs(5)).await;
    settle(world).await;
    let cost = meter.stop(cpu(controller.process())).await;
    Restart { ready, cost, memory: memory(controller.process()) }
}

async fn floor(world: &World, size: usize) -> Floor {
    let many = size.min(FLOOR);
    say(&format!("the floor: a bare client, {many} TokenSources"));
    let places = fleet::places("floor", many);
    fleet::prepare(&world.admin, &places, &world.provider).await;
    let sources = created(world, &places).await;
    let bare = Bare::new(&world.plane, &world.provider, sources);

    let mut statuses = Vec::new();
    let verbs = [
        ("a status write by JSON patch", Verb::JsonPatch),
        ("a status write by merge patch", Verb::MergePatch),
        ("a status write by apply", Verb::Apply),
        ("a status write by PUT", Verb::Put),
    ];
    for (name, verb) in verbs {
        // The first write adds the status; the second write is measured.
        bare.run(Work::Status(verb), None).await;
        statuses.push((name, metered(world, &bare, Work::Status(verb)).await));
    }
    let server_time = |at: &usize| statuses[*at].1.api_server + statuses[*at].1.etcd;
    let cheapest = (0..verbs.len()).min_by_key(server_time).map_or(Verb::JsonPatch, |at| verbs[at].1);
    let first = metered(world, &bare, Work::First(cheapest)).await;
    bare.end();

    let late = fleet::places("bare", LATE);
    fleet::prepare(&world.admin, &late, &world.provider).await;
    let unknown = late.iter().map(|place| (place.clone(), fleet::object(place))).collect();
    let bare = Bare::new(&world.plane, &world.provider, unknown);
    let (mut latencies, mut writes) = (Vec::new(), Vec::new());
    for (number, place) in late.iter().enumerate() {
        let (mark, began) = (world.journal.mark(), Utc::now());
        bare.adopt(number, fleet::create(&world.admin, place).await.expect("a TokenSource is created")).await;
        bare.one(number, Work::Publish).await;
        let arrival = world.journal.await_token(mark, &place.name).await;
        latencies.push(seconds(arrival.at - began) * 1000.0);
        writes.push(bare.one(number, Work::Status(cheapest)).await.as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    bare.end();
    Floor { count: real(many), cheapest, first, statuses, latencies, writes }
}

/// Creates TokenSources without a controller, and returns them as stored.
pub(crate) async fn created(world: &World, places: &[Place]) -> Vec<(Place, DynamicObject)> {
    let mut sources = Vec::new();
    for place in places {
        let source = fleet::create(&world.admin, place).await.expect("a TokenSource is created");
        sources.push((place.clone(), source));
    }
    sources
}

pub(crate) async fn metered(world: &World, bare: &Bare, work: Work) -> Cost {
    let meter = world.meter(Bare::cpu()).await;
    bare.run(work, None).await;
    meter.stop(Bare::cpu()).await
}

fn figures(size: usize, run: &Run, floor: &Floor) -> Vec<Figure> {
    let many = real(size);
    let each = |time: Duration, count: f64| time.as_secs_f64() * 1000.0 / count;
    let rate = floor.first.elapsed.as_secs_f64() / floor.count;
    let cold = &run.cold;
    let percentiles = |values: &[f64]| (percentile(values, 0.5), percentile(values, 0.99));
    let ((p50, p99), (floor50, floor99)) = (percentiles(&run.latencies), percentiles(&floor.latencies));
    let bytes = std::fs::metadata(binary()).map(|data| data.len()).unwrap_or_default();
    let mut figures = vec![
        Figure::over(
            "cold fleet: all Ready after",
            (cold.elapsed.as_secs_f64(), rate * many),
            table::seconds,
            "1.10",
        ),
        Figure::over(
            "  CPU of the controller for each",
            (each(cold.client, many), each(floor.first.client, floor.count)),
            milliseconds,
            "",
        ),
        Figure::over(
            "  CPU of API server and etcd for each",
            (
                each(cold.api_server + cold.etcd, many),
                each(floor.first.api_server + floor.first.etcd, floor.count),
            ),
            milliseconds,
            "",
        ),
        Figure::new("  requests for each", cold.server.each(many), ""),
        Figure::new("  TLS handshakes with the provider", cold.asked.handshakes.to_string(), ""),
        Figure::over(
            "apply to Secret, p50",
            (p50, floor50),
            milliseconds,
            "8 ms where the two writes take 10",
        ),
        Figure::over("apply to Secret, p99", (p99, floor99), milliseconds, "3 times p50"),
        Figure::new("memory, settled", mebibytes(run.settled.now), "64 MiB at 10,000"),
        Figure::new("memory, peak", mebibytes(run.settled.peak), ""),
        Figure::new(
            "idle: writes, reads, CPU",
            format!(
                "{}, {}, {:.2} %",
                run.idle.server.writes(),
                run.idle.server.reads(),
                100.0 * run.idle.client.as_secs_f64() / run.idle.elapsed.as_secs_f64()
            ),
            "0 writes (the lease aside)",
        ),
        Figure::new("restart: ready after", table::seconds(run.restart.ready.as_secs_f64()), ""),
        Figure::new(
            "restart: token requests, API writes",
            format!("{}, {}", run.restart.cost.asked.requests, run.restart.cost.server.writes()),
            "0, 0",
        ),
        Figure::new(
            "restart: memory, peak and settled; CPU",
            format!(
                "{}, {}; {:.0} ms",
                mebibytes(run.restart.memory.peak),
                mebibytes(run.restart.memory.now),
                run.restart.cost.client.as_secs_f64() * 1000.0
            ),
            "",
        ),
        Figure::new("binary", mebibytes(f64::from(u32::try_from(bytes).unwrap_or(u32::MAX))), ""),
    ];
    for (name, cost) in &floor.statuses {
        let shown = format!(
            "{:.2} ms API server, {:.2} ms etcd",
            each(cost.api_server, floor.count),
            each(cost.etcd, floor.count)
        );
        figures.push(Figure::new(name, "", "").beside(shown));
    }
    let cheapest = format!("the floor's status writes are by {:?}; alone, one takes", floor.cheapest);
    say(&format!("{cheapest} {:.2} ms", percentile(&floor.writes, 0.5)));
    figures
}

pub(crate) fn count(size: usize) -> u64 {
    u64::try_from(size).expect("a size")
}

pub(crate) fn real(size: usize) -> f64 {
    f64::from(u32::try_from(size).expect("a size"))
}
