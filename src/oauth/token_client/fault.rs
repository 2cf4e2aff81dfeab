//! Translates errors of the HTTP client into errors of this layer.
//! Knows the error types of the libraries, which it finds along the chain of sources. Must not pass on their texts, which
//! quote URLs, certificates and the peer's bytes.

use std::error::Error as StdError;
use std::io;
use std::iter::successors;

use rustls::CertificateError;

use crate::oauth::egress::AddressRefused;
use crate::oauth::error::{Error, NetworkFault, ProxyFault, TlsFault};

/// Classifies a failed request to this host, which was sent through this proxy if one is given.
pub(super) fn classify(error: &reqwest::Error, host: &str, proxy: Option<&str>) -> Error {
    if let Some(AddressRefused(refusal)) = find(error) {
        return Error::address_not_allowed(host, format!("its name resolves to {refusal}"));
    }
    if let Some((proxy, fault)) = proxy.and_then(|proxy| Some((proxy, of_proxy(error)?))) {
        return Error::proxy(host, proxy, fault);
    }
    match find(error) {
        Some(fault) => Error::tls(host, tls(fault)),
        None => Error::unreachable(host, network(error)),
    }
}

/// The proxy's fault; None if TLS with the provider had begun when the request failed.
///
/// hyper-util does not export the type of these errors, so they are recognised by their texts, which are constant. The tests
/// provoke each.
fn of_proxy(error: &reqwest::Error) -> Option<ProxyFault> {
    if error.is_dns() {
        return Some(ProxyFault::NameResolution);
    }
    let texts = causes(error).map(ToString::to_string);
    let fault = texts.into_iter().find_map(|text| text.strip_prefix("tunnel error: ").map(str::to_owned));
    match fault.as_deref() {
        Some("proxy authorization required") => Some(ProxyFault::Authentication),
        Some("unsuccessful" | "proxy response headers too long") => Some(ProxyFault::Refused),
        Some("failed to create underlying connection") => Some(match (find(error), network(error)) {
            (Some(fault), _) => ProxyFault::Tls(tls(fault)),
            (None, NetworkFault::Connection(kind)) => ProxyFault::Unreachable(kind),
            (None, _) => ProxyFault::Interrupted,
        }),
        Some(_) => Some(ProxyFault::Interrupted),
        None if error.is_timeout() && error.is_connect() => Some(ProxyFault::Timeout),
        None if error.is_connect() && find::<rustls::Error>(error).is_none() => Some(ProxyFault::Interrupted),
        None => None,
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
pub(super) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The error and its causes. Includes what an `io::Error` wraps, which `io::Error::source` skips.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    successors(Some(error), |&error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    })
}
