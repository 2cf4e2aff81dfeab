//! The TLS configuration of a client: which certificate authorities it trusts, and which certificate it presents.
//!
//! Keeps one copy of the system's authorities and of each bundle in memory for all clients: the system's take 150 KiB, and
//! there is a client for each namespace and host. Must not know requests.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use sha2::{Digest as _, Sha256};

use super::ClientCertificate;
use crate::oauth::Error;
use crate::oauth::assertion::LONGEST_KEY;
use crate::oauth::proxy::OutboundProxy;

/// The system's authorities, and when they were read.
static SYSTEM: Mutex<Option<(Instant, Weak<Verifier>)>> = Mutex::new(None);

/// The bundles in use, by digest. Tenants with the same bundle share nothing but the parsed certificates.
static BUNDLES: LazyLock<Mutex<HashMap<[u8; 32], Weak<WebPkiServerVerifier>>>> =
    LazyLock::new(Mutex::default);

/// After this, new clients read the system's authorities again, so that changing them needs no restart.
const FRESH: Duration = Duration::from_secs(600);

/// How many TLS sessions a client keeps for resumption. Each holds the server's certificates, and a client has one host.
const SESSIONS: usize = 4;

/// A TLS configuration with sessions of its own; only the authorities are shared. TLS 1.2 and 1.3, and HTTP/1.1 as in
/// reqwest's own configuration. A bundle replaces the system's authorities, but not for the proxy's own certificate.
pub(super) fn client(
    ca_bundle: Option<&str>,
    identity: Option<&ClientCertificate>,
    proxy: Option<&OutboundProxy>,
) -> Result<ClientConfig, Error> {
    let verifier: Arc<dyn ServerCertVerifier> = match ca_bundle {
        None => system()?,
        Some(pem) => match proxy.and_then(OutboundProxy::tls_name) {
            None => of_bundle(pem)?,
            Some(proxy) => Arc::new(WithProxy { proxy, system: system()?, others: of_bundle(pem)? }),
        },
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|_| Error::spec("the controller was built without TLS 1.2 and 1.3"))?
        // These verifiers check as much as a plain list of authorities would.
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut client = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = read(identity)?;
            builder.with_client_auth_cert(chain, key).map_err(|_| {
                Error::credential(
                    "`tls.crt` and `tls.key` of the client certificate's Secret do not belong together, or TLS does not \
                     support their kind",
                )
            })?
        }
    };
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    client.resumption = Resumption::in_memory_sessions(SESSIONS);
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
    let verifier = Arc::new(Verifier::new(provider()).map_err(none)?);
    *kept = Some((Instant::now(), Arc::downgrade(&verifier)));
    Ok(verifier)
}

/// The authorities of a PEM bundle.
pub(super) fn of_bundle(pem: &str) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let digest = Sha256::digest(pem).into();
    let mut kept = BUNDLES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(verifier) = kept.get(&digest).and_then(Weak::upgrade) {
        return Ok(verifier);
    }
    let mut roots = RootCertStore::empty();
    let unusable = "`tls.caBundle` holds a certificate that cannot be used";
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| Error::spec("`tls.caBundle` is not readable as PEM"))?;
        roots.add(certificate).map_err(|_| Error::spec(unusable))?;
    }
    if roots.is_empty() {
        return Err(Error::spec("`tls.caBundle` holds no PEM certificate"));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
    let verifier = verifier.build().map_err(|_| Error::spec(unusable))?;
    kept.retain(|_, verifier| verifier.strong_count() > 0);
    kept.insert(digest, Arc::downgrade(&verifier));
    Ok(verifier)
}

/// Verifies the certificate of the operator's proxy with the system's authorities, and all others with a bundle. The client
/// library has one configuration for both. An endpoint with the host of the proxy is refused before this decides.
#[derive(Debug)]
struct WithProxy {
    proxy: ServerName<'static>,
    system: Arc<Verifier>,
    others: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for WithProxy {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verifier: &dyn ServerCertVerifier =
            if *server_name == self.proxy { &*self.system } else { &*self.others };
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.others.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.others.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.others.supported_verify_schemes()
    }
}

fn read(client: &ClientCertificate) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let unreadable = || {
        Error::credential("`tls.crt` or `tls.key` of the client certificate's Secret is not readable as PEM")
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(client.certificate.as_bytes()).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(unreadable)?;
    let key = PrivateKeyDer::from_pem_slice(client.key.expose().as_bytes()).map_err(|_| unreadable())?;
    if key.secret_der().len() > LONGEST_KEY {
        return Err(Error::credential(
            "`tls.key` of the client certificate's Secret is too large: RSA keys have at most 4096 bits",
        ));
    }
    Ok((chain, key))
}

/// The provider that the process has installed, or else the one that is linked.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()))
}
