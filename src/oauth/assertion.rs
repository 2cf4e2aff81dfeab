//! Signed assertions: JSON Web Tokens (RFC 7519) with which a client authenticates or requests a token (RFC 7523).
//! Knows claims and how they are signed. Must not know where keys are stored or which parameter carries the assertion.
//! Instant and nonce are arguments, so that equal inputs give equal assertions.
//! No type here that holds a key has Debug, and no error quotes a key.

mod signature;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::error::Error;
use super::secret::Secret;
use crate::api::JsonWebAlgorithm;
use crate::panics::contain;
pub(super) use signature::LONGEST_KEY;

/// How far `iat` is set back, in seconds: servers whose clocks are slow refuse an `iat` in the future.
const DATED_BACK: i64 = 10;

/// Claims that other fields set (RFC 7523 §3), which additional claims must not contain.
const RESERVED: [&str; 6] = ["iss", "sub", "aud", "exp", "iat", "jti"];

/// The inputs of a signature that differ from request to request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningContext {
    /// The present instant.
    pub now: DateTime<Utc>,
    /// A unique text: servers refuse an assertion whose `jti` they have seen before (RFC 7519 §4.1.7).
    pub nonce: String,
}

/// One assertion to sign.
#[derive(Clone)]
pub struct Assertion {
    /// The signature algorithm.
    pub algorithm: JsonWebAlgorithm,
    /// The private key as PEM; for HMAC algorithms the client secret.
    pub key: Secret,
    /// The `kid` header.
    pub key_id: Option<String>,
    /// The certificate whose thumbprint is the `x5t#S256` header (RFC 7515 §4.1.8), as PEM.
    pub certificate: Option<String>,
    /// The `iss` claim.
    pub issuer: String,
    /// The `sub` claim. None leaves it out, for servers that refuse it.
    pub subject: Option<String>,
    /// The `aud` claim.
    pub audience: String,
    /// From `iat` to `exp`; [`Assertion::LEAST_LIFETIME`] at least.
    pub lifetime: Duration,
    /// The `scope` claim, if the scope is sent as a claim.
    pub scope: Option<String>,
    /// Additional claims.
    pub claims: Map<String, Value>,
}

impl Assertion {
    /// The default lifetime.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
    /// The minimum lifetime: a shorter one could be over on arrival, because `iat` is set back.
    pub const LEAST_LIFETIME: Duration = Duration::from_secs(30);

    /// The assertion as text (RFC 7515 §7.1), with this `jti`.
    ///
    /// [`Error::Spec`] for a claim that another field sets, [`Error::Credential`] for a key that cannot be used.
    pub(super) fn sign(&self, now: DateTime<Utc>, jti: &str) -> Result<Secret, Error> {
        // Libraries parse keys and certificates.
        contain(|| self.signed(now, jti))
            .unwrap_or_else(|_| Err(Error::credential("the private key or the certificate cannot be used")))
    }

    fn signed(&self, now: DateTime<Utc>, jti: &str) -> Result<Secret, Error> {
        let mut header = json!({"alg": self.algorithm, "typ": "JWT"});
        if let Some(header) = header.as_object_mut() {
            header.extend(self.key_id.as_deref().map(|id| ("kid".to_owned(), id.into())));
            let thumbprint = self.certificate.as_deref().map(thumbprint).transpose()?;
            header.extend(thumbprint.map(|text| ("x5t#S256".to_owned(), text.into())));
        }
        let claims = Value::Object(self.claims(now, jti)?);
        let mut text = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = signature::sign(self.algorithm, &self.key, text.as_bytes())?;
        text.push('.');
        text.push_str(&encode(signature));
        Ok(Secret::new(text))
    }

    fn claims(&self, now: DateTime<Utc>, jti: &str) -> Result<Map<String, Value>, Error> {
        let mut claims = self.claims.clone();
        let taken = |name: &&&str| claims.contains_key(**name);
        let scope = self.scope.as_ref().map(|_| &"scope");
        if let Some(name) = RESERVED.iter().chain(scope).find(taken) {
            return Err(Error::spec(format!(
                "`claims` must not hold {name}: another field of the spec sets it"
            )));
        }
        let issued = now.timestamp().saturating_sub(DATED_BACK);
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let own: [(&str, Value); 5] = [
            ("iss", self.issuer.as_str().into()),
            ("aud", self.audience.as_str().into()),
            ("iat", issued.into()),
            ("exp", issued.saturating_add(lifetime).into()),
            ("jti", jti.into()),
        ];
        let scope = self.scope.as_deref().map(|scope| ("scope", scope.into()));
        let subject = self.subject.as_deref().map(|subject| ("sub", subject.into()));
        claims.extend(
            own.into_iter().chain(subject).chain(scope).map(|(name, value)| (name.to_owned(), value)),
        );
        Ok(claims)
    }
}

/// SHA-256 over the DER of the first certificate, which is the client's own; its chain follows.
fn thumbprint(pem: &str) -> Result<String, Error> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        Error::credential("the certificate is not readable as PEM (`-----BEGIN CERTIFICATE-----`)")
    })?;
    Ok(encode(Sha256::digest(certificate)))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
pub(super) mod tests;
