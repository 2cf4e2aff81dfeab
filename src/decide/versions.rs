//! The version of a Secret that is part of the fingerprint. A Secret that was rewritten with the same values is represented
//! by its earlier version, so that no token is requested.
//!
//! Knows versions and a keyed hash of the values that a request may use. Must not keep a value, nor a hash that can be
//! compared with guesses without the key. Must not know where the key is kept.

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use super::hex::hex;
use super::secrets::{Data, ReferencedSecret, used_keys};
use crate::api::{InputSource, KeyReference, RequestPart, TokenProviderSpec, TokenSourceSpec};

/// The role of a Secret in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// `credentialsRef`.
    Credentials,
    /// `subjectToken.secretKeyRef`.
    Subject,
    /// `actorToken.secretKeyRef`.
    Actor,
    /// `assertionGrant.assertionFrom.secretKeyRef`.
    Assertion,
    /// `tls.clientCertificateRef`.
    Certificate,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] =
        [Self::Credentials, Self::Subject, Self::Actor, Self::Assertion, Self::Certificate];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Subject => "subject",
            Self::Actor => "actor",
            Self::Assertion => "assertion",
            Self::Certificate => "certificate",
        }
    }

    /// The role of the Secret that a `secretKeyRef` names for this part of a request; None if the part has no such field.
    pub const fn at(part: RequestPart) -> Option<Self> {
        match part {
            RequestPart::SubjectToken => Some(Self::Subject),
            RequestPart::ActorToken => Some(Self::Actor),
            RequestPart::Assertion => Some(Self::Assertion),
            _ => None,
        }
    }

    /// The reference to a token of another issuer.
    pub fn reference(self, provider: &TokenProviderSpec) -> Option<&KeyReference> {
        provider.inputs().find_map(|(part, source)| match source {
            InputSource::SecretKey(reference) if Self::at(part) == Some(self) => Some(reference),
            _ => None,
        })
    }

    /// The name of the Secret that the spec or its provider block names.
    pub fn secret_name<'a>(
        self,
        spec: &'a TokenSourceSpec,
        provider: &'a TokenProviderSpec,
    ) -> Option<&'a str> {
        match self {
            Self::Credentials => spec.credentials_ref.as_ref().map(|reference| reference.name.as_str()),
            Self::Certificate => {
                provider.tls.client_certificate_ref.as_ref().map(|reference| reference.name.as_str())
            }
            Self::Subject | Self::Actor | Self::Assertion => {
                self.reference(provider).map(|reference| reference.name.as_str())
            }
        }
    }

    /// The keys of its Secret that a request may use.
    fn keys(self, spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> Vec<String> {
        match self {
            Self::Credentials => used_keys(spec, provider),
            Self::Subject | Self::Actor | Self::Assertion => {
                self.reference(provider).map(|reference| reference.key.clone()).into_iter().collect()
            }
            Self::Certificate => ["tls.crt", "tls.key"].map(str::to_owned).to_vec(),
        }
    }
}

/// A version of a Secret: its uid and its resourceVersion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version(Box<str>, Box<str>);

impl Version {
    fn is(&self, (uid, resource_version): (&str, &str)) -> bool {
        *self.0 == *uid && *self.1 == *resource_version
    }

    fn parts(&self) -> (&str, &str) {
        (&self.0, &self.1)
    }
}

/// The record of one Secret that a request used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecretRecord {
    role: Role,
    name: Box<str>,
    /// The version in the fingerprint: the first one with these values.
    #[serde(rename = "as")]
    fingerprint_version: Version,
    /// The last known version with the same values, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<Version>,
    /// Keyed hash of the values; empty if there was no key.
    hmac: Box<str>,
}

impl SecretRecord {
    fn is_of(&self, version: (&str, &str)) -> bool {
        self.fingerprint_version.is(version) || self.seen.as_ref().is_some_and(|seen| seen.is(version))
    }
}

/// The records of the Secrets that a request used, which are written beside its token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Versions(Vec<SecretRecord>);

impl Versions {
    /// Reads the output of [`Versions::to_json`]. Any other text counts as empty.
    pub fn from_json(text: &str) -> Self {
        let mut read: Self = serde_json::from_str(text).unwrap_or_default();
        if read.0.len() > Role::ALL.len() {
            return Self::default();
        }
        read.0.shrink_to_fit();
        read
    }

    /// The value of the annotation; None if there are no records.
    pub fn to_json(&self) -> Option<String> {
        if self.0.is_empty() { None } else { serde_json::to_string(self).ok() }
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the record of one Secret, if there is one.
    pub fn extend(&mut self, record: impl Into<Option<SecretRecord>>) {
        self.0.extend(record.into());
    }

    /// Whether one of the Secrets is represented by an earlier version.
    pub fn has_rewritten(&self) -> bool {
        self.0.iter().any(|record| record.seen.is_some())
    }

    fn find(&self, role: Role, secret: &ReferencedSecret) -> Option<&SecretRecord> {
        let name = secret.name()?;
        self.0.iter().find(|record| record.role == role && *record.name == *name)
    }

    /// The version that represents a Secret: its own, unless an earlier one is known to have the same values.
    pub(super) fn current<'a>(
        &'a self,
        role: Role,
        secret: &'a ReferencedSecret,
    ) -> Option<(&'a str, &'a str)> {
        let version = version(secret)?;
        let known = self.find(role, secret).filter(|record| record.is_of(version));
        Some(known.map_or(version, |record| record.fingerprint_version.parts()))
    }

    /// The version that represented a Secret when these records were written, whatever its values are now.
    pub(super) fn earlier<'a>(
        &'a self,
        role: Role,
        secret: &'a ReferencedSecret,
    ) -> Option<(&'a str, &'a str)> {
        let version = version(secret)?;
        Some(self.find(role, secret).map_or(version, |record| record.fingerprint_version.parts()))
    }
}

fn version(secret: &ReferencedSecret) -> Option<(&str, &str)> {
    match secret {
        ReferencedSecret::Present { uid, resource_version, .. } => Some((uid, resource_version)),
        ReferencedSecret::Unnamed | ReferencedSecret::Missing(_) => None,
    }
}

/// The record that belongs to a Secret's version, if there is one.
#[derive(Debug, PartialEq)]
pub enum Recalled {
    /// There is no record to compare its values with.
    Nothing,
    /// The record of this version.
    Known(SecretRecord),
    /// The values of the Secret must be read and compared.
    Unread,
}

/// Finds the record of a Secret without reading the Secret. `known` has the records, the most reliable first.
pub fn recall(role: Role, secret: &ReferencedSecret, known: &[&Versions]) -> Recalled {
    let Some(version) = version(secret) else { return Recalled::Nothing };
    let mut remembered = known.iter().filter_map(|versions| versions.find(role, secret)).peekable();
    if remembered.peek().is_none() {
        return Recalled::Nothing;
    }
    match remembered.find(|record| record.is_of(version)) {
        Some(record) => Recalled::Known(record.clone()),
        None => Recalled::Unread,
    }
}

/// The record of a Secret whose values were read. `hmac` is their keyed hash.
pub fn compare(
    role: Role,
    secret: &ReferencedSecret,
    hmac: String,
    known: &[&Versions],
) -> Option<SecretRecord> {
    let (uid, resource_version) = version(secret)?;
    let remembered = || known.iter().filter_map(|versions| versions.find(role, secret));
    let same = remembered()
        .find(|record| record.is_of((uid, resource_version)))
        .or_else(|| remembered().find(|record| !hmac.is_empty() && *record.hmac == *hmac));
    let read = Version(uid.into(), resource_version.into());
    let fingerprint_version = same.map_or_else(|| read.clone(), |record| record.fingerprint_version.clone());
    let seen = (fingerprint_version != read).then_some(read);
    Some(SecretRecord { role, name: secret.name()?.into(), fingerprint_version, seen, hmac: hmac.into() })
}

/// The key of the hash. The key can be neither printed nor serialized.
#[derive(Clone)]
pub struct ValueKey(hmac::Key);

/// The minimum size of a key, in bytes. A shorter one could be guessed.
const SHORTEST_KEY: usize = 32;

/// Separates this use of the key from others.
const DOMAIN: &str = "tokensource.dev/credentials 1";

impl ValueKey {
    /// A key of these bytes; None if they are too few.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= SHORTEST_KEY).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// HMAC-SHA256, truncated to 128 bits, of the values in `data` that a request may use.
    ///
    /// The hash includes the uid of the `TokenSource`, so that equal credentials of two TokenSources have different hashes,
    /// and the name of the Secret, so that a person who may write another Secret cannot test guesses there.
    pub fn hash(
        &self,
        role: Role,
        source: &str,
        secret: &str,
        (spec, provider): (&TokenSourceSpec, &TokenProviderSpec),
        data: &Data,
    ) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        // Each part is preceded by its length, so that different contents never give the same bytes.
        let mut add = |part: &[u8]| {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        };
        for part in [DOMAIN, role.as_str(), source, secret] {
            add(part.as_bytes());
        }
        for key in role.keys(spec, provider) {
            add(key.as_bytes());
            // An empty value differs from a missing one.
            if let Some(value) = data.get(&key) {
                add(b"=");
                add(&value.0);
            } else {
                add(b"-");
            }
        }
        hex(context.sign().as_ref().get(..16).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
