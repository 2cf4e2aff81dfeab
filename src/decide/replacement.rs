//! A token that another one has replaced: when it is revoked, and how often that is tried.
//! Knows times. Must not know the token.

use chrono::{DateTime, TimeDelta, Utc};

use super::Failure;
use crate::oauth::Retry;

/// The pause before the second try, which is the last.
const AGAIN: TimeDelta = TimeDelta::minutes(1);
/// How long a token is remembered after its revocation was due, for example while the TokenSource is suspended.
const KEPT: TimeDelta = TimeDelta::minutes(10);

/// A replaced token of one `TokenSource`. There is one at the most.
#[derive(Clone, Debug, PartialEq)]
pub struct Replacement {
    /// When it is to be revoked.
    pub due: DateTime<Utc>,
    /// When it is forgotten.
    pub until: DateTime<Utc>,
    has_failed: bool,
}

impl Replacement {
    /// A token that expires at this instant is replaced now. None if it expires before it would be revoked.
    pub fn new(now: DateTime<Utc>, grace: TimeDelta, expires_at: DateTime<Utc>) -> Option<Self> {
        let due = now + grace;
        (due < expires_at).then(|| Self { due, until: expires_at.min(due + KEPT), has_failed: false })
    }

    /// After this failure; None if nothing more is tried.
    #[must_use]
    pub fn failed(&self, failure: &Failure, now: DateTime<Utc>) -> Option<Self> {
        let is_final = self.has_failed || matches!(failure.retry, Retry::Terminal { .. });
        let due = now + AGAIN;
        (!is_final && due < self.until).then(|| Self { due, has_failed: true, ..self.clone() })
    }

    /// The same, to be looked at again if no limiter wakes the TokenSource before.
    #[must_use]
    pub fn waiting(&self, now: DateTime<Utc>) -> Self {
        Self { due: now + AGAIN, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;
    use crate::decide::fixture::{at, failure, outage};

    #[test]
    fn replaced_token_is_revoked_after_the_grace() {
        let replaced = Replacement::new(at(0), TimeDelta::minutes(3), at(900)).unwrap();
        assert_eq!((replaced.due, replaced.until), (at(180), at(780)));
        let brief = Replacement::new(at(0), TimeDelta::minutes(3), at(200)).unwrap();
        assert_eq!(brief.until, at(200), "an expired token is forgotten");
        assert_eq!(Replacement::new(at(0), TimeDelta::minutes(3), at(180)), None);
    }

    #[test]
    fn one_failure_is_tried_again_and_a_refusal_is_not() {
        let replaced = Replacement::new(at(0), TimeDelta::minutes(3), at(3600)).unwrap();
        let again = replaced.failed(&outage(), at(190)).unwrap();
        assert_eq!(again.due, at(250));
        assert_eq!(again.failed(&outage(), at(260)), None);
        assert_eq!(replaced.failed(&failure(Reason::InvalidClient, Retry::REFUSED), at(190)), None);
        assert_eq!(replaced.failed(&outage(), at(770)), None, "it would be forgotten before");
    }
}
