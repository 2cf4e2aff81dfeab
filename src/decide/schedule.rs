//! When a token must be renewed. Knows its lifetime, the user's settings, and how long a mounted Secret takes to show a
//! change (docs/workloads.md).

use chrono::{DateTime, TimeDelta, Utc};

use super::jitter::jitter;
use crate::api::Renewal;

/// Twice the time (about 90 s) after which every kubelet shows a changed Secret in its mounts.
pub const PROPAGATION_MARGIN: TimeDelta = TimeDelta::seconds(180);

/// If a token's lifetime is shorter than this, the margin would take most of it: half of the lifetime is used instead.
pub const SHORT_LIFE: TimeDelta = TimeDelta::seconds(360);

/// The minimum interval between two attempts for one `TokenSource`, whatever the cause. An attempt is one request, or two
/// if the configured grant replaces a failed refresh request.
pub const MINIMUM_INTERVAL: TimeDelta = TimeDelta::seconds(5);

/// The minimum interval between two token requests that the annotation or the probe causes.
pub const REQUESTED_INTERVAL: TimeDelta = TimeDelta::seconds(60);

/// The interval between two requests to a provider that returns the same token again.
const STICKY_INTERVAL: TimeDelta = TimeDelta::seconds(60);

/// The clock difference between two machines that is tolerated. A token that lives longer than two minutes is due more than
/// this long before its expiry, so a clock that is wrong by this much does not let it expire.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

/// Whether the recorded instant of a past event lies in the future, by more than the tolerated difference: the instant was
/// written with another clock, and its true time is unknown.
pub fn is_of_another_clock(recorded: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    recorded - now > CLOCK_SKEW
}

/// The default if the user sets neither field.
const DEFAULT_PERCENTAGE: u8 = 75;

/// The lifetime of one token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Life {
    /// When the request for it was sent.
    pub issued_at: DateTime<Utc>,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
}

impl Life {
    /// Whether the lifetime began after `now`: the clock has been set back by an unknown amount since the token was issued,
    /// and the token may expire earlier than recorded by this amount.
    pub fn is_of_another_clock(self, now: DateTime<Utc>) -> bool {
        is_of_another_clock(self.issued_at, now)
    }
}

/// The instant from which a token must be renewed: in whole seconds, never after its expiry.
///
/// `last_unchanged` is when the provider last returned the same token. A percentage of its remaining lifetime would be
/// due again after each request, so such a provider gets a request shortly before the expiry, then once a minute.
pub fn renew_at(
    life: Life,
    renewal: &Renewal,
    uid: &str,
    last_unchanged: Option<DateTime<Utc>>,
) -> DateTime<Utc> {
    let due = life.issued_at + due_after(life.expires_at - life.issued_at, renewal, uid);
    match last_unchanged.filter(|unchanged| *unchanged >= life.issued_at) {
        Some(unchanged) => {
            let shortly_before = life.expires_at - PROPAGATION_MARGIN;
            due.max(shortly_before).max(unchanged + STICKY_INTERVAL).min(life.expires_at)
        }
        None => due,
    }
}

/// How long after its issue a token with this lifetime must be renewed.
fn due_after(lifetime: TimeDelta, renewal: &Renewal, uid: &str) -> TimeDelta {
    let (due, jitter_base) = due_and_jitter_base(lifetime.max(TimeDelta::zero()), renewal);
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // a tenth of ten years is 3e7
    let jitter = (jitter(uid, 0) * jitter_base.num_seconds() as f64 / 10.0).round() as i64;
    (due - TimeDelta::seconds(jitter)).max(TimeDelta::zero())
}

/// The minimum and maximum time after its issue at which a token with this lifetime is renewed, for any uid.
pub fn due_between(lifetime: TimeDelta, renewal: &Renewal) -> (TimeDelta, TimeDelta) {
    let (due, jitter_base) = due_and_jitter_base(lifetime.max(TimeDelta::zero()), renewal);
    (whole_seconds((due - jitter_base / 10).max(TimeDelta::zero())), due)
}

/// The time of renewal without jitter, and the span of which the jitter is a tenth at most.
fn due_and_jitter_base(lifetime: TimeDelta, renewal: &Renewal) -> (TimeDelta, TimeDelta) {
    let due = wanted_renewal(lifetime, renewal).min(latest_renewal(lifetime));
    // The due time divides the lifetime into two parts, and the jitter is a share of the shorter part. If a renewal is due early
    // in a long life, a tenth of the long part could be as long as the short part, and the token would be due immediately.
    (due, (lifetime - due).min(due))
}

/// How long after its issue the user wants the token to be renewed: half of the lifetime, if `before` is not shorter than
/// the lifetime.
fn wanted_renewal(lifetime: TimeDelta, renewal: &Renewal) -> TimeDelta {
    if let Some(before) = renewal.before {
        let before = TimeDelta::from_std(before.get()).unwrap_or(TimeDelta::MAX);
        return whole_seconds(if before >= lifetime { lifetime / 2 } else { lifetime - before });
    }
    let percentage = renewal.at_percentage.unwrap_or(DEFAULT_PERCENTAGE).clamp(1, 99);
    TimeDelta::seconds(lifetime.num_seconds() * i64::from(percentage) / 100)
}

/// How long after its issue the token must be renewed at the latest, so that mounts show the new token before the old one
/// expires.
fn latest_renewal(lifetime: TimeDelta) -> TimeDelta {
    if lifetime < SHORT_LIFE { whole_seconds(lifetime / 2) } else { lifetime - PROPAGATION_MARGIN }
}

fn whole_seconds(span: TimeDelta) -> TimeDelta {
    TimeDelta::seconds(span.num_seconds())
}

#[cfg(test)]
mod tests;
