//! When to try again after a failure. Knows the retry classes and the life that is left in the stored token.
//! Source: oauth.md §d.5 of the design.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::Failure;
use super::spread::spread;
use crate::oauth::Retry;

/// The first upper bound; each further failure doubles it.
const FIRST: TimeDelta = TimeDelta::seconds(2);
/// No transient failure waits longer on its own account.
const LONGEST: TimeDelta = TimeDelta::seconds(300);
/// The least that the life left may cap a wait to.
const SHORTEST_CAP: TimeDelta = TimeDelta::seconds(30);
/// Between looks at a provider that has refused for good: such refusals are often mended on its side.
const REPROBE: TimeDelta = TimeDelta::hours(1);
/// From the third unusable answer on: each may have cost a token.
const WASTEFUL_FLOOR: TimeDelta = TimeDelta::minutes(20);
/// Unusable answers before [`WASTEFUL_FLOOR`] holds.
const WASTEFUL_PATIENCE: i32 = 3;

/// No wait is longer: one that was recorded and ends later than this was set by another clock. An hour between two looks,
/// and an hour for `Retry-After` (`oauth::response::wait`); status has whole seconds.
pub const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(3601);

/// The instant of the next attempt, or none where only a change can help.
///
/// `failures` counts this one; `life_left` is that of the token in the target, zero or less if it has none.
pub fn retry_at(
    failure: &Failure,
    failures: i32,
    life_left: TimeDelta,
    uid: &str,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let transient = exponential(failures, life_left, uid);
    let asked = failure.retry_after.map(signed).unwrap_or_default();
    let wait = match failure.retry {
        Retry::Transient { floor } => transient.max(signed(floor)),
        Retry::Wasteful if failures >= WASTEFUL_PATIENCE => transient.max(WASTEFUL_FLOOR),
        Retry::Wasteful => transient,
        Retry::Assertion { attempts } if i64::from(failures) < i64::from(attempts) => transient,
        Retry::Assertion { .. } | Retry::Terminal { reprobe: true } => jittered(REPROBE, uid, failures),
        Retry::Terminal { reprobe: false } => return None,
    };
    let wait = wait.max(asked).min(REPROBE);
    Some(rounded_up(now + wait))
}

/// The first upper bound after a failed call to the API server; each further failure doubles it.
const FIRST_CALL: TimeDelta = TimeDelta::milliseconds(500);
/// The longest, and the shortest that the life left may cap it to.
const LONGEST_CALL: TimeDelta = TimeDelta::seconds(60);
const SHORTEST_CALL_CAP: TimeDelta = TimeDelta::seconds(1);

/// How long to wait after so many failed calls to the API server in a row. A call costs nobody a token: the less life
/// the token in the target has left, the sooner it is made again.
pub fn call_again_after(troubles: u32, life_left: TimeDelta, uid: &str) -> Duration {
    let cap = if life_left > TimeDelta::zero() {
        (life_left / 8).clamp(SHORTEST_CALL_CAP, LONGEST_CALL)
    } else {
        LONGEST_CALL
    };
    let bound = (FIRST_CALL * 2_i32.saturating_pow(troubles.saturating_sub(1).min(16))).min(cap);
    jittered(bound, uid, i32::try_from(troubles).unwrap_or(i32::MAX)).to_std().unwrap_or_default()
}

/// `min(cap, 2 s · 2^(failures−1)) · (½ + ½·h)`.
fn exponential(failures: i32, life_left: TimeDelta, uid: &str) -> TimeDelta {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(0).min(16);
    let cap =
        if life_left > TimeDelta::zero() { (life_left / 8).clamp(SHORTEST_CAP, LONGEST) } else { LONGEST };
    jittered((FIRST * 2_i32.saturating_pow(doublings)).min(cap), uid, failures)
}

/// Between half of `bound` and the whole, by a hash of the uid and the number of failures.
fn jittered(bound: TimeDelta, uid: &str, failures: i32) -> TimeDelta {
    let share = 0.5 + 0.5 * spread(uid, failures.unsigned_abs());
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // at most an hour in milliseconds
    TimeDelta::milliseconds((bound.num_milliseconds() as f64 * share) as i64)
}

/// Status holds whole seconds: an instant cut short would let the next attempt come too early.
fn rounded_up(instant: DateTime<Utc>) -> DateTime<Utc> {
    let whole = instant.trunc_subsecs(0);
    if whole < instant { whole + TimeDelta::seconds(1) } else { whole }
}

fn signed(span: Duration) -> TimeDelta {
    TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests;
