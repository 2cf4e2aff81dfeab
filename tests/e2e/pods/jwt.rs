//! Verifies that an access token is from this issuer, for this audience, and not expired (RFC 7519, RFC 9068). Knows tokens
//! and keys; must not know the client. Allows no clock skew: refuses a token that expired a second ago.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// Verifies a token. An error says why it is refused, and quotes at most one member of it.
pub(crate) fn verify(
    token: &str,
    keys: &Value,
    issuer: &str,
    audience: &str,
    now: i64,
) -> Result<(), String> {
    let (signed, signature) = token.rsplit_once('.').ok_or("not a JWT")?;
    let (header, claims) = signed.split_once('.').ok_or("not a JWT")?;
    let (header, claims) = (json(header)?, json(claims)?);
    if header["alg"] != "RS256" {
        return Err(format!("alg is {}", header["alg"]));
    }
    let mut keys = keys["keys"].as_array().into_iter().flatten();
    let key = keys.find(|key| key["kid"] == header["kid"] && key["kty"] == "RSA").ok_or("an unknown key")?;
    let (modulus, exponent) = (bytes(text(key, "n")?)?, bytes(text(key, "e")?)?);
    RsaPublicKeyComponents { n: &modulus, e: &exponent }
        .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &bytes(signature)?)
        .map_err(|_| "the signature is wrong")?;
    if claims["iss"] != issuer {
        return Err(format!("iss is {}", claims["iss"]));
    }
    let audiences =
        claims["aud"].as_array().map_or_else(|| vec![&claims["aud"]], |many| many.iter().collect());
    if !audiences.iter().any(|one| **one == audience) {
        return Err(format!("aud is {}", claims["aud"]));
    }
    let expires = claims["exp"].as_i64().ok_or("no exp")?;
    if expires <= now {
        return Err(format!("expired {} s ago", now - expires));
    }
    Ok(())
}

fn text<'a>(object: &'a Value, name: &str) -> Result<&'a str, String> {
    object[name].as_str().ok_or_else(|| format!("the key has no {name}"))
}

fn json(part: &str) -> Result<Value, String> {
    serde_json::from_slice(&bytes(part)?).map_err(|_| "not JSON".to_owned())
}

fn bytes(part: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| "not base64url".to_owned())
}
