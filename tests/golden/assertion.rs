//! Signed assertions in requests: their keys and content. Knows RFC 7515's compact form and how a signature is verified;
//! must not know which program has signed.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::example::CLIENT_SECRET;

struct Key {
    pem: String,
    public: Vec<u8>,
}

/// A key that is made once for each run, so that the repository contains no private key.
fn key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        Key { pem, public: pair.public_key().as_ref().to_vec() }
    })
}

/// An RSA key as PEM.
pub(crate) fn private_key() -> &'static str {
    &key().pem
}

fn ec(curve: &'static EcdsaSigningAlgorithm) -> Key {
    let pair = EcdsaKeyPair::generate(curve).unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(pair.to_pkcs8v1().unwrap().as_ref())
    );
    Key { pem, public: pair.public_key().as_ref().to_vec() }
}

/// An EC key on the curve P-521 that is made once for each run.
fn ec_key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| ec(&ECDSA_P521_SHA512_FIXED_SIGNING))
}

fn p256_key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| ec(&ECDSA_P256_SHA256_FIXED_SIGNING))
}

/// An EC key on the curve P-256 as PEM.
pub(crate) fn p256_private_key() -> &'static str {
    &p256_key().pem
}

/// An EC key on the curve P-521 as PEM.
pub(crate) fn ec_private_key() -> &'static str {
    &ec_key().pem
}

/// Header and claims of an assertion, which must be signed with [`private_key`], [`p256_private_key`], [`ec_private_key`] or
/// the client secret.
pub(crate) fn readable(assertion: &str) -> String {
    let parts: Vec<&str> = assertion.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{} parts", parts.len()) };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let json = |part: &str| serde_json::from_slice::<Value>(&decode(part)).unwrap();
    let (message, signature) = (format!("{header}.{claims}"), decode(signature));
    let (header, claims) = (json(header), json(claims));
    verify(header["alg"].as_str().unwrap(), message.as_bytes(), &signature);
    format!("ASSERTION, header and claims:\n{header:#}\n{claims:#}\n")
}

fn verify(algorithm: &str, message: &[u8], signature: &[u8]) {
    let (verifier, key): (&'static dyn VerificationAlgorithm, _) = match algorithm {
        "HS256" => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
            return hmac::verify(&key, message, signature).unwrap();
        }
        "RS256" => (&signature::RSA_PKCS1_2048_8192_SHA256, key()),
        "PS256" => (&signature::RSA_PSS_2048_8192_SHA256, key()),
        "ES256" => (&signature::ECDSA_P256_SHA256_FIXED, p256_key()),
        "ES512" => (&signature::ECDSA_P521_SHA512_FIXED, ec_key()),
        other => panic!("no manifest names the algorithm {other}"),
    };
    UnparsedPublicKey::new(verifier, &key.public).verify(message, signature).unwrap();
}
