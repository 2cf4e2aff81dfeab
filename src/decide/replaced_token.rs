//! A token that another one has replaced: when its revocation is tried, and how often.
//! Knows times. Must not know the value of the token.

use chrono::{DateTime, TimeDelta, Utc};

use super::versions::Versions;
use super::{Failure, Published};
use crate::oauth::Retry;

/// The pause before the second attempt, which is the last.
const RETRY_PAUSE: TimeDelta = TimeDelta::minutes(1);
/// After this time, a revocation that was due is given up, for example while the TokenSource is suspended.
const KEPT: TimeDelta = TimeDelta::minutes(10);

/// A replaced token of one `TokenSource`. There is one at the most.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplacedToken {
    /// When to revoke it.
    pub due: DateTime<Utc>,
    /// When the revocation is given up.
    pub until: DateTime<Utc>,
    /// When the token expires and is forgotten.
    pub expires_at: DateTime<Utc>,
    /// Fingerprint of the inputs of its request.
    pub(super) inputs_fingerprint: String,
    /// The versions of the Secrets that are part of the fingerprint.
    pub(super) versions: Versions,
    has_failed: bool,
}

impl ReplacedToken {
    /// The record for this token, which is replaced now. None if the token expires before it would be revoked.
    pub fn new(now: DateTime<Utc>, grace: TimeDelta, token: &Published) -> Option<Self> {
        let due = now + grace;
        (due < token.expires_at).then(|| Self {
            due,
            until: token.expires_at.min(due + KEPT),
            expires_at: token.expires_at,
            inputs_fingerprint: token.inputs_fingerprint.clone(),
            versions: token.versions.clone(),
            has_failed: false,
        })
    }

    /// The token after this failure; None if there is no further attempt.
    #[must_use]
    pub fn failed(&self, failure: &Failure, now: DateTime<Utc>) -> Option<Self> {
        let is_final = self.has_failed || matches!(failure.retry, Retry::Terminal { .. });
        let due = now + RETRY_PAUSE;
        (!is_final && due < self.until).then(|| Self { due, has_failed: true, ..self.clone() })
    }

    /// The token while its revocation waits for the limiter. If the limiter does not resume the TokenSource before, the
    /// revocation is tried again after a pause.
    #[must_use]
    pub fn waiting(&self, now: DateTime<Utc>) -> Self {
        Self { due: now + RETRY_PAUSE, ..self.clone() }
    }
}

#[cfg(test)]
impl ReplacedToken {
    /// A replaced token that expires at this instant.
    pub(crate) fn until(now: DateTime<Utc>, grace: TimeDelta, expires_at: DateTime<Utc>) -> Self {
        let (due, until) = (now + grace, expires_at.min(now + grace + KEPT));
        Self {
            due,
            until,
            expires_at,
            inputs_fingerprint: String::new(),
            versions: Versions::default(),
            has_failed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;
    use crate::decide::fixture::{Scene, at, failure, outage};

    /// A token that expires at this second.
    fn until(seconds: i64) -> Published {
        Published { expires_at: at(seconds), ..Scene::good().published().clone() }
    }

    #[test]
    fn replaced_token_is_revoked_after_the_grace() {
        let replaced = ReplacedToken::new(at(0), TimeDelta::minutes(3), &until(900)).unwrap();
        assert_eq!((replaced.due, replaced.until), (at(180), at(780)));
        let brief = ReplacedToken::new(at(0), TimeDelta::minutes(3), &until(200)).unwrap();
        assert_eq!(brief.until, at(200), "an expired token is forgotten");
        assert_eq!(ReplacedToken::new(at(0), TimeDelta::minutes(3), &until(180)), None);
    }

    #[test]
    fn one_failure_is_tried_again_and_a_refusal_is_not() {
        let replaced = ReplacedToken::new(at(0), TimeDelta::minutes(3), &until(3600)).unwrap();
        let again = replaced.failed(&outage(), at(190)).unwrap();
        assert_eq!(again.due, at(250));
        assert_eq!(again.failed(&outage(), at(260)), None);
        assert_eq!(replaced.failed(&failure(Reason::InvalidClient, Retry::REFUSED), at(190)), None);
        assert_eq!(replaced.failed(&outage(), at(770)), None, "it would be forgotten before");
    }
}
