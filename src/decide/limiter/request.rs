//! What a limiter is told of a request before it is sent, and of its answer.
//! Knows the observation of a TokenSource and its failure. Must not know who else asks.

use chrono::{DateTime, TimeDelta, Utc};
use compact_str::CompactString;

use crate::api::{Reason, from_kubernetes};
use crate::decide::{Credentials, Failure, Observed};

/// Namespace and name of a TokenSource.
pub type Name = (CompactString, CompactString);

/// A TokenSource without a token counts as one whose token expires so long after it came: a thousand new ones must not
/// make the old ones expire, nor the other way round.
const GRACE: TimeDelta = TimeDelta::minutes(1);
/// A token of former inputs counts as one that expires within this, however long it lives.
const CHANGED: TimeDelta = TimeDelta::hours(1);

/// By when a TokenSource needs a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    /// The TokenSource has no usable token.
    First,
    /// The present token expires then.
    Renewal(DateTime<Utc>),
    /// The present token expires then, and the last request failed: no more urgent than a TokenSource without a token.
    Retry(DateTime<Utc>),
    /// The present token was requested with other inputs, and expires then.
    Changed(DateTime<Utc>),
}

impl Need {
    pub(super) fn deadline(self, since: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::First => since + GRACE,
            Self::Renewal(expires_at) => expires_at,
            Self::Retry(expires_at) => expires_at.max(since + GRACE),
            Self::Changed(expires_at) => expires_at.min(since + CHANGED),
        }
    }
}

/// A request that is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The TokenSource.
    pub name: Name,
    /// The client within the namespace: the uid of its credentials Secret or certificate, or the name of its ServiceAccount.
    pub credentials: CompactString,
    /// By when its token is needed.
    pub need: Need,
    /// When a request with the same inputs brought the token that is there now.
    pub last_success: Option<DateTime<Utc>>,
    /// When its last request failed, if it did, with the same inputs.
    pub last_failure: Option<DateTime<Utc>>,
}

impl Request {
    /// The request of the TokenSource that is observed.
    pub fn of(namespace: &str, observed: &Observed<'_>) -> Self {
        let wanted = observed.inputs.as_ref().map(|inputs| &inputs.asked);
        let intact = observed.published().filter(|published| published.intact);
        let failed = observed.failed_before();
        let same = intact.filter(|published| wanted == Some(&published.asked));
        let need = match (same, intact) {
            (Some(published), _) if failed => Need::Retry(published.expires_at),
            (Some(published), _) => Need::Renewal(published.expires_at),
            (None, Some(published)) => Need::Changed(published.expires_at),
            (None, None) => Need::First,
        };
        Self {
            name: (namespace.into(), observed.name.into()),
            credentials: credentials(observed),
            need,
            last_success: same.map(|published| published.issued_at),
            last_failure: observed.status.last_failure_time.as_ref().filter(|_| failed).map(from_kubernetes),
        }
    }

    /// The request that revokes the tokens of the TokenSource that is observed. They are served in the order in which they come.
    pub fn of_revocation(namespace: &str, observed: &Observed<'_>) -> Self {
        Self {
            name: (namespace.into(), observed.name.into()),
            credentials: credentials(observed),
            need: Need::First,
            last_success: None,
            last_failure: None,
        }
    }

    /// When the same inputs last succeeded, if they have not failed since.
    pub(super) fn is_well_since(&self) -> Option<DateTime<Utc>> {
        self.last_success.filter(|_| self.last_failure.is_none())
    }
}

/// What identifies the client within its namespace: a Secret, or the ServiceAccount whose token it shows.
fn credentials(observed: &Observed<'_>) -> CompactString {
    let secrets = [&observed.secrets.credentials, &observed.secrets.certificate];
    let uid = secrets.into_iter().find_map(|secret| match secret {
        Credentials::Present { uid, .. } => Some(uid.as_str().into()),
        Credentials::Unnamed | Credentials::Missing(_) => None,
    });
    let account = || {
        let provider = observed.provider.as_ref().ok()?;
        Some(provider.service_accounts().next()?.name.as_deref()?.into())
    };
    uid.or_else(account).unwrap_or_default()
}

/// How a request was answered, as far as that concerns others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// With a token.
    Succeeded,
    /// Not at all, or with an error of the endpoint's own.
    Failed(Reason),
    /// Too many requests (429).
    Limited,
    /// Refused for a reason of the requester's own, or not sent: that says nothing of the endpoint.
    Unrelated,
}

impl From<&Failure> for Answer {
    fn from(failure: &Failure) -> Self {
        match failure.reason {
            reason if Failure::is_of_endpoint(reason) => Self::Failed(reason),
            Reason::RateLimited => Self::Limited,
            _ => Self::Unrelated,
        }
    }
}
