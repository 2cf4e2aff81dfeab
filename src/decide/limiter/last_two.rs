//! Remembers two different values and when each was noted, to tell one tenant from several. Knows nothing else.

use chrono::{DateTime, Utc};

/// The last two different values, and when each was noted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LastTwo<T> {
    last: Option<(T, DateTime<Utc>)>,
    other: Option<(T, DateTime<Utc>)>,
}

impl<T> Default for LastTwo<T> {
    fn default() -> Self {
        Self { last: None, other: None }
    }
}

impl<T: PartialEq> LastTwo<T> {
    pub(super) fn note(&mut self, one: T, now: DateTime<Utc>) {
        if self.last.as_ref().is_some_and(|(last, _)| *last != one) {
            self.other = self.last.take();
        }
        self.last = Some((one, now));
    }

    /// Whether a different value has been noted since this instant.
    pub(super) fn has_another(&self, one: &T, since: DateTime<Utc>) -> bool {
        [&self.last, &self.other].into_iter().flatten().any(|(noted, at)| noted != one && *at >= since)
    }

    /// Whether two different values have been noted.
    pub(super) fn are_two(&self) -> bool {
        self.other.is_some()
    }
}
