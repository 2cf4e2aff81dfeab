//! Whom a connection's other end must be vouched for by: the system's authorities, or those of a bundle.
//!
//! Knows how they are read, and that the system's are in memory once, however many clients there are: they take 150 KiB,
//! and there is a client for each namespace. Must not know who connects where.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use reqwest::Certificate;
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls_platform_verifier::Verifier;

use crate::oauth::Error;

/// Those in use. Where nobody uses them any more they are read anew next time.
static SYSTEM: Mutex<Weak<Verifier>> = Mutex::new(Weak::new());

/// A TLS client that trusts the system's authorities, with sessions of its own: nothing else is shared. TLS 1.2 and 1.3,
/// and HTTP/1.1, as reqwest has it where it makes the client itself.
pub(super) fn of_the_system() -> Result<ClientConfig, Error> {
    // By way of `dangerous`, since it is no plain list of authorities; it checks as strictly as one.
    let builder = ClientConfig::builder().dangerous().with_custom_certificate_verifier(system()?);
    let mut client = builder.with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(client)
}

/// The system's authorities.
pub(super) fn system() -> Result<Arc<Verifier>, Error> {
    let mut kept = SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(verifier) = kept.upgrade() {
        return Ok(verifier);
    }
    let none = || Error::spec("the controller's system trusts no certificate authority; set `tls.caBundle`");
    let provider = CryptoProvider::get_default().ok_or_else(none)?;
    let verifier = Arc::new(Verifier::new(Arc::clone(provider)).map_err(|_| none())?);
    *kept = Arc::downgrade(&verifier);
    Ok(verifier)
}

/// Those of a PEM bundle.
pub(super) fn of_bundle(pem: &str) -> Result<Vec<Certificate>, Error> {
    match Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(Error::spec("`tls.caBundle` holds no PEM certificate")),
        Err(_) => Err(Error::spec("`tls.caBundle` is not readable as PEM")),
    }
}
