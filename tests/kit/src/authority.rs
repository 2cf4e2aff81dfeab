//! A certificate authority for one test. Signs server and client certificates, and returns its own as PEM for trust bundles.
//!
//! Knows X.509 and rustls. Must not know the servers: certificates with deliberate faults (expired, another name) are made
//! here and used elsewhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

/// A certificate authority that no program trusts by default.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its private key, both as PEM, and the authority that issued it.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key, PKCS#8.
    pub key_pem: String,
    /// The issuer's own certificate.
    pub authority_pem: String,
}

impl Authority {
    /// A new authority with a key of its own. A client that trusts it does not trust another authority with the same name.
    pub fn new(common_name: &str) -> Self {
        install_crypto();
        let key = KeyPair::generate().expect("generating the key of a test authority");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).expect("signing the certificate of a test authority").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// The authority's certificate, as in a `caBundle`.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server certificate for these DNS names and IP addresses.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.sign(&server_params(names))
    }

    /// A server certificate whose validity ended years ago.
    pub fn issue_expired(&self, names: &[&str]) -> Identity {
        let mut params = server_params(names);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 12, 31);
        self.sign(&params)
    }

    /// A client certificate, for providers that authenticate clients by TLS.
    pub fn issue_client(&self, common_name: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    /// A certificate with an RSA key of 2048 bits, for providers that verify signatures of the client (`private_key_jwt`,
    /// RS256).
    pub fn issue_signer(&self, common_name: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key =
            KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("generating an RSA key");
        self.certify(&params, &key)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        self.certify(params, &KeyPair::generate().expect("generating a key"))
    }

    fn certify(&self, params: &CertificateParams, key: &KeyPair) -> Identity {
        let certificate = params.signed_by(key, &self.issuer).expect("signing a certificate");
        Identity {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            authority_pem: self.pem.clone(),
        }
    }
}

fn server_params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params =
        CertificateParams::new(names).expect("a certificate's names must be DNS names or addresses");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

impl Identity {
    /// Writes `<name>.crt` and `<name>.key` into a directory and returns the two paths.
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) =
            (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")));
        for (path, pem) in [(&certificate, &self.certificate_pem), (&key, &self.key_pem)] {
            std::fs::write(path, pem).unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
        }
        (certificate, key)
    }

    /// A TLS server's settings with this certificate. A client certificate of the same authority is accepted but not
    /// required, so that one server serves providers with and without mutual TLS.
    pub fn server_config(&self) -> Arc<rustls::ServerConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(roots(&self.authority_pem), provider.clone())
                .allow_unauthenticated()
                .build()
                .expect("a verifier of client certificates");
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("rustls supports its own default versions")
            .with_client_cert_verifier(clients)
            .with_single_cert(self.chain(), self.key())
            .expect("a freshly issued certificate fits its key");
        Arc::new(config)
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(self.certificate_pem.as_bytes()).expect("our own PEM")]
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).expect("our own PEM")
    }
}

fn roots(authority_pem: &str) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(authority_pem.as_bytes()).expect("an authority's PEM");
    roots.add(authority).expect("an authority");
    Arc::new(roots)
}

/// A TLS client's settings that trust one authority and nothing else.
pub(crate) fn client_config(authority_pem: &str) -> Arc<rustls::ClientConfig> {
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("rustls supports its own default versions")
        .with_root_certificates(roots(authority_pem))
        .with_no_client_auth();
    Arc::new(config)
}

/// Installs aws-lc-rs as the TLS provider of the process, as the product does. [`Authority::new`] and [`https_client`] call
/// it. A repeated call has no effect.
pub fn install_crypto() {
    let _ = aws_lc_rs::default_provider().install_default();
}

/// An HTTPS client that trusts one authority and nothing else, follows no redirect and uses no proxy.
pub fn https_client(authority_pem: &str) -> reqwest::Client {
    install_crypto();
    let root = reqwest::Certificate::from_pem(authority_pem.as_bytes()).expect("an authority's PEM");
    reqwest::Client::builder()
        .tls_certs_only([root])
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(std::time::Duration::from_secs(30))
        .build()
        .expect("an HTTPS client")
}
