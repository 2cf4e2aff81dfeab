//! Delays reconciles that repeat without progress: the delay grows with each one. A fault that makes the controller
//! reconcile in a loop then costs a few writes, not hundreds a second. Knows counts and instants. Must not know what a
//! reconcile does.

use chrono::{DateTime, TimeDelta, Utc};

/// The number of reconciles that may follow one another without delay: a change of several objects is several events.
const FREE: u32 = 5;
/// The first wait; each further reconcile without progress doubles it.
const FIRST: TimeDelta = TimeDelta::seconds(1);
/// The longest wait.
const LONGEST: TimeDelta = TimeDelta::seconds(60);
/// Reconciles that are this far apart, and at least twice the current wait, are not a loop.
const APART: TimeDelta = TimeDelta::seconds(10);

/// The recent reconciles of one `TokenSource` without progress.
#[derive(Clone, Debug, PartialEq)]
pub struct LoopGuard {
    /// The generation and the renewal request. A change of either starts a new count.
    user_revision: (i64, Option<String>),
    count: u32,
    last: DateTime<Utc>,
}

impl LoopGuard {
    /// Counts one more reconcile without progress.
    #[must_use]
    pub fn after(before: Option<Self>, user_revision: (i64, Option<String>), now: DateTime<Utc>) -> Self {
        let count =
            before.filter(|before| before.holds(&user_revision, now)).map_or(0, |before| before.count);
        Self { user_revision, count: count.saturating_add(1), last: now }
    }

    /// The earliest instant of the next reconcile; None if the next reconcile may begin immediately.
    pub fn not_before(
        &self,
        user_revision: &(i64, Option<String>),
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let until = self.last + self.wait()?;
        (self.holds(user_revision, now) && now < until).then_some(until)
    }

    /// Whether the delays begin with this reconcile.
    pub fn begins(&self) -> bool {
        self.count == FREE + 1
    }

    fn holds(&self, user_revision: &(i64, Option<String>), now: DateTime<Utc>) -> bool {
        let apart = self.wait().map_or(APART, |wait| APART.max(wait * 2));
        // After the clock was set back, the last reconcile may lie in the future.
        self.user_revision == *user_revision && self.last <= now && now - self.last < apart
    }

    fn wait(&self) -> Option<TimeDelta> {
        let beyond = self.count.checked_sub(FREE + 1)?;
        Some((FIRST * 2_i32.saturating_pow(beyond.min(16))).min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::at;

    /// How many reconciles without progress happen in this number of seconds, if each follows the one before immediately.
    fn reconciles(seconds: i64, user_revision: impl Fn(u32) -> (i64, Option<String>)) -> u32 {
        let (mut guard, mut count) = (None::<LoopGuard>, 0);
        for tenth in 0..seconds * 10 {
            let now = at(0) + TimeDelta::milliseconds(tenth * 100);
            let delayed =
                guard.as_ref().is_some_and(|guard| guard.not_before(&user_revision(count), now).is_some());
            if !delayed {
                guard = Some(LoopGuard::after(guard, user_revision(count), now));
                count += 1;
            }
        }
        count
    }

    #[test]
    fn a_loop_without_progress_slows_down_to_one_reconcile_a_minute() {
        let same = |_| (1, None);
        assert!((6..=9).contains(&reconciles(10, same)), "{}", reconciles(10, same));
        assert!((10..=14).contains(&reconciles(180, same)), "{}", reconciles(180, same));
        assert!((65..=75).contains(&reconciles(3600, same)), "{}", reconciles(3600, same));
    }

    #[test]
    fn changes_by_a_person_are_never_delayed() {
        assert_eq!(reconciles(10, |count| (i64::from(count), None)), 100);
        assert_eq!(reconciles(10, |count| (1, Some(count.to_string()))), 100);
    }

    #[test]
    fn reconciles_that_are_far_apart_or_in_the_future_do_not_count() {
        let user_revision = || (1, None);
        let after = |seconds: &[i64]| {
            let guard =
                seconds.iter().fold(None, |guard, s| Some(LoopGuard::after(guard, user_revision(), at(*s))));
            guard.unwrap()
        };
        let often = after(&[0, 0, 0, 0, 0, 0]);
        assert!(often.begins() && often.not_before(&user_revision(), at(0)) == Some(at(1)));
        assert_eq!(often.not_before(&user_revision(), at(1)), None);
        assert_eq!(often.not_before(&user_revision(), at(-3600)), None, "the clock was set back");
        let apart: Vec<i64> = (0..20).map(|n| n * 10).collect();
        assert_eq!(after(&apart).not_before(&user_revision(), at(190)), None);
    }
}
