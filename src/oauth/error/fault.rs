//! The faults of a connection or a response: closed sets, each value with its text.
//! Must not know the libraries' error types: their texts quote URLs, names from certificates and bodies, so such errors are
//! translated into these types.

use std::io;

use thiserror::Error;

/// Why no complete response arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NetworkFault {
    #[error("could not be reached: its name could not be resolved")]
    NameResolution,
    /// Connecting, sending or receiving failed. The standard library defines the text of each kind.
    #[error("could not be reached: {0}")]
    Connection(io::ErrorKind),
    /// The connection was closed early, or the server violated HTTP.
    #[error("closed the connection before its response was complete")]
    Interrupted,
    #[error("did not complete its response before the deadline (`timeout`)")]
    Deadline,
    /// The author of the spec may not learn why the host returned no token.
    #[error(
        "returned no OAuth response; details are shown only if the owner of the credentials allows the host, or a \
         ClusterTokenProvider names it"
    )]
    Withheld,
}

/// Why the operator's proxy gave no connection to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProxyFault {
    /// The proxy answered 407.
    #[error("asked for other credentials (407): check `--proxy-credentials-file`")]
    Authentication,
    /// Nothing was sent, not even to the proxy.
    #[error("received no request, because of the file of `--proxy-credentials-file`: {0}")]
    Credentials(CredentialsFault),
    /// Nothing was sent: the client library asks for a host name's certificate, and does not say whether it is the proxy's.
    #[error(
        "has the same host, so `tls.caBundle` cannot be applied to the endpoint alone: exempt the host with `--no-proxy`, or \
         leave the bundle out"
    )]
    SameHost,
    /// Another status than 200, or no HTTP at all. The client does not report which.
    #[error(
        "refused: it may not accept the credentials, not permit this host or port, not resolve the name, or not reach the \
         host; see the proxy's log, or exempt the host with `--no-proxy`"
    )]
    Refused,
    #[error("could not be reached: its name could not be resolved; check `--https-proxy`")]
    NameResolution,
    #[error("could not be reached: {0}; check `--https-proxy` and that the proxy runs")]
    Unreachable(io::ErrorKind),
    /// The connection to the proxy was closed before the TLS handshake with the provider, perhaps after the tunnel was open.
    #[error("closed the connection before it could be used; see the proxy's log")]
    Interrupted,
    /// The TLS of the connection to the proxy, not to the provider.
    #[error(
        "failed in its own TLS, which is checked with the authorities of the controller's system, not with \
         `tls.caBundle`: {0}"
    )]
    Tls(TlsFault),
    #[error("gave no connection within 5 seconds; see the proxy's log")]
    Timeout,
}

/// Why the credentials file cannot be used. The text quotes nothing from the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CredentialsFault {
    #[error("it cannot be read")]
    Unreadable,
    #[error("it is longer than 4096 bytes")]
    TooLong,
    #[error("it is not one line `user:password`")]
    Format,
}

/// A fault of a certificate or of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TlsFault {
    #[error("no trusted authority signed its certificate; see `tls.caBundle`")]
    UnknownIssuer,
    #[error("its certificate is for another name")]
    WrongName,
    #[error("its certificate has expired")]
    Expired,
    #[error("its certificate is not valid yet; check both clocks")]
    NotYetValid,
    #[error("its certificate has been revoked")]
    Revoked,
    #[error("its certificate cannot be used for a server")]
    Unusable,
    /// Client and server have no version or cipher suite in common, or the server ended the handshake.
    #[error("the handshake failed; TLS 1.2 or 1.3 is needed, and perhaps a client certificate")]
    Handshake,
}

/// A token type other than bearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Scheme {
    /// RFC 9449.
    #[error("`DPoP`, which needs a proof with every request; switch it off for this client at the provider")]
    DPoP,
    /// The expired draft of MAC tokens, which RFC 6749 §7.1 has as an example.
    #[error("`mac`, which needs a signature with every request")]
    Mac,
    /// RFC 8693 §2.2.1.
    #[error("`N_A`: it is not an access token; see `requestedTokenType`")]
    NotApplicable,
    #[error("an unknown kind; if an API takes it as a bearer token, set `response.tokenType`")]
    Unknown,
}

impl Scheme {
    /// The scheme of a `token_type` other than `Bearer`.
    pub(in crate::oauth) fn of(token_type: &str) -> Self {
        match token_type.to_ascii_lowercase().as_str() {
            "dpop" => Scheme::DPoP,
            "mac" => Scheme::Mac,
            "n_a" => Scheme::NotApplicable,
            _ => Scheme::Unknown,
        }
    }
}

/// A fault of a 2xx response, or of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Defect {
    #[error("the body has a Content-Encoding that the request did not accept and that cannot be decoded")]
    Encoded,
    #[error("the connection closed before the body was complete")]
    CutOff,
    #[error("the body was not complete at the deadline (`timeout`)")]
    Unfinished,
    #[error("the body is empty")]
    Empty,
    #[error("the body is neither a JSON object nor a form")]
    NotAnAnswer,
    /// The JSON cannot be parsed, or is nested too deeply.
    #[error("the body is not valid JSON")]
    BrokenJson,
    #[error("the body has no access token; see `response.fields`")]
    NoToken,
    #[error("the access token is not a string of 1 to 65536 printable ASCII characters")]
    BadToken,
    /// RFC 8693 §2.2.1.
    #[error("the token is of another type than `requestedTokenType`")]
    OtherTokenType,
    #[error("that is not an HTTP status")]
    BadStatus,
}
