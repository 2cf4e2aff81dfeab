//! What can be wrong with a connection or a response, as closed sets with a sentence each.
//! Must not know the libraries' error types: their texts quote URLs, names from certificates and bodies, so such errors are
//! translated into these types.

use std::fmt;
use std::io;

/// Why no complete response arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFault {
    /// The name has no address, or the resolver failed.
    NameResolution,
    /// Connecting, sending or receiving failed. The standard library defines the text of each kind.
    Connection(io::ErrorKind),
    /// The connection closed, or the server violated HTTP, before the response was complete.
    Interrupted,
    /// The response was not complete at the deadline.
    Deadline,
    /// The host returned no token, and the author of the spec may not learn why.
    Withheld,
}

/// What is wrong with a certificate or with the handshake.
///
/// A closed set because the library's texts quote names from the peer's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// No trusted certificate authority signed it.
    UnknownIssuer,
    /// It is for other names.
    WrongName,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It was revoked.
    Revoked,
    /// It cannot be parsed, or is not a server certificate.
    Unusable,
    /// Client and server have no version or cipher suite in common, or the server ended the handshake.
    Handshake,
}

/// A token type other than bearer. A closed set, because the response's own text is arbitrary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 9449.
    DPoP,
    /// The expired draft of MAC tokens, which RFC 6749 §7.1 has as an example.
    Mac,
    /// `N_A` of RFC 8693 §2.2.1: the issued token is not an access token.
    NotApplicable,
    /// Any other type.
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

/// What is wrong with a 2xx response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The body has a `Content-Encoding` that the request did not accept and that cannot be decoded.
    Encoded,
    /// The connection closed before the end of the body.
    CutOff,
    /// The body was not complete at the deadline.
    Unfinished,
    /// There is no body.
    Empty,
    /// The body is neither JSON nor a form.
    NotAnAnswer,
    /// The JSON cannot be parsed, or is nested too deeply.
    BrokenJson,
    /// The body has no access token.
    NoToken,
    /// The access token is not a string, is empty or over 64 KiB, or has bytes that a header cannot carry.
    BadToken,
    /// The token has another type than the requested one (RFC 8693).
    OtherTokenType,
    /// The status is outside HTTP's range.
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
                f.write_str("closed the connection before its response was complete")
            }
            NetworkFault::Deadline => {
                f.write_str("did not complete its response before the deadline (`timeout`)")
            }
            NetworkFault::Withheld => f.write_str(
                "returned no OAuth response; details are shown only if the owner of the credentials allows the host, or a \
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

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::DPoP => "`DPoP`, which needs a proof with every request; switch it off for this client",
            Scheme::Mac => "`mac`, which needs a signature with every request",
            Scheme::NotApplicable => "`N_A`: it is not an access token; see `requestedTokenType`",
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
            Defect::CutOff => "the connection closed before the body was complete",
            Defect::Unfinished => "the body was not complete at the deadline (`timeout`)",
            Defect::Empty => "the body is empty",
            Defect::NotAnAnswer => "the body is neither JSON nor a form",
            Defect::BrokenJson => "the body is not valid JSON",
            Defect::NoToken => "the body has no access token; see `response.fields`",
            Defect::BadToken => "the access token is not a string of 1 to 65536 printable ASCII characters",
            Defect::OtherTokenType => "the token is of another type than `requestedTokenType`",
            Defect::BadStatus => "that is not an HTTP status",
        })
    }
}
