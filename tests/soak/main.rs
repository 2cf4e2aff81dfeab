//! The soak: many TokenSources with such short lifetimes that minutes show as much as hours otherwise, five providers,
//! faults chosen by a printed seed, and rules that hold all the time. Knows the order of a run and its verdict.
//!
//!   SEED=7 DURATION=15m TOKENSOURCES=200 cargo test --test soak
//!
//! 1. At every moment a target holds a token in the first half of its life, which is when the design renews lives as short
//!    as these, and `PROMPT` (5 s, and 1 s for our own watch) more; or there is an excuse. So much less does a token expire.
//!    An excuse lasts:
//!    - the provider was in trouble (down, or seen to answer 503 or 429): as long again as that trouble has lasted, plus
//!      the first pause of 5 s, because limiters and TokenSources double their waits; plus 15 s for those that wait;
//!    - the controller was dead, the API server stopped, the Secret behind the provider: 15 s from its end;
//!    - this TokenSource's own last failure: its backoff by the design's table, at most 30 s while a token is valid,
//!      20 minutes after three answers that may each have cost one, until a change where credentials were refused;
//!    - the target was edited or deleted: 5 s; the TokenSource is new: 15 s, and a minute more where its predecessor's
//!      Secret may still be there.
//!
//!    Nor is Ready True `PROMPT` after what is in the target has expired.
//! 2. Every request has a cause: it is the first; or 45 % of the stored token's life are over (less 2.5 s, for what is
//!    rounded); or it is a retry, after the least wait for so many failures; or the last token was lost in a crash or a cut
//!    connection; or since the last request something was done to this very TokenSource that asks for a token, which speaks
//!    for one request. No slack but this: what was done less than 3 s before a request may still speak for a later one. No
//!    two requests are within 4 s (5 by the design, less whole seconds), a crash between them aside.
//! 3. From the last crash on, the median of the resident memory in the last third is at most `GROWTH` times that of
//!    the first third; a tenth of warm-up goes before.
//! 4. Every status that a watch delivers obeys kstatus. When the faults have ended, all are Ready by tokens that are
//!    valid, as their statuses say.
//! 5. No secret is in the controller's log.

#![allow(clippy::disallowed_methods)] // it lives in real time
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // and ends where it fails
#![allow(clippy::print_stdout)] // seed, faults and figures are the result

mod budget;
mod excuses;
mod fabricated;
mod faults;
mod history;
mod providers;
mod random;
mod sampler;
mod settings;
mod settle;
mod world;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use libtest_mimic::{Arguments, Failed, Trial};
use tokensource_kit::canaries;

use faults::{Faults, say};
use random::Random;
use sampler::Seen;
use settings::{seconds, seed, setting};
use world::World;

const DURATION: Duration = Duration::from_secs(90);
const TOKENSOURCES: usize = 200;
/// The permitted memory of the last third, relative to the first third.
const GROWTH: f64 = 1.10;

fn main() {
    let mut trials = fabricated::trials();
    trials.push(Trial::test("soak", soak));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn soak() -> Result<(), Failed> {
    let seed = seed();
    let duration = setting("DURATION").map_or(DURATION, |text| seconds(&text));
    let count = setting("TOKENSOURCES").map_or(TOKENSOURCES, |count| count.parse().unwrap());
    println!("SEED={seed} DURATION={}s TOKENSOURCES={count}", duration.as_secs());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let verdict = runtime.block_on(run(seed, duration, count));
    runtime.shutdown_timeout(Duration::from_secs(1));
    if verdict.is_empty() { Ok(()) } else { Err(format!("SEED={seed}:\n{}", verdict.join("\n")).into()) }
}

/// Runs once, and returns the violations.
async fn run(seed: u64, duration: Duration, count: usize) -> Vec<String> {
    let mut random = Random::new(seed);
    let world = World::build(count, &mut random).await;
    let sights = Seen::default();
    let memory: Arc<Mutex<Vec<u64>>> = Arc::default();
    let watches = [
        tokio::spawn(sampler::watch_secrets(world.plane.admin(), world.journal.clone())),
        tokio::spawn(sampler::watch_sources(world.plane.admin(), world.journal.clone(), sights.clone())),
    ];
    world.populate().await;
    let began = Utc::now();
    say("all there");
    let mut faults = Faults::new(&world, random);
    let restarted = || memory.lock().unwrap_or_else(PoisonError::into_inner).clear();
    tokio::select! {
        () = faults.inject(duration, restarted) => {}
        () = sample(&world, &memory) => unreachable!("sampling does not end"),
    }
    say("no more faults");
    let mut complaints = settle::to_rest(&world).await;
    for watch in watches {
        watch.abort();
    }
    let took = Utc::now() - began;
    println!("{} faults and {} TokenSources in {} s", faults.count, world.sources.len(), took.num_seconds());
    complaints.extend(judge(&world, &sights, &memory.lock().unwrap_or_else(PoisonError::into_inner)));
    if !complaints.is_empty() {
        keep_log(&world, seed);
    }
    complaints
}

async fn sample(world: &World, memory: &Mutex<Vec<u64>>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let resident = world.controller.process().memory("VmRSS");
        memory.lock().unwrap_or_else(PoisonError::into_inner).extend(resident);
    }
}

/// Checks the run with the rules, and prints the figures.
fn judge(world: &World, sights: &Seen, memory: &[u64]) -> Vec<String> {
    let mut history = world.journal.open();
    history.in_order();
    let coverage = excuses::check(&history, Utc::now());
    println!(
        "{} tokens in targets; {} of them had no excuse to be there after half their life",
        coverage.tokens, coverage.binding
    );
    let spending = budget::check(&history);
    println!(
        "{} requests: {} were due, {} were caused, {} tried again, {} replaced what was lost",
        spending.requests, spending.due, spending.caused, spending.retries, spending.lost
    );
    let mut complaints = [coverage.violations, spending.violations].concat();
    let growth = sampler::growth(memory).unwrap_or(f64::NAN);
    println!("memory: {} samples, last third to first: {growth:.3}", memory.len());
    // Not `growth > GROWTH`: without samples nothing was shown.
    if growth.is_nan() || growth > GROWTH {
        complaints.push(format!("the controller's memory has grown by the factor {growth:.3}: {memory:?}"));
    }
    let breaches = sights.breaches.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{} statuses obey kstatus", breaches.1 - breaches.0.len());
    complaints.extend(breaches.0.iter().cloned());
    let log = world.controller.logs();
    println!("{} secrets searched for in {} KiB of log", canaries::count(), log.len() / 1024);
    complaints.extend(canaries::search(&log).iter().map(|found| format!("in the log: {found:?}")));
    if coverage.binding == 0 || spending.due == 0 || !log.contains(" DEBUG ") {
        complaints.push("nothing has been put to the test".to_owned());
    }
    complaints
}

/// Keeps the log of a failed run.
fn keep_log(world: &World, seed: u64) {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("soak-{seed}.log"));
    if std::fs::copy(world.controller.process().log(), &path).is_ok() {
        println!("the controller's log: {}", path.display());
    }
}
