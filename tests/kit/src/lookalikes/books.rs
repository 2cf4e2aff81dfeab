//! The state of a look-alike: credentials, tokens, refresh tokens, refusals.
//!
//! Knows time and random numbers. Must not know a provider's document.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{canaries, unique};

/// The state of one look-alike.
pub(super) struct Books {
    pub(super) credentials: BTreeMap<&'static str, String>,
    pub(super) lifetime: Duration,
    pub(super) tokens: HashMap<String, DateTime<Utc>>,
    /// Refresh tokens by their text; each belongs to the family begun by one login.
    pub(super) refresh: HashMap<String, RefreshToken>,
    pub(super) refusals: Vec<String>,
}

#[derive(Clone)]
pub(super) struct RefreshToken {
    pub(super) family: String,
    pub(super) expires: DateTime<Utc>,
    pub(super) used: bool,
}

impl Books {
    pub(super) fn new(credentials: Vec<(&'static str, String)>, lifetime: Duration) -> Self {
        for (key, value) in credentials.iter().filter(|(key, _)| ["client_secret", "password"].contains(key))
        {
            canaries::register(&format!("a look-alike's {key}"), value);
        }
        Self {
            credentials: credentials.into_iter().collect(),
            lifetime,
            tokens: HashMap::new(),
            refresh: HashMap::new(),
            refusals: Vec::new(),
        }
    }

    pub(super) fn knows(&self, key: &str, value: Option<&String>) -> bool {
        self.credentials.get(key) == value
    }

    pub(super) fn rotate(&mut self, key: &'static str) -> BTreeMap<&'static str, String> {
        let secret = secret("rotated");
        canaries::register(&format!("a look-alike's rotated {key}"), &secret);
        self.credentials.insert(key, secret);
        self.credentials.clone()
    }

    pub(super) fn accepts(&self, token: &str) -> bool {
        self.tokens.get(token).is_some_and(|expires| *expires > Utc::now())
    }

    pub(super) fn expires(&self) -> DateTime<Utc> {
        Utc::now() + self.lifetime
    }

    /// A token of three parts that can be read as a JWT with an expiry; the signature is random.
    pub(super) fn jwt(&mut self, issuer: &str, audience: &str) -> String {
        let expires = self.expires();
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": "look-alike" });
        let payload = json!({
            "iss": issuer, "aud": audience, "sub": self.credentials.get("client_id"),
            "iat": Utc::now().timestamp(), "exp": expires.timestamp(), "jti": unique::uuid(),
        });
        let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let token = format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(unique::bytes::<64>()));
        self.tokens.insert(token.clone(), expires);
        token
    }

    /// A token in plain base64 that ends in `=` and contains the two characters that encodings change most often.
    pub(super) fn base64_token(&mut self) -> String {
        let mut candidates = std::iter::repeat_with(|| STANDARD.encode(unique::bytes::<65>()));
        let awkward = |token: &String| token.contains('+') && token.contains('/');
        let token = candidates.find(awkward).expect("an endless supply");
        let expires = self.expires();
        self.tokens.insert(token.clone(), expires);
        token
    }
}

/// A secret with characters that encodings change, and random enough to be searched for in logs.
pub(super) fn secret(name: &str) -> String {
    format!("{name}+/=&% ~{}", unique::word(20))
}
