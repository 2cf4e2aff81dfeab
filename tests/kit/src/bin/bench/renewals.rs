//! A fleet whose tokens are renewed evenly, up to 67 a second: the cost and lateness of renewals, and the effect of a
//! restart, a crash of the leader and a slow provider.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokensource_kit::controller::ControllerProcess;

use crate::bare::{Bare, Verb, Work};
use crate::fleet;
use crate::journal::{Arrival, percentile, seconds};
use crate::measure::{cpu, memory};
use crate::provider::Lives;
use crate::say;
use crate::standing::{created, real};
use crate::table::{self, Figure, mebibytes, milliseconds};
use crate::world::{Cost, World};

/// Renewals a second: 10,000 tokens that live 300 s and are renewed at half of their lifetime.
const RATE: f64 = 200.0 / 3.0;
/// Shorter lifetimes measure nothing, because no token is requested within 5 s of the previous token.
const SHORTEST: f64 = 16.0;
/// The minimum and maximum time for which renewals are counted.
const WINDOW: (f64, f64) = (30.0, 150.0);

struct Fleet {
    world: World,
    controller: ControllerProcess,
    life: Duration,
    /// Renewals a second.
    rate: f64,
}

impl Fleet {
    /// A fleet that is Ready, with its first renewals distributed over the next half of a lifetime.
    async fn start(size: usize) -> Self {
        let life = Duration::from_secs_f64((2.0 * real(size) / RATE).max(SHORTEST).round());
        let rate = 2.0 * real(size) / life.as_secs_f64();
        say(&format!("a control plane, {size} TokenSources, tokens that live {} s", life.as_secs()));
        let world = World::build().await;
        world.provider.set_lives(Lives::Spread { pause: Duration::from_secs(8), life });
        let places = fleet::places("fleet", size);
        fleet::prepare(&world.admin, &places, &world.provider).await;
        // The controller starts first: in its first two minutes, a leader reads a target of an older TokenSource once more
        // before it requests a token.
        let controller = world.controller();
        controller.ready().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        fleet::populate(&world.admin, &places).await;
        world.journal.await_ready(size).await;
        Self { world, controller, life, rate }
    }

    /// Prints the state in one line.
    fn glance(&self) {
        let counts = self.world.provider.counts();
        let memory = memory(self.controller.process());
        say(&format!(
            "{} requests, {} refused, {} asked twice, {} expired, {}",
            counts.requests,
            counts.refused,
            counts.twice,
            self.world.journal.expired(),
            mebibytes(memory.now)
        ));
    }

    async fn wait(&self, span: Duration) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            let left = end.saturating_duration_since(Instant::now());
            tokio::time::sleep(left.min(Duration::from_secs(15))).await;
            self.glance();
        }
    }
}

pub(crate) async fn measure(size: usize) -> Vec<Figure> {
    let fleet = Fleet::start(size).await;
    // The first renewal of each takes over the fields of the Secret from the request that created it, and costs more.
    let half = fleet.life / 2;
    say("first renewals, which are not counted");
    fleet.wait(half + Duration::from_secs(12)).await;

    let window = Duration::from_secs_f64(half.as_secs_f64().clamp(WINDOW.0, WINDOW.1));
    say(&format!("renewals, counted for {} s", window.as_secs()));
    let mark = fleet.world.journal.mark();
    let meter = fleet.world.meter(cpu(fleet.controller.process())).await;
    fleet.wait(window).await;
    let cost = meter.stop(cpu(fleet.controller.process())).await;
    let arrivals = fleet.world.journal.arrivals(mark);
    assert_eq!(fleet.world.journal.expired(), 0, "no token expires in its target");
    assert_eq!(fleet.world.provider.counts().twice, 0, "no token is requested twice");
    let settled = memory(fleet.controller.process());

    let mut figures = costs(&cost, &arrivals, settled.now);
    figures.extend(lateness(&arrivals));
    figures.push(first_after_start(&fleet).await);
    figures.extend(failover(&fleet).await);
    let floor = floor(&fleet, size).await;
    with_floor(&mut figures, &cost, &arrivals, &floor, real(size.min(1000)));
    figures
}

fn each(time: Duration, many: f64) -> f64 {
    time.as_secs_f64() * 1000.0 / many
}

/// Figures whose lower bounds are filled in later, in the order of the table.
fn costs(cost: &Cost, arrivals: &[(String, Arrival)], resident: f64) -> Vec<Figure> {
    let many = real(arrivals.len());
    vec![
        Figure::new("renewals a second", format!("{:.1}", many / cost.elapsed.as_secs_f64()), ""),
        Figure::new("  requests for each", cost.server.each(many), "2 writes, 1 read"),
        Figure::new(
            "  TLS handshakes for each",
            format!("{:.2}", f64::from(u32::try_from(cost.asked.handshakes).unwrap_or(u32::MAX)) / many),
            "",
        ),
        Figure::new("  memory meanwhile", mebibytes(resident), ""),
    ]
}

fn with_floor(
    figures: &mut Vec<Figure>,
    cost: &Cost,
    arrivals: &[(String, Arrival)],
    floor: &Cost,
    floor_many: f64,
) {
    let many = real(arrivals.len());
    let ours = [
        Figure::over(
            "  CPU of the controller for each",
            (each(cost.client, many), each(floor.client, floor_many)),
            milliseconds,
            "the floor's, 0.7 ms",
        ),
        Figure::over(
            "  CPU of the API server for each",
            (each(cost.api_server, many), each(floor.api_server, floor_many)),
            milliseconds,
            "the floor's",
        ),
        Figure::over(
            "  CPU of etcd for each",
            (each(cost.etcd, many), each(floor.etcd, floor_many)),
            milliseconds,
            "the floor's",
        ),
    ];
    for (at, figure) in ours.into_iter().enumerate() {
        figures.insert(1 + at, figure);
    }
    let sent = |value: f64| format!("{value:.2}");
    let watched = (watch_events(cost, many), watch_events(floor, floor_many));
    figures.insert(5, Figure::over("  watch events for each", watched, sent, "2 more than the server's own"));
}

/// Events that the API server sent to other clients than the benchmark.
fn watch_events(cost: &Cost, many: f64) -> f64 {
    #[allow(clippy::cast_precision_loss)] // thousands
    let ours = cost.own_events as f64;
    (cost.server.watch_events - ours) / many
}

fn lateness(arrivals: &[(String, Arrival)]) -> Vec<Figure> {
    let late = |(_, arrival): &(String, Arrival)| arrival.due.map(|due| seconds(arrival.at - due));
    let late: Vec<f64> = arrivals.iter().filter_map(late).collect();
    let spans = [0.5, 0.99, 1.0].map(|share| format!("{:.3}", percentile(&late, share)));
    vec![
        Figure::new("lateness, p50, p99, most", format!("{} s", spans.join(", ")), ""),
        Figure::new("  tokens expired in a Secret, requested twice", "0, 0", "0, 0"),
    ]
}

/// The time from a start to the first token that became due meanwhile.
async fn first_after_start(fleet: &Fleet) -> Figure {
    say("a restart while tokens are due");
    let Fleet { world, controller, .. } = fleet;
    assert_eq!(controller.terminate().await.code(), Some(0), "SIGTERM ends the controller in order");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (mark, began) = (world.journal.mark(), Utc::now());
    controller.process().start_again();
    while world.journal.mark() == mark {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = world.journal.arrivals(mark).first().map_or(f64::NAN, |(_, first)| seconds(first.at - began));
    fleet.wait(Duration::from_secs(10)).await;
    Figure::new("start to first renewal", table::seconds(took), "")
}

/// Kills the leader while another replica is ready to take over.
async fn failover(fleet: &Fleet) -> Vec<Figure> {
    say("a second process, ready to take over");
    let Fleet { world, controller, rate, .. } = fleet;
    let standby = world.controller();
    standby.ready().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let meter = world.meter(cpu(standby.process())).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let idle = meter.stop(cpu(standby.process())).await;
    let resident = memory(standby.process()).now;

    say("the leader is killed");
    let (mark, before, died) = (world.journal.mark(), world.provider.counts(), Utc::now());
    controller.kill9();
    tokio::time::sleep(Duration::from_secs(45)).await;
    let arrivals = world.journal.arrivals(mark);
    let after = world.provider.counts().since(before);
    let mut times: Vec<DateTime<Utc>> = arrivals.iter().map(|(_, arrival)| arrival.at).collect();
    times.insert(0, died);
    let gaps = times.windows(2).map(|pair| seconds(pair[1] - pair[0]));
    let gap = gaps.fold(0.0, f64::max);
    let expired = world.journal.expired();
    say(&format!("{} tokens since, {} requested twice, {expired} expired", arrivals.len(), after.twice));
    standby.terminate().await;
    vec![
        Figure::new(
            "standby: memory, CPU",
            format!(
                "{}, {:.1} % at {rate:.0} renewals a second",
                mebibytes(resident),
                100.0 * idle.client.as_secs_f64() / idle.elapsed.as_secs_f64()
            ),
            "",
        ),
        Figure::new("failover after kill -9: longest gap", table::seconds(gap), "lease of 15 s and 5 s"),
        Figure::new("  requested twice, expired meanwhile", format!("{}, {expired}", after.twice), ""),
    ]
}

async fn floor(fleet: &Fleet, size: usize) -> Cost {
    let Fleet { world, rate, .. } = fleet;
    let many = size.min(1000);
    say(&format!("the floor: a bare client renews {many} at the same rate"));
    let places = fleet::places("floor", many);
    fleet::prepare(&world.admin, &places, &world.provider).await;
    let bare = Bare::new(&world.plane, &world.provider, created(world, &places).await);
    bare.run(Work::First(Verb::JsonPatch), None).await;
    bare.run(Work::Renewal(Verb::JsonPatch), None).await;
    let meter = world.meter(Bare::cpu()).await;
    bare.run(Work::Renewal(Verb::JsonPatch), Some(*rate)).await;
    let cost = meter.stop(Bare::cpu()).await;
    bare.end();
    cost
}

/// Measures a provider that permits three quarters of the requests.
pub(crate) async fn measure_limited(size: usize) -> Vec<Figure> {
    let fleet = Fleet::start(size).await;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a small number
    let limit = (fleet.rate * 0.75).round() as usize;
    say(&format!("the provider takes {limit} requests a second, where {:.0} are due", fleet.rate));
    fleet.world.provider.limit(limit);
    // Waits until the number of waiters is constant.
    fleet.wait(fleet.life / 2).await;
    let mark = fleet.world.journal.mark();
    let standing = fleet.world.journal.standing();
    let before = fleet.world.provider.counts();
    let window = fleet.life.clamp(Duration::from_secs(30), Duration::from_secs(120));
    fleet.wait(window).await;
    let arrivals = fleet.world.journal.arrivals(mark);
    let asked = fleet.world.provider.counts().since(before);
    let expired = fleet.world.journal.expired();
    if fleet.life > Duration::from_secs(200) {
        assert_eq!(expired, 0, "at three quarters of the rate all can be served before they expire");
    }
    let ahead = jumped(standing, &arrivals);
    let left =
        |(_, arrival): &(String, Arrival)| arrival.deadline.map(|deadline| seconds(deadline - arrival.at));
    let left: Vec<f64> = arrivals.iter().filter_map(left).collect();
    let granted = real(arrivals.len()) / window.as_secs_f64();
    vec![
        Figure::new(
            "limited provider: renewals a second",
            format!("{granted:.1}, {} refused with 429", asked.refused),
            "",
        )
        .beside(format!("{limit} allowed")),
        Figure::new(
            "  lifetime left at renewal, least, p50",
            format!("{:.1}, {:.1} s", percentile(&left, 0.0), percentile(&left, 0.5)),
            "",
        ),
        Figure::new(
            "  served before a token that expires sooner by, p50, p99",
            format!("{:.1}, {:.1} s", percentile(&ahead, 0.5), percentile(&ahead, 0.99)),
            "soonest expiry first",
        ),
        Figure::new("  tokens expired in a Secret", expired.to_string(), "0"),
    ]
}

/// For each served TokenSource: by how much earlier the token of another waiting TokenSource expired.
fn jumped(
    mut standing: HashMap<String, (DateTime<Utc>, DateTime<Utc>)>,
    arrivals: &[(String, Arrival)],
) -> Vec<f64> {
    let mut jumped = Vec::new();
    for (name, arrival) in arrivals {
        standing.remove(name);
        let Some(deadline) = arrival.deadline else { continue };
        // A TokenSource that has been due for less than two seconds may not be waiting yet.
        let lined_up = arrival.at - TimeDelta::seconds(2);
        let due = standing.values().filter(|(due, _)| *due < lined_up);
        if let Some(soonest) = due.map(|(_, expires_at)| *expires_at).min() {
            jumped.push(seconds(deadline - soonest).max(0.0));
        }
    }
    jumped
}
