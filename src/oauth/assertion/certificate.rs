//! The headers of an assertion that name the certificate of its key (RFC 7515 §4.1.6 to §4.1.8).
//! Knows certificates in PEM. Must not know whether a certificate belongs to the key: the provider checks that.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use super::encode;
use crate::oauth::error::Error;

/// The most certificates in `x5c`: chains have two to four.
const MOST_CERTIFICATES: usize = 10;
/// The longest `x5c`, in bytes of base64.
const LONGEST_CHAIN: usize = 32 * 1024;

/// The headers that contain the certificate or its hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CertificateHeaders {
    /// `x5t`: SHA-1 over the certificate.
    pub x5t: bool,
    /// `x5t#S256`: SHA-256 over the certificate.
    pub x5t_s256: bool,
    /// `x5c`: the certificate and its chain.
    pub x5c: bool,
}

impl CertificateHeaders {
    /// Whether any of these headers is sent.
    pub fn any(self) -> bool {
        self.x5t || self.x5t_s256 || self.x5c
    }

    /// The headers. The first certificate is the client's own; its chain follows. Other sections of the PEM, a private key for
    /// example, are left out.
    pub(super) fn members(self, pem: &str) -> Result<Vec<(String, Value)>, Error> {
        let unreadable =
            || Error::credential("the certificate is not readable as PEM (`-----BEGIN CERTIFICATE-----`)");
        let own = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| unreadable())?;
        let mut members = Vec::new();
        if self.x5t {
            let thumbprint = encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &own));
            members.push(("x5t".to_owned(), thumbprint.into()));
        }
        if self.x5t_s256 {
            members.push(("x5t#S256".to_owned(), encode(digest(&SHA256, &own)).into()));
        }
        if self.x5c {
            let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
            // RFC 7515 §4.1.6: base64, not base64url.
            let chain = certificates
                .take(MOST_CERTIFICATES + 1)
                .map(|certificate| Ok(STANDARD.encode(certificate.map_err(|_| unreadable())?)))
                .collect::<Result<Vec<_>, Error>>()?;
            if chain.len() > MOST_CERTIFICATES || chain.iter().map(String::len).sum::<usize>() > LONGEST_CHAIN
            {
                return Err(Error::credential(
                    "the certificate's chain has more than 10 certificates or 32 KiB, too much for `x5c`: leave out the \
                     certificates that the provider knows",
                ));
            }
            members.push(("x5c".to_owned(), chain.into()));
        }
        Ok(members)
    }
}
