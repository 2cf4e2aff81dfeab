//! Virtual time: microseconds since the start. Knows how it becomes the product's time and back.

use chrono::{DateTime, TimeDelta, Utc};

/// Microseconds since the start; negative before it.
pub(crate) type Instant = i64;

pub(crate) const MILLISECOND: Instant = 1000;
pub(crate) const SECOND: Instant = 1_000_000;
pub(crate) const MINUTE: Instant = 60 * SECOND;

pub(crate) fn at(instant: Instant) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap() + TimeDelta::microseconds(instant)
}

pub(crate) fn instant(time: DateTime<Utc>) -> Instant {
    (time - at(0)).num_microseconds().unwrap()
}
