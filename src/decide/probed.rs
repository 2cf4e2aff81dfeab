//! The result of sending a token to the probe's URL. Knows HTTP status codes; must not know what follows from a rejection.

use chrono::{DateTime, Utc};

/// The result of sending a token to the probe's URL.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    /// The token, identified by the time of its request.
    pub issued_at: DateTime<Utc>,
    /// When the token was sent to the probe's URL.
    pub at: DateTime<Utc>,
    /// The server's verdict.
    pub verdict: ProbeVerdict,
    /// How many results in a row had no verdict.
    pub unclear: u32,
}

impl Probed {
    /// The result that follows `before`.
    #[must_use]
    pub fn following(
        before: Option<&Self>,
        issued_at: DateTime<Utc>,
        at: DateTime<Utc>,
        verdict: ProbeVerdict,
    ) -> Self {
        let earlier = before.map_or(0, |before| before.unclear);
        let unclear = if verdict == ProbeVerdict::Unclear { earlier.saturating_add(1) } else { 0 };
        // A rejection applies until the probe accepts the token: an answer without a verdict does not end the rejection.
        let rejected = before
            .is_some_and(|before| before.issued_at == issued_at && before.verdict == ProbeVerdict::Rejected);
        let verdict =
            if rejected && verdict == ProbeVerdict::Unclear { ProbeVerdict::Rejected } else { verdict };
        Self { issued_at, at, verdict, unclear }
    }
}

/// The verdict of a server about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeVerdict {
    /// The server accepts the token, whether or not it permits the call: 2xx, 403.
    Accepted,
    /// 401: the server does not accept the token (RFC 6750 §3.1).
    Rejected,
    /// Any other answer, which does not show whether the token is accepted.
    Unclear,
}

impl ProbeVerdict {
    /// The verdict of this HTTP status.
    pub fn of(status: u16) -> Self {
        match status {
            200..=299 | 403 => Self::Accepted,
            401 => Self::Rejected,
            _ => Self::Unclear,
        }
    }
}
