//! Whom a connection's other end must be vouched for by: the system's authorities, or those of a bundle.
//!
//! Knows how they are read, and that the system's are in memory once, however many clients there are: they take 150 KiB,
//! and there is a client for each namespace. Must not know who connects where.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use reqwest::Certificate;
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls_platform_verifier::Verifier;

use crate::oauth::Error;

/// Those that new clients get, and since when.
static SYSTEM: Mutex<Option<(Instant, Weak<Verifier>)>> = Mutex::new(None);

/// After this they are read anew for new clients: whoever changes them need not restart anything.
const FRESH: Duration = Duration::from_secs(600);

/// A TLS client that trusts the system's authorities, with sessions of its own: nothing else is shared. TLS 1.2 and 1.3,
/// and HTTP/1.1, as reqwest has it where it makes the client itself.
pub(super) fn of_the_system() -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider()?)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|_| Error::spec("the controller was built without TLS 1.2 and 1.3"))?
        // It is no plain list of authorities, and checks as strictly as one.
        .dangerous()
        .with_custom_certificate_verifier(system()?);
    let mut client = builder.with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(client)
}

/// The system's authorities.
pub(super) fn system() -> Result<Arc<Verifier>, Error> {
    let mut kept = SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = kept.as_ref().filter(|(since, _)| since.elapsed() < FRESH);
    if let Some(verifier) = fresh.and_then(|(_, verifier)| verifier.upgrade()) {
        return Ok(verifier);
    }
    let none = |_| Error::spec("the controller's system trusts no certificate authority; set `tls.caBundle`");
    let verifier = Arc::new(Verifier::new(provider()?).map_err(none)?);
    *kept = Some((Instant::now(), Arc::downgrade(&verifier)));
    Ok(verifier)
}

fn provider() -> Result<Arc<CryptoProvider>, Error> {
    let missing = || Error::spec("the controller was started without cryptography");
    CryptoProvider::get_default().cloned().ok_or_else(missing)
}

/// Those of a PEM bundle.
pub(super) fn of_bundle(pem: &str) -> Result<Vec<Certificate>, Error> {
    match Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(Error::spec("`tls.caBundle` holds no PEM certificate")),
        Err(_) => Err(Error::spec("`tls.caBundle` is not readable as PEM")),
    }
}
