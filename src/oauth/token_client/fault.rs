//! Translates errors of the HTTP client into errors of this layer.
//! Knows the error types of the libraries, which it finds along the chain of sources. Must not pass on their texts, which
//! quote URLs, certificates and the peer's bytes.

use std::error::Error as StdError;
use std::io;
use std::iter::successors;

use rustls::CertificateError;

use crate::oauth::egress::AddressRefused;
use crate::oauth::error::{Error, NetworkFault, TlsFault};

/// Classifies a failed request to this host.
pub(super) fn classify(error: &reqwest::Error, host: &str) -> Error {
    if let Some(AddressRefused(refusal)) = find(error) {
        return Error::address_not_allowed(host, format!("its name resolves to {refusal}"));
    }
    match find(error) {
        Some(fault) => Error::tls(host, tls(fault)),
        None => Error::unreachable(host, network(error)),
    }
}

fn network(error: &reqwest::Error) -> NetworkFault {
    if error.is_dns() {
        return NetworkFault::NameResolution;
    }
    // TLS wraps the socket's error in others of kind Other.
    let mut kinds = causes(error).filter_map(|cause| cause.downcast_ref()).map(io::Error::kind);
    match kinds.find(|&kind| kind != io::ErrorKind::Other) {
        // The text of this kind, "unexpected end of file", would mislead: there is no file.
        Some(io::ErrorKind::UnexpectedEof) => NetworkFault::Interrupted,
        Some(kind) => NetworkFault::Connection(kind),
        None if error.is_timeout() && error.is_connect() => NetworkFault::Connection(io::ErrorKind::TimedOut),
        None if error.is_timeout() => NetworkFault::Deadline,
        None => NetworkFault::Interrupted,
    }
}

fn tls(fault: &rustls::Error) -> TlsFault {
    let rustls::Error::InvalidCertificate(fault) = fault else {
        return TlsFault::Handshake;
    };
    match fault {
        // A signature does not verify if another authority has the name of a trusted one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFault::WrongName
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotYetValid,
        CertificateError::Revoked => TlsFault::Revoked,
        _ => TlsFault::Unusable,
    }
}

/// The first error of this type in the chain.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The error and its causes. Includes what an `io::Error` wraps, which `io::Error::source` skips.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    successors(Some(error), |&error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    })
}
