//! The parts of a provider's response that an error carries: only texts that people may see.
//! Must not know bodies or headers.

use std::fmt;
use std::time::Duration;

use super::Retry;
use crate::api::reason::Reason;

/// The parts of a response that an error shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseInfo {
    /// Host of the endpoint, without path or query.
    pub host: String,
    /// HTTP status.
    pub status: u16,
    /// The provider's id of the request, if it sent one that may be shown.
    pub correlation: Option<String>,
}

impl ResponseInfo {
    pub(in crate::oauth) fn new(host: impl Into<String>, status: u16) -> Self {
        Self { host: host.into(), status, correlation: None }
    }
}

/// A refusal by the provider, reduced to what may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The response that refuses.
    pub response: ResponseInfo,
    /// The reason for conditions and metrics.
    pub reason: Reason,
    /// How the refusal is retried.
    pub retry: Retry,
    /// The error code as the provider spells it, if it may be shown.
    pub code: Option<String>,
    /// The response has a code that may not be shown, because no public list of codes contains it.
    pub unlisted: bool,
    /// The provider's description of the error, if it may be shown.
    pub description: Option<String>,
    /// How long the provider asks to wait, between 1 s and 1 h.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for ResponseInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {}", self.host, self.status)?;
        match &self.correlation {
            Some(id) => write!(f, " (request id {id})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {}", self.response.host, self.response.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if self.unlisted {
            f.write_str(" with an unlisted code")?;
        }
        if let Some(description) = &self.description {
            write!(f, ": \"{description}\"")?;
        }
        if let Some(id) = &self.response.correlation {
            write!(f, " (request id {id})")?;
        }
        // Only the error codes of RFC 9449 (DPoP) have the reason `UnsupportedTokenType`.
        if self.reason == Reason::UnsupportedTokenType {
            f.write_str("; DPoP is not supported: switch it off for this client at the provider")?;
        }
        Ok(())
    }
}
