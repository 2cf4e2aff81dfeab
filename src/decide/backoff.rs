//! When to retry after a failure. Knows the retry classes, how often each has failed in a row, whether the inputs have ever
//! worked, and the remaining lifetime of the stored token. Must not know how a status is written.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::Failure;
use super::jitter::jitter;
use super::schedule::{MINIMUM_INTERVAL, PROPAGATION_MARGIN};
use crate::oauth::{Repeat, Retry};

/// The first upper bound; each further failure doubles it.
const FIRST: TimeDelta = TimeDelta::seconds(2);
/// The longest wait after a transient failure, unless the provider asks for a longer one.
const LONGEST: TimeDelta = TimeDelta::seconds(300);
/// The remaining lifetime of the stored token never shortens the maximum wait below this.
const SHORTEST_CAP: TimeDelta = TimeDelta::seconds(30);
/// The maximum wait, and the upper bound of the wait after a permanent refusal. Such refusals are often corrected at the
/// provider, which no watch shows.
const HOURLY: TimeDelta = TimeDelta::hours(1);
/// The maximum waits while refused inputs are new: five attempts in about three minutes. A provider may take that long until
/// it knows a client or a secret that was just created.
const WHILE_NEW: [TimeDelta; 4] =
    [TimeDelta::seconds(20), TimeDelta::seconds(40), TimeDelta::seconds(60), TimeDelta::seconds(90)];
/// The minimum wait from the third unusable answer in a row, since each may have cost a token. The remaining lifetime of the
/// stored token may shorten it.
const WASTEFUL_FLOOR: TimeDelta = TimeDelta::minutes(20);
/// The number of unusable answers in a row from which [`WASTEFUL_FLOOR`] applies.
const WASTEFUL_PATIENCE: i32 = 3;

/// The longest possible wait: one hour, both for repeated attempts and for `Retry-After` (`oauth::response::retry_after`),
/// plus a second because the status has whole seconds. A recorded wait that ends later was written with another clock.
pub const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(3601);

/// Everything that the wait depends on, except the failure itself.
#[derive(Clone, Copy, Debug)]
pub struct Attempts<'a> {
    /// Failures in a row, this one included.
    pub failures: i32,
    /// How many failures in a row, up to this one, were of the same class.
    pub of_class: i32,
    /// Whether the target holds a token that was requested with the same inputs.
    pub proven: bool,
    /// The remaining lifetime of the token in the target: zero without a token, negative if the token has expired.
    pub life_left: TimeDelta,
    /// The uid of the TokenSource, which seeds the jitter.
    pub uid: &'a str,
}

/// The instant of the next attempt; None if only a change can help.
pub fn retry_at(failure: &Failure, attempts: &Attempts<'_>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let transient = attempts.exponential();
    let wait = match failure.retry {
        Retry::Transient { floor } => transient.max(signed(floor)),
        Retry::Wasteful if attempts.of_class < WASTEFUL_PATIENCE => transient,
        Retry::Wasteful => attempts.long(transient.max(WASTEFUL_FLOOR), WASTEFUL_PATIENCE),
        Retry::Assertion { .. } | Retry::Terminal { repeat: Repeat::WhileNew } if !attempts.proven => {
            attempts.while_new()
        }
        Retry::Assertion { attempts: patience } => match i32::try_from(patience).unwrap_or(i32::MAX) {
            patience if attempts.of_class < patience => transient,
            patience => attempts.long(attempts.hourly(), patience),
        },
        Retry::Terminal { repeat: Repeat::WhileNew | Repeat::BeforeExpiry } => {
            attempts.long(attempts.hourly(), 1)
        }
        Retry::Terminal { repeat: Repeat::Hourly } => attempts.hourly(),
        Retry::Terminal { repeat: Repeat::Never } => return None,
    };
    let asked = failure.retry_after.map(signed).unwrap_or_default();
    Some(rounded_up(now + wait.max(asked).min(HOURLY)))
}

impl Attempts<'_> {
    /// `min(cap, 2 s · 2^(failures−1)) · (½ + ½·h)`, where `h` is the jitter.
    fn exponential(&self) -> TimeDelta {
        let doublings = u32::try_from(self.failures.saturating_sub(1)).unwrap_or(0).min(16);
        let cap = if self.life_left > TimeDelta::zero() {
            (self.life_left / 8).clamp(SHORTEST_CAP, LONGEST)
        } else {
            LONGEST
        };
        self.jittered((FIRST * 2_i32.saturating_pow(doublings)).min(cap))
    }

    fn hourly(&self) -> TimeDelta {
        self.jittered(HOURLY)
    }

    /// A few attempts within minutes, then the waits of inputs that have worked before.
    fn while_new(&self) -> TimeDelta {
        let so_far = usize::try_from(self.of_class.saturating_sub(1)).unwrap_or(0);
        let patience = i32::try_from(WHILE_NEW.len()).unwrap_or(i32::MAX).saturating_add(1);
        match WHILE_NEW.get(so_far) {
            Some(bound) => self.jittered(*bound),
            None => self.long(self.hourly(), patience),
        }
    }

    /// A long wait, shortened for one more attempt before the stored token expires: early enough for every mount to show
    /// the new token, or after half of a remaining lifetime that is too short for that. `patience` is the number of
    /// failures of this class after which waits are long. This number prevents the remaining lifetime from being halved
    /// again and again.
    fn long(&self, wait: TimeDelta, patience: i32) -> TimeDelta {
        let sooner = if self.life_left > PROPAGATION_MARGIN * 2 {
            self.life_left - PROPAGATION_MARGIN
        } else if self.of_class <= patience {
            self.life_left / 2
        } else {
            return wait;
        };
        if sooner >= MINIMUM_INTERVAL { wait.min(sooner) } else { wait }
    }

    fn jittered(&self, bound: TimeDelta) -> TimeDelta {
        jittered(bound, self.uid, self.failures)
    }
}

/// The maximum wait after the first failed call to the API server. Each further failure doubles it.
const FIRST_CALL: TimeDelta = TimeDelta::milliseconds(500);
/// The longest maximum wait, and the shortest to which the remaining lifetime of the token may reduce it.
const LONGEST_CALL: TimeDelta = TimeDelta::seconds(60);
const SHORTEST_CALL_CAP: TimeDelta = TimeDelta::seconds(1);

/// How long to wait after this number of failed calls to the API server in a row. Such a call costs no token, so it is
/// repeated sooner the shorter the remaining lifetime of the token in the target is.
pub fn retry_after_error(errors: u32, life_left: TimeDelta, uid: &str) -> Duration {
    let cap = if life_left > TimeDelta::zero() {
        (life_left / 8).clamp(SHORTEST_CALL_CAP, LONGEST_CALL)
    } else {
        LONGEST_CALL
    };
    let bound = (FIRST_CALL * 2_i32.saturating_pow(errors.saturating_sub(1).min(16))).min(cap);
    jittered(bound, uid, i32::try_from(errors).unwrap_or(i32::MAX)).to_std().unwrap_or_default()
}

/// A value between half of `bound` and `bound`, by a hash of the uid and the number of failures.
fn jittered(bound: TimeDelta, uid: &str, failures: i32) -> TimeDelta {
    let share = 0.5 + 0.5 * jitter(uid, failures.unsigned_abs());
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // at most an hour in milliseconds
    TimeDelta::milliseconds((bound.num_milliseconds() as f64 * share) as i64)
}

/// Rounded up, because the status has whole seconds and an earlier instant would permit the next attempt too early.
fn rounded_up(instant: DateTime<Utc>) -> DateTime<Utc> {
    let whole = instant.trunc_subsecs(0);
    if whole < instant { whole + TimeDelta::seconds(1) } else { whole }
}

fn signed(span: Duration) -> TimeDelta {
    TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests;
