//! Isolation: one hostile namespace carries out all attacks of docs/security.md, *One tenant and the others*, at the same time.
//! Another namespace, the victim, has 50 TokenSources with tokens that live 60 s. Knows the order of a run.
//!
//! ```sh
//! SEED=7 DURATION=10m make isolation               # all attacks at the same time
//! ATTACKS=template_bombs,deep_claims make isolation  # only these, at the same time
//! ATTACKS=each DURATION=1m make isolation          # each alone, with a control plane of its own
//! ```
//!
//! The victim's TokenSources use a host that the hostile namespace uses, too, a ClusterTokenProvider of both namespaces, and a
//! provider of the victim's own. The laws, each a variant of [`laws::Law`]:
//!
//! 1. No token of the victim's expires in its Secret, at any moment.
//! 2. No renewal of the victim's reaches its provider more than 5 s after `status.renewAt`.
//! 3. `/livez` answers each new connection within 1 s. The test sends a request every 500 ms.
//! 4. The process takes less memory than the Deployment allows. Pages of the program's file are left out, since this is a
//!    debug build, and the kernel may take them back.
//! 5. The process neither ends nor loses the lease.
//! 6. A replica that is started in the middle of the run is ready within 30 s.
//! 7. No log contains a secret, with `RUST_LOG=trace`: neither a secret of the tests, nor a value of a Secret that was applied
//!    by `kubectl` in an uninvolved namespace.
//! 8. No line of a log begins with what a user wrote, and no line contains a control character except tabs.
//! 9. The hostile namespace's innocent TokenSources are served again within a minute of the end of the attacks.

#![allow(clippy::disallowed_methods)] // the run takes place in real time
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a failure ends the run
#![allow(clippy::print_stdout)] // seed, attacks and figures are the result

mod attacks;
mod laws;
#[path = "../soak/random.rs"]
mod random;
#[path = "../soak/settings.rs"]
mod settings;
mod tenant;
mod witness;
mod world;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::task::JoinSet;
use tokio::time::sleep;

use attacks::Attack;
use laws::{Breach, Law};
use random::Random;
use settings::{seconds, seed, setting};
use tenant::{Tally, Tenant};
use witness::{Sentinel, Witness};
use world::{Scale, World};

const DURATION: Duration = Duration::from_secs(120);
/// The deadline for a new replica to be ready.
const UNTIL_READY: Duration = Duration::from_secs(30);
/// The deadline for innocent objects to be served after the end.
const UNTIL_SERVED: Duration = Duration::from_secs(60);

fn main() {
    let mut trials = laws::trials();
    trials.push(Trial::test("isolation", isolation));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn isolation() -> Result<(), Failed> {
    let (seed, duration) = (seed(), setting("DURATION").map_or(DURATION, |text| seconds(&text)));
    let wanted = setting("ATTACKS").unwrap_or_else(|| "all".to_owned());
    println!("SEED={seed} DURATION={}s ATTACKS={wanted}", duration.as_secs());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let all = attacks::all();
    let breaches = if wanted == "each" {
        let mut breaches = Vec::new();
        for attack in &all {
            let found = runtime.block_on(run(&[attack], seed, duration));
            println!("| `{}` | {} |", attack.name, laws::row(&found));
            breaches.extend(found);
        }
        breaches
    } else {
        let named = |attack: &&Attack| wanted == "all" || wanted.split(',').any(|name| name == attack.name);
        let chosen: Vec<&Attack> = all.iter().filter(named).collect();
        assert!(!chosen.is_empty() || wanted == "none", "no attack is called {wanted}");
        runtime.block_on(run(&chosen, seed, duration))
    };
    runtime.shutdown_timeout(Duration::from_secs(1));
    if breaches.is_empty() { Ok(()) } else { Err(format!("SEED={seed}:\n{}", laws::list(&breaches)).into()) }
}

/// Runs these attacks at the same time, and returns the broken laws.
async fn run(chosen: &[&Attack], seed: u64, duration: Duration) -> Vec<Breach> {
    let alone = chosen.len() == 1;
    let scale = Scale {
        // Fewer objects if the time is short and the attacks are many.
        crowd: if alone || duration >= Duration::from_secs(300) { 100 } else { 40 },
        // All attacks together must keep the controller busy, and not only the API server.
        pause: if alone { 1 } else { 4 },
    };
    let world = Arc::new(World::build(scale).await);
    let witness = Arc::new(Witness::default());
    let watches = [
        tokio::spawn(witness::watch_secrets(world.plane.admin(), world.victim.clone(), Arc::clone(&witness))),
        tokio::spawn(witness::watch_sources(world.plane.admin(), world.victim.clone(), Arc::clone(&witness))),
    ];
    world.populate().await;
    let lease = world.lease().await;
    let sentinel = Sentinel::start(&world);
    let tally = Arc::new(Tally::default());
    let mut hostile = JoinSet::new();
    for attack in chosen {
        let place = attacks::all().iter().position(|other| other.name == attack.name).unwrap_or_default();
        let random = Random::new(seed.wrapping_add(u64::try_from(place).unwrap() << 32));
        let tenant = Tenant::new(Arc::clone(&world), attack.name, random, Arc::clone(&tally));
        hostile.spawn(attack.begin(tenant, duration / 6));
    }
    let replica = async {
        sleep(duration / 2).await;
        second_replica(&world).await
    };
    let death = async {
        while !sentinel.found_dead() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    let mut breaches = tokio::select! {
        (breaches, ()) = async { tokio::join!(replica, sleep(duration)) } => breaches,
        () = death => Vec::new(),
    };
    hostile.shutdown().await;
    println!("{tally}");
    if sentinel.found_dead() {
        println!("the controller has ended: nothing more is tried");
    } else {
        breaches.extend(innocents(&world).await);
    }
    breaches.extend(world.lease_breach(lease.as_ref()).await);
    let end = Utc::now();
    for watch in watches {
        watch.abort();
    }
    breaches.extend(sentinel.stop(&world));
    breaches.extend(laws::judge(&world, &witness, end));
    breaches.extend(laws::search(world.controller.process().log()));
    if !breaches.is_empty() {
        keep_log(&world, chosen, seed);
    }
    breaches.sort_by_key(|breach| breach.law);
    breaches
}

/// Starts a second replica, and checks whether it becomes ready.
async fn second_replica(world: &World) -> Vec<Breach> {
    let (replica, began) = (world.replica(), std::time::Instant::now());
    loop {
        match replica.get("/readyz").await {
            Ok(_) => {
                println!("a second replica was ready after {:.1?}", began.elapsed());
                replica.kill9();
                return laws::search(replica.process().log());
            }
            Err(last) if began.elapsed() > UNTIL_READY || !replica.process().is_running() => {
                let what = format!("a second replica was not ready after {:.0?}: {last}", began.elapsed());
                return vec![Breach { law: Law::SecondReplica, what }];
            }
            Err(_) => sleep(Duration::from_millis(500)).await,
        }
    }
}

/// Deletes what the attacks have left, and checks whether the hostile namespace's innocent objects are served.
async fn innocents(world: &World) -> Vec<Breach> {
    let ended = Utc::now();
    world.clean_up().await;
    let deadline = tokio::time::Instant::now() + UNTIL_SERVED;
    loop {
        let unserved = world.unserved(ended).await;
        if unserved.is_empty() {
            println!("innocent objects were served {} s after the end", (Utc::now() - ended).num_seconds());
            return Vec::new();
        }
        if tokio::time::Instant::now() > deadline {
            let what = format!("a minute after the end: {}", unserved.join("; "));
            return vec![Breach { law: Law::Innocents, what }];
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Keeps the log of a failed run.
fn keep_log(world: &World, chosen: &[&Attack], seed: u64) {
    let name = if let [only] = chosen { only.name } else { "all" };
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("isolation-{name}-{seed}.log"));
    if std::fs::copy(world.controller.process().log(), &path).is_ok() {
        println!("the controller's log: {}", path.display());
    }
}
