//! `make bench`: measures the release binary, and for comparison a bare client that does the same at the same server.
//! docs/performance.md explains the table.
//!
//! SIZES=100,1000,10000 PARTS=standing,renewals,limited bench
//!
//! Fails if the controller makes a mistake, but not if it is slow.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a program for people
#![allow(clippy::disallowed_methods)] // the benchmark measures real time

mod bare;
mod fleet;
mod journal;
mod measure;
mod provider;
mod renewals;
mod standing;
mod table;
mod world;

use std::sync::LazyLock;
use std::time::Instant;

use tokensource_kit::authority::install_crypto;

const SIZES: &str = "100,1000,10000";
const PARTS: &str = "standing,renewals,limited";

fn main() {
    install_crypto();
    let sizes = setting("SIZES", SIZES);
    let parts = setting("PARTS", PARTS);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut tables = Vec::new();
    for size in sizes.split(',') {
        let size = size.trim().parse().expect("SIZES is a list of numbers: 100,1000,10000");
        let mut figures = Vec::new();
        for part in parts.split(',') {
            say(&format!("--- {size} TokenSources: {part}"));
            figures.extend(match part.trim() {
                "standing" => runtime.block_on(standing::measure(size)),
                "renewals" => runtime.block_on(renewals::measure(size)),
                "limited" => runtime.block_on(renewals::measure_limited(size)),
                other => panic!("PARTS is a list of {PARTS}, and {other} is none of them"),
            });
        }
        tables.push(table::draw(size, &figures));
    }
    println!("{}", tables.join("\n"));
}

/// A setting from the environment. An empty value counts as not set.
fn setting(name: &str, default: &str) -> String {
    std::env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
}

/// Prints progress.
pub(crate) fn say(what: &str) {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    eprintln!("{:6.1} s  {what}", BEGAN.elapsed().as_secs_f64());
}
