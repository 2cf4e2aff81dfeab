//! The settings of a run, shared with `tests/isolation`. Knows the environment; must not know the run.

use std::time::Duration;

use tokensource_kit::unique;

/// `SEED`, or a new seed.
pub(crate) fn seed() -> u64 {
    setting("SEED")
        .map_or_else(|| u64::from_le_bytes(unique::bytes()), |seed| seed.parse().expect("SEED is a number"))
}

/// A setting from the environment; CI and `make` leave it empty where it is not set.
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `90`, `90s` or `15m`.
pub(crate) fn seconds(text: &str) -> Duration {
    let (number, unit) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.trim_end_matches('s'), 1),
    };
    Duration::from_secs(
        number.parse::<u64>().expect("DURATION is a number of seconds, or of minutes with an m") * unit,
    )
}
