//! Signed assertions: JSON Web Tokens (RFC 7519) with which a client authenticates or requests a token (RFC 7523).
//! Knows claims and how they are signed. Must not know where keys are stored or which parameter carries the assertion.
//! Instant and nonce are arguments, so that equal inputs give equal claims. Signatures with ECDSA and RSA-PSS are random.
//! No type here that holds a key has Debug, and no error quotes a key.

mod certificate;
mod signature;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::error::Error;
use super::secret::Secret;
use super::token::Token;
use crate::api::JsonWebAlgorithm;
use crate::panics::contain;
pub use certificate::CertificateHeaders;
pub(super) use signature::LONGEST_KEY;

/// The longest token, in bytes: as long as one that a provider issues may be.
const LONGEST_TOKEN: usize = 65_536;

/// Claims that [`Assertion::sign`] sets (RFC 7523 §3), which additional claims must not contain.
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
    /// The certificate that belongs to the key, with its chain, as PEM; and the headers that contain it.
    pub certificate: Option<(String, CertificateHeaders)>,
    /// Additional members of the header. Members that other fields set take precedence over them. A `typ` here replaces the
    /// default `JWT`.
    pub headers: BTreeMap<String, String>,
    /// The `iss` claim.
    pub issuer: String,
    /// The `sub` claim. None leaves it out, for servers that refuse it.
    pub subject: Option<String>,
    /// The `aud` claim. None leaves it out, for servers that know no audience.
    pub audience: Option<String>,
    /// From `iat` to `exp`; [`Assertion::least_lifetime`] at least.
    pub lifetime: Duration,
    /// How far `iat` is set back: servers whose clocks are slow refuse an `iat` in the future.
    pub backdate: Duration,
    /// Whether there is an `nbf` claim, equal to `iat`.
    pub not_before: bool,
    /// The `scope` claim, if the scope is sent as a claim.
    pub scope: Option<String>,
    /// Additional claims.
    pub claims: Map<String, Value>,
}

impl Assertion {
    /// The default lifetime.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
    /// The default of `backdate`.
    pub const DEFAULT_BACKDATE: Duration = Duration::from_secs(10);

    /// The minimum lifetime of an assertion that is dated back by this: a shorter one could be over on arrival.
    pub fn least_lifetime(backdate: Duration) -> Duration {
        backdate.saturating_add(Duration::from_secs(20)).max(Duration::from_secs(30))
    }

    /// The advice for a member that must not be among `headers`; None if the member is allowed.
    pub fn refused_header(name: &str) -> Option<&'static str> {
        Some(match name {
            "alg" => "use the field algorithm instead, next to headers",
            "kid" => "use the field keyId instead, next to headers",
            "x5t" => "use x5t: true instead, next to headers",
            "x5t#S256" => "use x5tS256: true instead, next to headers",
            "x5c" => "use x5c: true instead, next to headers",
            "crit" | "b64" => {
                "it changes how the signature is read (RFC 7515, RFC 7797), which is not supported: remove it"
            }
            _ => return None,
        })
    }

    /// The assertion as text (RFC 7515 §7.1), with this `jti`.
    ///
    /// [`Error::Spec`] for an additional claim that is set here, [`Error::Credential`] for a key or certificate that cannot
    /// be used.
    pub(super) fn sign(&self, now: DateTime<Utc>, jti: &str) -> Result<Secret, Error> {
        // Libraries parse keys and certificates, and may panic.
        contain(|| self.signed(now, jti))
            .unwrap_or_else(|_| Err(Error::credential("the private key or the certificate cannot be used")))
    }

    /// Signs the assertion and returns it as the access token, without a request to a provider.
    ///
    /// Fails if the assertion cannot be signed; with [`Error::Spec`] for a token of more than 64 KiB.
    pub fn token(&self, signing: &SigningContext) -> Result<Token, Error> {
        let access_token = self.sign(signing.now, &signing.nonce)?;
        if access_token.expose().len() > LONGEST_TOKEN {
            return Err(Error::spec("the signed token is longer than 64 KiB: leave out claims or headers"));
        }
        let issued_at = signing.now.trunc_subsecs(0);
        let left = TimeDelta::from_std(self.lifetime.saturating_sub(self.backdate)).unwrap_or_default();
        Ok(Token {
            access_token,
            token_type: "Bearer".to_owned(),
            scope: None,
            refresh_token: None,
            kept: BTreeMap::new(),
            issued_at,
            expires_at: (issued_at + left).trunc_subsecs(0),
            declared_zero: false,
            notices: BTreeSet::new(),
        })
    }

    fn signed(&self, now: DateTime<Utc>, jti: &str) -> Result<Secret, Error> {
        let header = Value::Object(self.header()?);
        let claims = Value::Object(self.claims(now, jti)?);
        let mut text = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = signature::sign(self.algorithm, &self.key, text.as_bytes())?;
        text.push('.');
        text.push_str(&encode(signature));
        Ok(Secret::new(text))
    }

    fn header(&self) -> Result<Map<String, Value>, Error> {
        let mut header = Map::from_iter([("typ".to_owned(), json!("JWT"))]);
        header.extend(self.headers.iter().map(|(name, value)| (name.clone(), json!(value))));
        header.insert("alg".to_owned(), json!(self.algorithm));
        header.extend(self.key_id.as_deref().map(|id| ("kid".to_owned(), id.into())));
        if let Some((pem, headers)) = &self.certificate {
            header.extend(headers.members(pem)?);
        }
        Ok(header)
    }

    fn claims(&self, now: DateTime<Utc>, jti: &str) -> Result<Map<String, Value>, Error> {
        let mut claims = self.claims.clone();
        let taken = |name: &&&str| claims.contains_key(**name);
        let scope = self.scope.as_ref().map(|_| &"scope");
        let not_before = self.not_before.then_some(&"nbf");
        if let Some(name) = RESERVED.iter().chain(scope).chain(not_before).find(taken) {
            return Err(Error::spec(format!(
                "`claims` must not hold {name}: the controller sets this claim, so leave it out of `claims`"
            )));
        }
        let backdate = i64::try_from(self.backdate.as_secs()).unwrap_or(i64::MAX);
        let issued = now.timestamp().saturating_sub(backdate);
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let own: [(&str, Value); 4] = [
            ("iss", self.issuer.as_str().into()),
            ("iat", issued.into()),
            ("exp", issued.saturating_add(lifetime).into()),
            ("jti", jti.into()),
        ];
        let scope = self.scope.as_deref().map(|scope| ("scope", scope.into()));
        let subject = self.subject.as_deref().map(|subject| ("sub", subject.into()));
        let audience = self.audience.as_deref().map(|audience| ("aud", audience.into()));
        let not_before = self.not_before.then(|| ("nbf", issued.into()));
        let all = own.into_iter().chain(subject).chain(audience).chain(scope).chain(not_before);
        claims.extend(all.map(|(name, value)| (name.to_owned(), value)));
        Ok(claims)
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
pub(super) mod tests;
