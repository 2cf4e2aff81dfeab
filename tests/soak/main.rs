//! The soak: many TokenSources with short lifetimes, five providers, faults chosen by a printed seed, and rules that apply
//! during the whole run. Knows the order of a run and its verdict.
//!
//!   SEED=7 DURATION=15m TOKENSOURCES=200 cargo test --test soak
//!
//! Tokens live 30 s to 2 minutes, so that minutes show as many renewals as hours with usual lifetimes.
//!
//! 1. At every moment, each target has a token in the first half of its lifetime, or there is an excuse.
//!    - Half of the lifetime is the rule because tokens with such short lifetimes are renewed at half of their lifetime.
//!    - The rule allows `PROMPT` (5 s) more for the renewal, and 1 s more for the watch of the test.
//!    - An excuse begins with its fault, and ends a while after the fault has ended.
//!    - After an outage of the provider, the excuse lasts as long again as the outage plus 5 s, and 15 s more.
//!      - A request of any TokenSource of this provider that got a 503 or no complete answer counts as an outage.
//!      - An answer 429 counts as an outage until the end of its wait.
//!      - The limiter and each TokenSource double their waits, so the last wait may be as long as the outage.
//!      - The 5 s are the first pause of the limiter, and the 15 s are for the TokenSources that wait.
//!      - The first of these two times is at most 5 minutes.
//!    - After three other faults, the excuse lasts 15 s.
//!      - The controller was dead.
//!      - The API server was stopped.
//!      - The provider had new credentials, and the Secret still had the old credentials.
//!    - The following excuses last `PROMPT` longer than their times here.
//!    - After a failure of this TokenSource, the excuse lasts as long as the backoff in the table of docs/renewal.md.
//!      - This backoff is at most 30 s while a token is valid, and at most 5 minutes without a valid token.
//!      - If the failure is a malformed answer, and at least the third failure in a row, the backoff is 20 minutes.
//!      - After refused credentials, the excuse lasts until 5 s after the next change of the inputs, or the deletion.
//!    - After an edit or the deletion of the target, the excuse lasts 5 s.
//!    - For a new TokenSource, the excuse lasts 15 s.
//!    - A TokenSource that was deleted and created again has a minute more, because the earlier Secret may still exist.
//!
//!    `PROMPT` after the expiry of the token in the target, Ready is no longer True, unless the controller or the API server was
//!    stopped at that time.
//! 2. Every token request has one of these causes.
//!    - The request is the first request of its TokenSource.
//!    - 45 % of the lifetime of the stored token are over, with 2.5 s of tolerance for rounded times.
//!    - The last request failed for another reason than refused credentials, and the shortest wait after that number of
//!      failures is over.
//!    - The refresh token was refused, and the configured grant follows immediately.
//!    - The last token was lost in a crash or in an outage of the provider.
//!    - Since the last request, this TokenSource had a change that requires a token or ends a wait.
//!      - Each change permits one request.
//!      - After a failure, only a requested renewal, or a change of the spec or the credentials, permits a request.
//!      - A change less than 3 s before a request may also permit the next request, because the controller may not have known
//!        of the change.
//!
//!    Two requests for the same TokenSource are at least 4 s apart, if the controller did not crash between them and the second is
//!    not that configured grant. (The controller waits 5 s, but statuses have whole seconds.)
//! 3. The controller's memory does not grow.
//!    - The samples of the resident memory begin with the last crash, and the first tenth is left out as warm-up.
//!    - The median of the last third is at most `GROWTH` times the median of the first third.
//! 4. Every status that a watch delivers obeys the kstatus rules for a status that may still change.
//!    - After the end of the faults, all TokenSources become Ready within 100 s, and obey all kstatus rules.
//!    - Each target then has a valid token that expires at the time in the status.
//! 5. No secret is in the controller's log.

#![allow(clippy::disallowed_methods)] // the soak runs in real time
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a failure ends the soak
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
    say("all TokenSources are created");
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

/// Checks the run against the rules, and prints the figures.
fn judge(world: &World, sights: &Seen, memory: &[u64]) -> Vec<String> {
    let mut history = world.journal.open();
    history.in_order();
    let coverage = excuses::check(&history, Utc::now());
    println!(
        "{} tokens in targets; {} of them had no excuse to be there after half of their lifetime",
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
    // A run without samples fails, too, because it shows nothing.
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
        complaints.push("no rule was tested by this run".to_owned());
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
