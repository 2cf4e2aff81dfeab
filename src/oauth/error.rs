//! Why no token could be had: one variant per operation that failed, each with a reason and a retry class.
//! Knows words an operator may read: hosts, statuses, allow-listed codes and our own sentences.
//! Must not know a byte of a response body, a URL's path or query, or a credential: nothing here can leak them,
//! because nothing here carries foreign text that the `disclosure` module has not passed.

mod fault;

use std::fmt;
use std::time::Duration;

use crate::api::reason::Reason;
pub(super) use fault::{Defect, NetworkFault, ProxyFault, Scheme, TlsFault};

/// Shortest wait after a failed certificate check or a refusing proxy: both are mended by people, not by time.
const PEOPLE_FLOOR: Duration = Duration::from_secs(5 * 60);

/// Everything that can go wrong between a request not yet built and a token in hand.
///
/// `Display` is one line for a condition's message. No variant has a source: the libraries underneath put URLs and
/// bodies into theirs, so causes are translated into the closed sets below instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A credential cannot be used as it stands; found before anything is sent.
    #[error("a credential cannot be used: {what}")]
    Credential {
        /// Which one and why, by key name; never its value.
        what: String,
    },
    /// The spec contradicts itself in a way the CRD's rules could not catch; found before anything is sent.
    #[error("the spec cannot be carried out: {what}")]
    Spec {
        /// Which fields, in the user's spelling.
        what: String,
    },
    /// The URL or an address it resolves to is refused by policy; nothing was sent.
    #[error("{host} must not be contacted: {why}")]
    EndpointNotAllowed {
        /// Host of the endpoint, without path or query.
        host: String,
        /// The rule that refuses it.
        why: String,
        /// The rule refuses what the name resolves to, so that the refusal says something of the network.
        resolved: bool,
    },
    /// No complete answer arrived: name resolution, connection, or the deadline over the whole exchange.
    #[error("{host} {fault}")]
    Unreachable {
        /// Host of the endpoint, without path or query.
        host: String,
        /// What the network said.
        fault: NetworkFault,
    },
    /// The TLS handshake failed.
    #[error("the TLS connection to {host} was not accepted: {fault}")]
    Tls {
        /// Host of the endpoint, without path or query.
        host: String,
        /// What is wrong with certificate or protocol.
        fault: TlsFault,
    },
    /// The operator's proxy did not open a tunnel to the endpoint.
    #[error("the proxy on the way to {host} refused: {fault}")]
    Proxy {
        /// Host of the endpoint (not of the proxy), without path or query.
        host: String,
        /// How it refused.
        fault: ProxyFault,
    },
    /// The endpoint answered 3xx. Credentials are never sent on.
    #[error("{host} answered {status}, a redirect; credentials are not sent on: correct the URL")]
    Redirect {
        /// Host of the endpoint, without path or query. Never the redirect's target, which the server chooses.
        host: String,
        /// 300 to 399.
        status: u16,
    },
    /// The body exceeds 256 KiB; none of it was interpreted.
    #[error("{host} sent more than 256 KiB")]
    TooLarge {
        /// Host of the endpoint, without path or query.
        host: String,
    },
    /// An issuer's metadata could not be read.
    #[error("the metadata of {host} could not be read: {why}")]
    Discovery {
        /// Host of the issuer.
        host: String,
        /// What is wrong with it, in our words.
        why: String,
    },
    /// The metadata belongs to another issuer (RFC 8414 §3.3). Which one is not said: the document is foreign text.
    #[error(
        "the metadata at {host} names an `issuer` that is not this very text: copy it from the metadata, mind a slash \
         at the end"
    )]
    IssuerMismatch {
        /// Host of the issuer.
        host: String,
    },
    /// The provider refused, by an error code or by the status alone.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// A 2xx answer that is neither a token nor an OAuth error.
    #[error("{answer}, but {defect}")]
    Malformed {
        /// Where it came from.
        answer: Box<Provenance>,
        /// What is wrong with it.
        defect: Defect,
    },
    /// A token came that had expired on arrival (or whose expiry is negative).
    #[error("{answer} with a token that had expired on arrival: check both clocks and `response.expiry`")]
    AlreadyExpired {
        /// Where it came from.
        answer: Box<Provenance>,
    },
    /// A token came that needs a proof or scheme we cannot give (RFC 6749 §7.1).
    #[error("{answer} with a token of type {scheme}")]
    UnsupportedTokenType {
        /// Where it came from.
        answer: Box<Provenance>,
        /// The scheme it needs.
        scheme: Scheme,
    },
}

/// Where an answer came from: the part of an answer that may always be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Host of the endpoint, without path or query.
    pub host: String,
    /// HTTP status.
    pub status: u16,
    /// The provider's own id for the request, where it sent one that may be shown.
    pub correlation: Option<String>,
}

/// A refusal by the provider, already reduced to what may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where it came from.
    pub answer: Provenance,
    /// The word for conditions and metrics.
    pub reason: Reason,
    /// How the schedule treats it.
    pub retry: Retry,
    /// The error code in the provider's spelling, if it may be shown.
    pub code: Option<String>,
    /// There is a code that may not be shown, since it is in no list of codes that everybody may know.
    pub unlisted: bool,
    /// The provider's explanation, if it may be shown.
    pub description: Option<String>,
    /// How long the provider asks to wait, held between 1 s and 1 h.
    pub retry_after: Option<Duration>,
}

/// How the schedule treats a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Retried with exponential waits.
    Transient {
        /// Never sooner than this; zero = no floor.
        floor: Duration,
    },
    /// A 2xx without a usable token: transient, but each try may cost a token, so from the third in a row on the waits
    /// are long.
    Wasteful,
    /// Transient for this many attempts in a row, each with a fresh assertion, then terminal.
    Assertion {
        /// Attempts in total.
        attempts: u32,
    },
    /// Nothing helps until spec, provider or credentials change or a renewal is requested.
    Terminal {
        /// When it is tried again all the same.
        repeat: Repeat,
    },
}

/// When a request that was refused for good is made again though nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Never: an account could lock.
    Never,
    /// Once an hour: each request shows a password.
    Hourly,
    /// Once an hour, and once before the stored token ends.
    BeforeExpiry,
    /// The same, and a few times within minutes where the inputs have never worked: a provider may need a while until it
    /// knows them.
    WhileNew,
}

impl Retry {
    /// Transient without a floor.
    pub const TRANSIENT: Retry = Retry::Transient { floor: Duration::ZERO };
    /// Terminal, for what does not become better in minutes.
    pub const TERMINAL: Retry = Retry::Terminal { repeat: Repeat::BeforeExpiry };
    /// Terminal, as a provider says it of inputs that it does not know.
    pub const REFUSED: Retry = Retry::Terminal { repeat: Repeat::WhileNew };
}

impl Error {
    /// A credential cannot be used; `what` names key and fault, never a value.
    pub fn credential(what: impl Into<String>) -> Self {
        Error::Credential { what: what.into() }
    }

    /// The spec contradicts itself; `what` names the fields.
    pub fn spec(what: impl Into<String>) -> Self {
        Error::Spec { what: what.into() }
    }

    /// Policy forbids this endpoint; `why` names the rule.
    pub fn not_allowed(host: impl Into<String>, why: impl Into<String>) -> Self {
        Error::EndpointNotAllowed { host: host.into(), why: why.into(), resolved: false }
    }

    /// Policy forbids the addresses that this host's name resolves to; `why` names the rule.
    pub fn address_not_allowed(host: impl Into<String>, why: impl Into<String>) -> Self {
        Error::EndpointNotAllowed { host: host.into(), why: why.into(), resolved: true }
    }

    /// No complete answer arrived.
    pub fn unreachable(host: impl Into<String>, fault: NetworkFault) -> Self {
        Error::Unreachable { host: host.into(), fault }
    }

    /// The TLS handshake failed.
    pub fn tls(host: impl Into<String>, fault: TlsFault) -> Self {
        Error::Tls { host: host.into(), fault }
    }

    /// The proxy refused; `host` is the endpoint's.
    pub fn proxy(host: impl Into<String>, fault: ProxyFault) -> Self {
        Error::Proxy { host: host.into(), fault }
    }

    /// The body exceeds the limit.
    pub fn too_large(host: impl Into<String>) -> Self {
        Error::TooLarge { host: host.into() }
    }

    /// A good answer whose body did not come to its end.
    pub(super) fn cut_off(host: impl Into<String>, status: u16, deadline: bool) -> Self {
        let answer = Provenance { host: host.into(), status, correlation: None };
        let defect = if deadline { Defect::Unfinished } else { Defect::CutOff };
        Error::Malformed { answer: Box::new(answer), defect }
    }

    /// An issuer's metadata could not be read; `why` is our own sentence.
    pub fn discovery(host: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Discovery { host: host.into(), why: why.into() }
    }

    /// This error as it may be told where nobody but the spec's author has named the host. Which way a host failed would
    /// map a network that the author cannot reach: all ways become one, and are retried alike. What the spec alone
    /// decides, and what only an authorization server says, stays as it is.
    #[must_use]
    pub fn withheld(self) -> Self {
        match self {
            Error::Malformed { answer, .. } => Error::unreachable(answer.host, NetworkFault::Withheld),
            Error::Refused(refusal) if refusal.code.is_none() && refusal.reason != Reason::RateLimited => {
                Error::unreachable(refusal.answer.host, NetworkFault::Withheld)
            }
            Error::Unreachable { host, .. }
            | Error::Discovery { host, .. }
            | Error::IssuerMismatch { host }
            | Error::Tls { host, .. }
            | Error::Proxy { host, .. }
            | Error::Redirect { host, .. }
            | Error::TooLarge { host }
            | Error::EndpointNotAllowed { host, resolved: true, .. } => {
                Error::unreachable(host, NetworkFault::Withheld)
            }
            other => other,
        }
    }

    /// The word for conditions, events, logs and the metric label.
    pub fn reason(&self) -> Reason {
        match self {
            Error::Credential { .. } => Reason::CredentialsInvalid,
            Error::Spec { .. } => Reason::InvalidSpec,
            Error::EndpointNotAllowed { .. } => Reason::EndpointNotAllowed,
            Error::Unreachable { .. } => Reason::EndpointUnreachable,
            Error::Tls { .. } => Reason::TLSVerificationFailed,
            Error::Proxy { .. } => Reason::ProxyError,
            Error::Redirect { .. } => Reason::UnexpectedRedirect,
            Error::TooLarge { .. } => Reason::ResponseTooLarge,
            Error::Discovery { .. } => Reason::DiscoveryFailed,
            Error::IssuerMismatch { .. } => Reason::IssuerMismatch,
            Error::Refused(refusal) => refusal.reason,
            Error::Malformed { .. } => Reason::MalformedResponse,
            Error::AlreadyExpired { .. } => Reason::TokenAlreadyExpired,
            Error::UnsupportedTokenType { .. } => Reason::UnsupportedTokenType,
        }
    }

    /// How the schedule treats it.
    pub fn retry(&self) -> Retry {
        match self {
            Error::Credential { .. }
            | Error::Spec { .. }
            | Error::EndpointNotAllowed { .. }
            | Error::Redirect { .. }
            | Error::IssuerMismatch { .. }
            | Error::UnsupportedTokenType { .. } => Retry::TERMINAL,
            Error::Unreachable { .. } | Error::Discovery { .. } => Retry::TRANSIENT,
            Error::Tls { .. } | Error::Proxy { .. } => Retry::Transient { floor: PEOPLE_FLOOR },
            Error::TooLarge { .. } | Error::Malformed { .. } | Error::AlreadyExpired { .. } => {
                Retry::Wasteful
            }
            Error::Refused(refusal) => refusal.retry,
        }
    }

    /// How long the provider itself asks to wait (`Retry-After`, or `x-ratelimit-reset` on a 429), held between
    /// 1 s and 1 h. It wins over the schedule's cap; where [`Error::retry`] has a floor too, the longer holds.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    /// The HTTP status, where an answer came that was looked at.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Redirect { status, .. } => Some(*status),
            Error::Refused(refusal) => Some(refusal.answer.status),
            Error::Malformed { answer, .. }
            | Error::AlreadyExpired { answer }
            | Error::UnsupportedTokenType { answer, .. } => Some(answer.status),
            _ => None,
        }
    }
}

impl fmt::Display for Provenance {
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
        write!(f, "{} answered {}", self.answer.host, self.answer.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if self.unlisted {
            f.write_str(" with an unlisted code")?;
        }
        if let Some(description) = &self.description {
            write!(f, ": \"{description}\"")?;
        }
        if let Some(id) = &self.answer.correlation {
            write!(f, " (request id {id})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
