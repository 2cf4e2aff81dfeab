//! What can be wrong with a connection or an answer, as closed sets with a sentence each.
//! Knows the words shown to an operator. Must not know the libraries' error types: their texts quote URLs, names
//! from certificates and bodies, so whoever meets such an error chooses one of these instead.

use std::fmt;
use std::io;

/// What the network said, as far as it helps an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFault {
    /// The name has no address, or the resolver failed.
    NameResolution,
    /// Connecting, sending or receiving failed. The kind's own text is fixed by the standard library.
    Connection(io::ErrorKind),
    /// The connection closed, or broke HTTP's rules, before the answer was complete.
    Interrupted,
    /// The answer was not complete when the total deadline passed.
    Deadline,
    /// It gave no token, and how is not for the author of the spec to know.
    Withheld,
}

/// What is wrong with a certificate or with the handshake.
///
/// A closed set because the library's texts quote names from the peer's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// No trusted root signed it.
    UnknownIssuer,
    /// It is for other names.
    WrongName,
    /// Its time has passed.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It was revoked.
    Revoked,
    /// It is unreadable, or not meant for servers.
    Unusable,
    /// No version or cipher suite in common, or the server broke off the handshake.
    Handshake,
}

/// How a proxy refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyFault {
    /// It wants credentials, or others than it got.
    AuthenticationRequired,
    /// It would not open, or could not open, the tunnel.
    TunnelRefused,
}

/// A token type other than bearer. A closed set, because what stands in its place is the provider's free text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 9449.
    DPoP,
    /// The expired draft of MAC tokens, the example of RFC 6749 §7.1.
    Mac,
    /// `N_A` of RFC 8693 §2.2.1: what was issued is no access token.
    NotApplicable,
    /// Anything else.
    Unknown,
}

impl Scheme {
    /// Recognises a `token_type` that is not `Bearer`.
    pub(in crate::oauth) fn of(token_type: &str) -> Self {
        match token_type.to_ascii_lowercase().as_str() {
            "dpop" => Scheme::DPoP,
            "mac" => Scheme::Mac,
            "n_a" => Scheme::NotApplicable,
            _ => Scheme::Unknown,
        }
    }
}

/// What is wrong with a 2xx answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// A `Content-Encoding` that nobody asked for and that cannot be decoded.
    Encoded,
    /// The connection closed before the end.
    CutOff,
    /// The deadline passed before the end.
    Unfinished,
    /// No body at all.
    Empty,
    /// Neither JSON nor a form.
    NotAnAnswer,
    /// JSON that does not parse, or nests too deeply.
    BrokenJson,
    /// It has no access token where one is expected.
    NoToken,
    /// The access token is not a string, empty, over 64 KiB, or has bytes that no header may carry.
    BadToken,
    /// RFC 8693: a token of another type than the one asked for.
    OtherTokenType,
    /// A status outside HTTP's range.
    BadStatus,
}

impl fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetworkFault::NameResolution => {
                f.write_str("could not be reached: its name could not be resolved")
            }
            NetworkFault::Connection(kind) => write!(f, "could not be reached: {kind}"),
            NetworkFault::Interrupted => {
                f.write_str("broke off the connection before its answer was complete")
            }
            NetworkFault::Deadline => {
                f.write_str("did not complete its answer before the deadline (`timeout`)")
            }
            NetworkFault::Withheld => f.write_str(
                "gave no OAuth answer; how it failed is shown where the credentials' owner allows the host, or a \
                 ClusterTokenProvider names it",
            ),
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsFault::UnknownIssuer => "no trusted authority signed its certificate; see `tls.caBundle`",
            TlsFault::WrongName => "its certificate is for another name",
            TlsFault::Expired => "its certificate has expired",
            TlsFault::NotYetValid => "its certificate is not valid yet; check both clocks",
            TlsFault::Revoked => "its certificate has been revoked",
            TlsFault::Unusable => "its certificate cannot be used for a server",
            TlsFault::Handshake => {
                "the handshake failed; TLS 1.2 or 1.3 is needed, and perhaps a client certificate"
            }
        })
    }
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyFault::AuthenticationRequired => "it wants (other) credentials",
            ProxyFault::TunnelRefused => "it did not open the tunnel",
        })
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::DPoP => "`DPoP`, which needs a proof with every request; switch it off for this client",
            Scheme::Mac => "`mac`, which needs a signature with every request",
            Scheme::NotApplicable => "`N_A`: it is no access token; see `requestedTokenType`",
            Scheme::Unknown => {
                "an unknown kind; if an API takes it as a bearer token, set `response.tokenType`"
            }
        })
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Defect::Encoded => "the body has a Content-Encoding that was not asked for and cannot be decoded",
            Defect::CutOff => "the connection broke off before the body was complete",
            Defect::Unfinished => "the body was not complete at the deadline (`timeout`)",
            Defect::Empty => "the body is empty",
            Defect::NotAnAnswer => "the body is neither JSON nor a form",
            Defect::BrokenJson => "the body is not valid JSON",
            Defect::NoToken => "the body has no access token; see `response.fields`",
            Defect::BadToken => {
                "the access token is no usable string (1 to 65536 printable ASCII characters)"
            }
            Defect::OtherTokenType => "the token is of another type than `requestedTokenType`",
            Defect::BadStatus => "that is no HTTP status",
        })
    }
}
