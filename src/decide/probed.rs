//! What came of showing a token to the probe's URL.
//! Knows HTTP status codes; must not know what a rejection leads to.

use chrono::{DateTime, Utc};

/// What came of showing a token to the probe's URL.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    /// Which token it was, by when it was asked for.
    pub issued_at: DateTime<Utc>,
    /// When it was shown.
    pub at: DateTime<Utc>,
    /// How it was met.
    pub verdict: Verdict,
    /// So many times in a row nothing was said of the token.
    pub unclear: u32,
}

impl Probed {
    /// The next result, after this one.
    #[must_use]
    pub fn following(
        before: Option<&Self>,
        issued_at: DateTime<Utc>,
        at: DateTime<Utc>,
        verdict: Verdict,
    ) -> Self {
        let earlier = before.map_or(0, |before| before.unclear);
        let unclear = if verdict == Verdict::Unclear { earlier.saturating_add(1) } else { 0 };
        // A token that was rejected stays so until the probe accepts it: an answer that says nothing takes nothing back.
        let rejected =
            before.is_some_and(|before| before.issued_at == issued_at && before.verdict == Verdict::Rejected);
        let verdict = if rejected && verdict == Verdict::Unclear { Verdict::Rejected } else { verdict };
        Self { issued_at, at, verdict, unclear }
    }
}

/// How a token was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server knows it, whether or not it permits the call: 2xx, 403.
    Accepted,
    /// 401: the server does not take it (RFC 6750 §3.1).
    Rejected,
    /// Anything else says nothing of the token.
    Unclear,
}

impl Verdict {
    /// What an HTTP status says of the token that was shown.
    pub fn of(status: u16) -> Self {
        match status {
            200..=299 | 403 => Self::Accepted,
            401 => Self::Rejected,
            _ => Self::Unclear,
        }
    }
}
