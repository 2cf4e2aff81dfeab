//! The facts that the limiter needs about a request before it is sent, and about its answer. Knows the observation of a
//! TokenSource and its failure. Must not know other requests.

use chrono::{DateTime, TimeDelta, Utc};
use compact_str::CompactString;

use crate::api::{Reason, ReasonKind, from_kubernetes};
use crate::decide::{Failure, Observed, Published, ReferencedSecret};

/// Namespace and name of a TokenSource.
pub type Name = (CompactString, CompactString);

/// A client: its namespace, and its credentials there.
pub(super) type Client = (CompactString, CompactString);

/// A TokenSource without a token is treated like one whose token expires this long after the wait began: a thousand new
/// TokenSources must not let the tokens of old ones expire, and renewals must not keep new TokenSources waiting without end.
const GRACE: TimeDelta = TimeDelta::minutes(1);
/// A token of former inputs is treated like one that expires within this time, however long it lives.
const CHANGED: TimeDelta = TimeDelta::hours(1);

/// When a TokenSource needs a new token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    /// The TokenSource has no usable token.
    First,
    /// The expiry of the current token.
    Renewal(DateTime<Utc>),
    /// The expiry of the current token if the last request failed: no more urgent than a TokenSource without a token. After a
    /// 429, which is no fault of the request, the need is a [`Need::Renewal`] until the token expires. A TokenSource whose token has
    /// expired would otherwise come before all others again and again.
    Retry(DateTime<Utc>),
    /// The expiry of the current token if it was requested with other inputs.
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

/// A request to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The TokenSource.
    pub name: Name,
    /// The client within the namespace: the uid of its credentials Secret or certificate, or the name of its ServiceAccount.
    pub credentials: CompactString,
    /// When the token is needed.
    pub need: Need,
    /// When the current token was issued, if it was requested with the same inputs.
    pub last_success: Option<DateTime<Utc>>,
    /// When the last request with the same inputs failed; None if it did not.
    pub last_failure: Option<DateTime<Utc>>,
}

impl Request {
    /// The request of the observed TokenSource.
    pub fn of(observed: &Observed<'_>) -> Self {
        let wanted = observed.fingerprints.as_ref().map(|fingerprints| &fingerprints.token);
        let intact = observed.published().filter(|published| published.intact);
        let failed = observed.failed_before();
        let limited = observed.status.failed_reason.as_deref() == Some(Reason::RateLimited.as_str());
        let is_fault = |published: &Published| !limited || published.expires_at <= observed.now;
        let same = intact.filter(|published| wanted == Some(&published.inputs_fingerprint));
        let need = match (same, intact) {
            (Some(published), _) if failed && is_fault(published) => Need::Retry(published.expires_at),
            (Some(published), _) => Need::Renewal(published.expires_at),
            (None, Some(published)) => Need::Changed(published.expires_at),
            (None, None) => Need::First,
        };
        Self {
            name: (observed.namespace.into(), observed.name.into()),
            credentials: credentials(observed),
            need,
            last_success: same.map(|published| published.issued_at),
            last_failure: observed.status.last_failure_time.as_ref().filter(|_| failed).map(from_kubernetes),
        }
    }

    /// The request that revokes the tokens of the observed TokenSource. Such requests are served in the order of their
    /// arrival.
    pub fn of_revocation(observed: &Observed<'_>) -> Self {
        Self {
            name: (observed.namespace.into(), observed.name.into()),
            credentials: credentials(observed),
            need: Need::First,
            last_success: None,
            last_failure: None,
        }
    }

    /// The client that sends the request.
    pub(super) fn client(&self) -> Client {
        (self.name.0.clone(), self.credentials.clone())
    }

    /// When the same inputs last succeeded, if they have not failed since.
    pub(super) fn is_well_since(&self) -> Option<DateTime<Utc>> {
        self.last_success.filter(|_| self.last_failure.is_none())
    }
}

/// Identifies the client within its namespace: the uid of a Secret, or the name of the ServiceAccount whose token is sent.
fn credentials(observed: &Observed<'_>) -> CompactString {
    let secrets = [&observed.secrets.credentials, &observed.secrets.certificate];
    let uid = secrets.into_iter().find_map(|secret| match secret {
        ReferencedSecret::Present { uid, .. } => Some(uid.as_str().into()),
        ReferencedSecret::Unnamed | ReferencedSecret::Missing(_) => None,
    });
    let account = || {
        let provider = observed.provider.as_ref().ok()?;
        Some(provider.service_accounts().next()?.name.as_deref()?.into())
    };
    uid.or_else(account).unwrap_or_default()
}

/// The answer to a request, reduced to what it means for other requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// A token.
    Succeeded,
    /// No answer, or an error of the endpoint itself.
    Failed(Reason),
    /// Too many requests (429).
    Limited,
    /// A refusal for a reason of this request, or no request: neither shows anything about the endpoint.
    Unrelated,
}

impl From<&Failure> for Answer {
    fn from(failure: &Failure) -> Self {
        match failure.reason {
            reason if reason.kind() == ReasonKind::Endpoint => Self::Failed(reason),
            Reason::RateLimited => Self::Limited,
            _ => Self::Unrelated,
        }
    }
}
