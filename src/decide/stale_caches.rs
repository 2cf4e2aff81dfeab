//! Whether the caches of a new leader may be out of date. Must not know how a cache is filled.

use chrono::{DateTime, TimeDelta, Utc};

/// How long the caches of a new leader may be out of date.
const STALE_FOR: TimeDelta = TimeDelta::minutes(2);

/// Whether the cached target of a TokenSource may be out of date: in the first minutes of a leader, for objects older than
/// its term. The lists may come from an API server that lags behind, so that a token only seems to be missing.
pub fn caches_may_be_stale(
    created_at: Option<DateTime<Utc>>,
    leading_since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> bool {
    // Creation timestamps have whole seconds.
    let is_older = created_at.is_some_and(|at| at + TimeDelta::seconds(1) <= leading_since);
    // The absolute difference, since the clock may have been set back.
    is_older && (now - leading_since).abs() <= STALE_FOR
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::at;

    #[test]
    fn caches_may_be_out_of_date_for_two_minutes_for_objects_older_than_the_term() {
        for (created, now, expected) in [
            (Some(at(-3600)), at(0), true),
            (Some(at(-3600)), at(120), true),
            (Some(at(-3600)), at(121), false),
            // The clock was set back by an hour.
            (Some(at(-7200)), at(-3600), false),
            // Created in the second in which the term began.
            (Some(at(0)), at(10), false),
            (None, at(10), false),
        ] {
            assert_eq!(caches_may_be_stale(created, at(0), now), expected, "{created:?} {now}");
        }
    }
}
