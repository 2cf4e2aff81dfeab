//! Up to a million TokenSources in virtual time, with the product's own decisions. docs/growth.md describes the model. Knows
//! the sizes of the fleets and the directory of the pictures; must not know a scenario.
//!
//!   SEED=1 TOKENSOURCES=1000000 PICTURES=docs/pictures cargo test --release --test simulation

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test: also in its helpers
#![allow(clippy::print_stdout)] // figures are the result
#![allow(clippy::disallowed_methods)] // settings of the test, not of the product

mod clock;
mod fleet;
mod laws;
mod picture;
mod plane;
mod plays;
mod product;
mod provider;
mod random;
mod scenario;
mod slice;
mod tally;
mod world;

use libtest_mimic::{Arguments, Failed, Trial};

use plays::{Play, Size};

type Scene = fn(&Size) -> Result<Play, String>;

const PLAYS: [(&str, Scene); 5] = [
    ("steady", plays::steady),
    ("outage", plays::outage),
    ("restart", plays::restart),
    ("rotation", plays::rotation),
    ("quota", plays::quota),
];

/// A size that a build without optimisation simulates in seconds.
const SMALL: usize = 1000;

fn main() {
    let size = size();
    let trial = |(name, play): (&'static str, Scene)| {
        let size = size.clone();
        Trial::test(name, move || played(name, play, &size))
    };
    let mut trials: Vec<_> = PLAYS.into_iter().map(trial).collect();
    trials.push(Trial::test("runs_with_one_seed_are_equal", runs_with_one_seed_are_equal));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn size() -> Size {
    let seed = setting("SEED").map_or(1, |seed| seed.parse().unwrap());
    let count = setting("TOKENSOURCES").map_or(SMALL, |count| count.parse().unwrap());
    if count < 100_000 {
        return Size { seed, count, slices: vec![(1, 16), (3, 16)], cores: 2 };
    }
    // A fleet of this size needs several controllers with the default settings, or one controller with more permits.
    Size { seed, count, slices: vec![(1, 160), (10, 16)], cores: 8 }
}

fn played(name: &str, play: Scene, size: &Size) -> Result<(), Failed> {
    let play = play(size)?;
    if let Some(directory) = setting("PICTURES") {
        std::fs::write(format!("{directory}/{name}.svg"), play.picture.svg())?;
    }
    Ok(())
}

/// A setting from the environment. An empty value counts as not set.
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn runs_with_one_seed_are_equal() -> Result<(), Failed> {
    let play = |seed| {
        let size = Size { seed, count: 500, slices: vec![(2, 4)], cores: 1 };
        plays::quota(&size).map(|play| (play.picture.svg(), play.tallies))
    };
    let (once, again, other) = (play(7)?, play(7)?, play(8)?);
    if once != again {
        return Err("two runs of one seed differ".into());
    }
    if once.1 == other.1 {
        return Err("the seed makes no difference".into());
    }
    Ok(())
}
