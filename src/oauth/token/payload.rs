//! The claims of an access token that is a JWT: `exp`, `cnf`, and the claims that people may see.
//! Nothing is verified, because tokens are opaque to clients (RFC 9068 §6): a claim may only shorten a lifetime, fill a gap or
//! give a hint. Must not know what follows from a claim.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

/// Base64url with optional padding: RFC 7515 forbids padding, but some issuers pad.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The claims of an unverified JWS payload that matter to a client.
#[derive(Clone, Copy)]
pub(in crate::oauth) struct JwtPayload {
    /// `exp`, unchanged: in seconds (RFC 7519 §4.1.4), or in milliseconds from some issuers.
    pub(in crate::oauth) exp: Option<f64>,
    /// Whether there is a `cnf` claim (RFC 7800): the token is bound to a key.
    pub(in crate::oauth) bound: bool,
}

/// Registered claims about parties, times and scope (RFC 7519 §4.1, RFC 9068 §2.2), and `azp` of OpenID Connect. None of
/// them is secret. Other claims may hold anything, such as personal data.
const SHOWN: [&str; 8] = ["iss", "aud", "sub", "exp", "iat", "scope", "azp", "client_id"];

/// The claims that may be shown; None if the token is not a three-part JWS with a JSON object.
pub(in crate::oauth) fn shown(access_token: &str) -> Option<Vec<(&'static str, Value)>> {
    let mut claims = claims(access_token)?;
    Some(SHOWN.into_iter().filter_map(|name| Some((name, claims.remove(name)?))).collect())
}

/// All claims; None if the token is not a three-part JWS with a JSON object (a JWE has five parts).
fn claims(access_token: &str) -> Option<Map<String, Value>> {
    let mut parts = access_token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&BASE64URL.decode(payload).ok()?).ok()
}

impl JwtPayload {
    /// None if the token is not a three-part JWS with a JSON object.
    pub(in crate::oauth) fn of(access_token: &str) -> Option<Self> {
        let claims = claims(access_token)?;
        Some(Self {
            exp: claims.get("exp").and_then(Value::as_f64),
            bound: claims.get("cnf").is_some_and(|cnf| !cnf.is_null()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jws(claims: &str) -> String {
        format!("eyJhbGciOiJub25lIn0.{}.c2ln", BASE64URL.encode(claims))
    }

    #[test]
    fn only_a_three_part_jws_has_a_payload() {
        let good = jws(r#"{"exp":1767229200}"#);
        assert_eq!(JwtPayload::of(&good).and_then(|p| p.exp), Some(1_767_229_200.0));
        for token in
            ["", "opaque", "a.b", "aaa.bbb.ccc", "..", &format!("{good}.d.e"), &jws("[1]"), &jws("{")]
        {
            assert!(JwtPayload::of(token).is_none(), "{token}");
        }
    }

    #[test]
    fn padding_is_accepted_and_an_exp_of_another_type_is_ignored() {
        let unpadded = jws(r#"{"exp":"soon","cnf":{"jkt":"x"}}"#).replace('=', "");
        let payload = JwtPayload::of(&unpadded).unwrap();
        assert!(payload.exp.is_none() && payload.bound);
        assert!(!JwtPayload::of(&jws(r#"{"cnf":null}"#)).unwrap().bound);
    }

    #[test]
    fn only_standard_claims_are_shown_in_a_fixed_order() {
        let token = jws(r#"{"email":"a@b","exp":2,"aud":["x","y"],"jti":"z","iss":"i"}"#);
        let shown = shown(&token).unwrap();
        assert_eq!(shown.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["iss", "aud", "exp"]);
        assert!(super::shown("opaque").is_none());
    }
}
