//! The signatures of RFC 7518 §3 and RFC 8037 §3.1. Private keys are in PEM: PKCS#8, PKCS#1 and SEC1 (RFC 7468, RFC 5958,
//! RFC 8017, RFC 5915). Must not know what is signed.
//! Errors of the library are not passed on: each fault has a sentence of this program, without a byte of the key.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::api::JsonWebAlgorithm;
use crate::oauth::error::Error;
use crate::oauth::secret::Secret;

enum Method {
    Hmac(hmac::Algorithm),
    Rsa(&'static dyn RsaEncoding),
    Ecdsa(&'static EcdsaSigningAlgorithm),
    Ed25519,
}

fn method(algorithm: JsonWebAlgorithm) -> Method {
    match algorithm {
        JsonWebAlgorithm::HS256 => Method::Hmac(hmac::HMAC_SHA256),
        JsonWebAlgorithm::HS384 => Method::Hmac(hmac::HMAC_SHA384),
        JsonWebAlgorithm::HS512 => Method::Hmac(hmac::HMAC_SHA512),
        JsonWebAlgorithm::RS256 => Method::Rsa(&RSA_PKCS1_SHA256),
        JsonWebAlgorithm::RS384 => Method::Rsa(&RSA_PKCS1_SHA384),
        JsonWebAlgorithm::RS512 => Method::Rsa(&RSA_PKCS1_SHA512),
        JsonWebAlgorithm::PS256 => Method::Rsa(&RSA_PSS_SHA256),
        JsonWebAlgorithm::PS384 => Method::Rsa(&RSA_PSS_SHA384),
        JsonWebAlgorithm::PS512 => Method::Rsa(&RSA_PSS_SHA512),
        JsonWebAlgorithm::ES256 => Method::Ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
        JsonWebAlgorithm::ES384 => Method::Ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
        JsonWebAlgorithm::ES512 => Method::Ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING),
        JsonWebAlgorithm::EdDSA => Method::Ed25519,
    }
}

/// The keys that fit an algorithm, in words.
fn wanted_key(algorithm: JsonWebAlgorithm) -> &'static str {
    match method(algorithm) {
        Method::Hmac(_) => "a shared secret",
        Method::Rsa(_) => "an RSA key of 2048 to 4096 bits",
        Method::Ecdsa(_) if algorithm == JsonWebAlgorithm::ES256 => "an EC key on the curve P-256",
        Method::Ecdsa(_) if algorithm == JsonWebAlgorithm::ES512 => "an EC key on the curve P-521",
        Method::Ecdsa(_) => "an EC key on the curve P-384",
        Method::Ed25519 => "an Ed25519 key",
    }
}

/// The signature in the form of RFC 7518: for ECDSA, both numbers concatenated.
pub(super) fn sign(algorithm: JsonWebAlgorithm, key: &Secret, message: &[u8]) -> Result<Vec<u8>, Error> {
    let method = match method(algorithm) {
        Method::Hmac(hash) => {
            let key = hmac::Key::new(hash, key.expose().as_bytes());
            return Ok(hmac::sign(&key, message).as_ref().to_vec());
        }
        method => method,
    };
    let der = read(key)?;
    by_key_pair(&method, &der, message).ok_or_else(|| {
        Error::credential(format!(
            "the private key cannot sign {algorithm:?}, which needs {}: store the right key, or set `algorithm` to what the \
             key is for",
            wanted_key(algorithm)
        ))
    })
}

/// Parses the PEM of a key.
fn read(key: &Secret) -> Result<Zeroizing<PrivateKeyDer<'static>>, Error> {
    let text = key.expose();
    let fault = match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(der) => return Ok(Zeroizing::new(der)),
        Err(_) if text.contains("ENCRYPTED") => {
            "is encrypted, which is not supported: decrypt it with `openssl pkcs8 -topk8 -nocrypt`"
        }
        Err(_) if text.contains("\\n") => {
            "has `\\n` as two characters in place of line ends: store it with real line ends"
        }
        Err(_) => {
            "is not readable as PEM (`-----BEGIN PRIVATE KEY-----`, `RSA PRIVATE KEY` or `EC PRIVATE KEY`): convert it \
             with `openssl pkcs8 -topk8 -nocrypt`"
        }
    };
    Err(Error::credential(format!("the private key {fault}")))
}

/// The longest private key that is used, in bytes of DER: an RSA key of 4096 bits has 2.4 KB. The time for a signature grows
/// with the cube of the key's length, and signatures are made on the thread that serves every tenant.
pub(in crate::oauth) const LONGEST_KEY: usize = 3 * 1024;

/// The signature; None if the key has another kind, curve or size, or is damaged.
fn by_key_pair(method: &Method, der: &PrivateKeyDer<'_>, message: &[u8]) -> Option<Vec<u8>> {
    if der.secret_der().len() > LONGEST_KEY {
        return None;
    }
    let random = SystemRandom::new();
    match (method, der) {
        (Method::Rsa(encoding), PrivateKeyDer::Pkcs8(_) | PrivateKeyDer::Pkcs1(_)) => {
            let pair = match der {
                PrivateKeyDer::Pkcs1(pkcs1) => RsaKeyPair::from_der(pkcs1.secret_pkcs1_der()),
                _ => RsaKeyPair::from_pkcs8(der.secret_der()),
            };
            let pair = pair.ok()?;
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(*encoding, &random, message, &mut signature).ok()?;
            Some(signature)
        }
        (Method::Ecdsa(curve), PrivateKeyDer::Pkcs8(_) | PrivateKeyDer::Sec1(_)) => {
            let pair = EcdsaKeyPair::from_private_key_der(curve, der.secret_der()).ok()?;
            Some(pair.sign(&random, message).ok()?.as_ref().to_vec())
        }
        (Method::Ed25519, PrivateKeyDer::Pkcs8(pkcs8)) => {
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8.secret_pkcs8_der()).ok()?;
            Some(pair.try_sign(message).ok()?.as_ref().to_vec())
        }
        _ => None,
    }
}
