//! A scenario: the size of the fleet, the number of controllers, and the faults. Knows no result.

use std::ops::Range;

use crate::clock::{Instant, MINUTE};
use crate::laws::verdict;
use crate::tally::{Count, Tally, percentile};
use crate::world::World;

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    /// The number of TokenSources.
    pub(crate) count: usize,
    /// The lifetime of a token, in seconds.
    pub(crate) lifetime: u32,
    /// Controllers, each with a share of the namespaces.
    pub(crate) slices: usize,
    /// `--concurrency` of each.
    pub(crate) concurrency: usize,
    /// The cores of the API server.
    pub(crate) cores: usize,
    /// Whether no TokenSource has a token yet.
    pub(crate) cold: bool,
    /// The age of the oldest token in seconds; without it, the oldest is about to be renewed.
    pub(crate) age: Option<i64>,
    pub(crate) length: Instant,
    pub(crate) outage: Range<Instant>,
    /// The number of requests a second that the provider serves; others get a 429.
    pub(crate) quota: Option<f64>,
    pub(crate) rotation: Option<Instant>,
    pub(crate) crash: Option<Instant>,
}

impl Scenario {
    /// Tokens for an hour at random ages, and no faults.
    pub(crate) fn new(seed: u64, count: usize) -> Self {
        Self {
            seed,
            count,
            lifetime: 3600,
            slices: 1,
            concurrency: 16,
            cores: 2,
            cold: false,
            age: None,
            length: 60 * MINUTE,
            outage: 0..0,
            quota: None,
            rotation: None,
            crash: None,
        }
    }

    /// Simulates the scenario. A broken law is an error.
    pub(crate) fn play(&self, name: &str) -> Result<Tally, String> {
        #[allow(clippy::disallowed_methods)] // how long it took, not when
        let begun = std::time::Instant::now();
        let mut world = World::new(self);
        world.run(self.length);
        world.tally.close();
        let broken = verdict(&world, self.length);
        report(name, &world.tally, begun.elapsed().as_secs_f64());
        if broken.is_empty() {
            Ok(world.tally)
        } else {
            Err(format!("{name}: {self:?}\n{}", broken.join("\n")))
        }
    }
}

fn report(name: &str, tally: &Tally, seconds: f64) {
    let total = |what| tally.total(what);
    let peak = |what| tally.peak(what, 1, 0..usize::MAX);
    let looks = total(Count::Look);
    println!(
        "{name}: requests {} (503: {}, 429: {}; at most {}/s), tokens {}, writes {} (at most {}/s), looks {looks} \
         (at most {}/s), late p50 {} s p99 {} s max {} s; without a token {} times, at most {} at once, p50 {} s \
         p99 {} s max {} s; {seconds:.1} s of real time",
        total(Count::Request),
        total(Count::Unavailable),
        total(Count::Limited),
        peak(Count::Request),
        total(Count::Token),
        total(Count::Write),
        peak(Count::Write),
        peak(Count::Look),
        percentile(&tally.lateness, 50),
        percentile(&tally.lateness, 99),
        percentile(&tally.lateness, 100),
        tally.gaps.len(),
        tally.without().iter().max().unwrap_or(&0),
        percentile(&tally.gaps, 50),
        percentile(&tally.gaps, 99),
        percentile(&tally.gaps, 100),
    );
}
