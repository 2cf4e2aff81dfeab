//! Why a token could not be obtained: one variant for each kind of failure, with a reason and a retry class.
//! Knows texts that an operator may read: hosts, statuses, error codes and this program's own sentences.
//! Must not know a response body, a URL's path or query, or a credential. Codes, descriptions and ids from a response enter
//! only after the `redactor` module has passed them, so no error can leak a secret.

mod fault;
mod refusal;
mod retry;

use std::time::Duration;

use crate::api::reason::Reason;
pub(super) use fault::{CredentialsFault, Defect, NetworkFault, ProxyFault, Scheme, TlsFault};
pub(super) use refusal::{Refusal, ResponseInfo};
pub use retry::{Repeat, Retry};

/// The minimum wait after an error that a person must correct, such as a certificate or a proxy.
pub(super) const MANUAL_FIX_FLOOR: Duration = Duration::from_secs(5 * 60);

/// Everything that can go wrong from building a request to having a token.
///
/// `host` is the host of the endpoint or issuer, without path or query; `what` and `why` are sentences of this program.
/// `Display` is one line for a condition's message. No variant has a source: the errors of the libraries contain URLs and
/// bodies, so causes are translated into closed sets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the fields are described above
pub enum Error {
    /// A credential cannot be used. Found before anything is sent. `what` names its key, never its value.
    #[error("a credential cannot be used: {what}")]
    Credential { what: String },
    /// The spec cannot be carried out, for a reason that the rules of the CRD cannot check. Found before anything is sent.
    #[error("the spec cannot be carried out: {what}")]
    Spec { what: String },
    /// A rule forbids the URL or an address of its host. If `resolved` is set, the address is from a name server, or the URL
    /// is from metadata, so the error reveals something about the network. Nothing was sent to the host.
    #[error("{host} must not be contacted: {why}")]
    EndpointNotAllowed { host: String, why: String, resolved: bool },
    /// No complete response arrived.
    #[error("{host} {fault}")]
    Unreachable { host: String, fault: NetworkFault },
    /// The operator's `proxy` (host and port) gave no connection to the host.
    #[error("{host} was not reached: the proxy {proxy} {fault}")]
    Proxy { host: String, proxy: String, fault: ProxyFault },
    /// The TLS handshake failed.
    #[error("the TLS connection to {host} was not accepted: {fault}")]
    Tls { host: String, fault: TlsFault },
    /// The endpoint answered 3xx. Redirects are not followed, because credentials would be sent to another URL. The target is
    /// not shown, because the server chooses it.
    #[error("{host} answered {status}, a redirect, which is not followed: correct the URL")]
    Redirect { host: String, status: u16 },
    /// The body exceeds 256 KiB. No part of it was parsed.
    #[error("{host} sent more than 256 KiB")]
    TooLarge { host: String },
    /// The metadata of an issuer could not be read.
    #[error("the metadata of {host} could not be read: {why}")]
    Discovery { host: String, why: String },
    /// The metadata belongs to another issuer (RFC 8414 §3.3), which is not shown, because it is foreign text.
    #[error(
        "the metadata at {host} names another `issuer`: copy the issuer from the metadata, with a slash at the end if it \
         has one"
    )]
    IssuerMismatch { host: String },
    /// The provider refused, by an error code or by the status alone.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// A 2xx response that is neither a token nor an OAuth error, or a response with an invalid status.
    #[error("{response}, but {defect}")]
    Malformed { response: Box<ResponseInfo>, defect: Defect },
    /// The token had expired on arrival, or its lifetime is negative.
    #[error("{response} with a token that had expired on arrival: check both clocks and `response.expiry`")]
    AlreadyExpired { response: Box<ResponseInfo> },
    /// The token needs a proof or scheme that this program does not support (RFC 6749 §7.1).
    #[error("{response} with a token of type {scheme}")]
    UnsupportedTokenType { response: Box<ResponseInfo>, scheme: Scheme },
}

impl Error {
    /// A credential cannot be used; `what` names its key and the fault, never its value.
    pub fn credential(what: impl Into<String>) -> Self {
        Error::Credential { what: what.into() }
    }

    /// The spec cannot be carried out; `what` says why.
    pub fn spec(what: impl Into<String>) -> Self {
        Error::Spec { what: what.into() }
    }

    /// A rule forbids this endpoint; `why` names the rule.
    pub fn not_allowed(host: impl Into<String>, why: impl Into<String>) -> Self {
        Error::EndpointNotAllowed { host: host.into(), why: why.into(), resolved: false }
    }

    /// A rule forbids the addresses that this host resolves to; `why` names the rule.
    pub fn address_not_allowed(host: impl Into<String>, why: impl Into<String>) -> Self {
        Error::EndpointNotAllowed { host: host.into(), why: why.into(), resolved: true }
    }

    /// No complete response arrived.
    pub fn unreachable(host: impl Into<String>, fault: NetworkFault) -> Self {
        Error::Unreachable { host: host.into(), fault }
    }

    /// The operator's proxy gave no connection.
    pub(super) fn proxy(host: impl Into<String>, proxy: impl Into<String>, fault: ProxyFault) -> Self {
        Error::Proxy { host: host.into(), proxy: proxy.into(), fault }
    }

    /// The TLS handshake failed.
    pub fn tls(host: impl Into<String>, fault: TlsFault) -> Self {
        Error::Tls { host: host.into(), fault }
    }

    /// The body exceeds the limit.
    pub fn too_large(host: impl Into<String>) -> Self {
        Error::TooLarge { host: host.into() }
    }

    /// The body of a 2xx response is incomplete.
    pub(super) fn cut_off(host: impl Into<String>, status: u16, deadline: bool) -> Self {
        let defect = if deadline { Defect::Unfinished } else { Defect::CutOff };
        Error::Malformed { response: Box::new(ResponseInfo::new(host, status)), defect }
    }

    /// The response could not be read.
    pub(super) fn unreadable(host: impl Into<String>, status: u16) -> Self {
        Error::Malformed { response: Box::new(ResponseInfo::new(host, status)), defect: Defect::NotAnAnswer }
    }

    /// The metadata of an issuer could not be read; `why` is a sentence of this program.
    pub fn discovery(host: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Discovery { host: host.into(), why: why.into() }
    }

    /// This error as it may be shown if only the author of the spec has named the host. The way in which a host fails would
    /// let the author map a network that the author cannot reach, so all ways become one error with one retry class. Errors
    /// that follow from the spec alone, errors that only an authorization server sends, and rate limits are unchanged.
    #[must_use]
    pub fn withheld(self) -> Self {
        match self {
            Error::Malformed { response, .. } => Error::unreachable(response.host, NetworkFault::Withheld),
            Error::Refused(refusal) if refusal.code.is_none() && refusal.reason != Reason::RateLimited => {
                Error::unreachable(refusal.response.host, NetworkFault::Withheld)
            }
            Error::Unreachable { host, .. }
            | Error::Proxy { host, .. }
            | Error::Discovery { host, .. }
            | Error::IssuerMismatch { host }
            | Error::Tls { host, .. }
            | Error::Redirect { host, .. }
            | Error::TooLarge { host }
            | Error::EndpointNotAllowed { host, resolved: true, .. } => {
                Error::unreachable(host, NetworkFault::Withheld)
            }
            other => other,
        }
    }

    /// The reason for conditions, Events, logs and the metric label.
    pub fn reason(&self) -> Reason {
        match self {
            Error::Credential { .. } => Reason::CredentialsInvalid,
            Error::Spec { .. } => Reason::InvalidSpec,
            Error::EndpointNotAllowed { .. } => Reason::EndpointNotAllowed,
            Error::Unreachable { .. } => Reason::EndpointUnreachable,
            Error::Proxy { .. } => Reason::ProxyError,
            Error::Tls { .. } => Reason::TLSVerificationFailed,
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

    /// How the failure is retried.
    pub fn retry(&self) -> Retry {
        match self {
            Error::Credential { .. }
            | Error::Spec { .. }
            | Error::EndpointNotAllowed { .. }
            | Error::Redirect { .. }
            | Error::IssuerMismatch { .. }
            | Error::UnsupportedTokenType { .. } => Retry::TERMINAL,
            Error::Proxy {
                fault:
                    ProxyFault::Authentication
                    | ProxyFault::Credentials(_)
                    | ProxyFault::SameHost
                    | ProxyFault::Tls(_),
                ..
            }
            | Error::Tls { .. } => Retry::Transient { floor: MANUAL_FIX_FLOOR },
            Error::Unreachable { .. } | Error::Proxy { .. } | Error::Discovery { .. } => Retry::TRANSIENT,
            Error::TooLarge { .. } | Error::Malformed { .. } | Error::AlreadyExpired { .. } => {
                Retry::Wasteful
            }
            Error::Refused(refusal) => refusal.retry,
        }
    }

    /// How long the provider asks to wait (`Retry-After`, or a reset header on a 429), between 1 s and 1 h. The longer of
    /// this wait and the wait of the retry schedule applies.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
