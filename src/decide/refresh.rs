//! The refresh token between two renewals: the Secret that stores it, and when it may be used.
//!
//! Knows what a refresh token is bound to: the endpoint that issued it, and the inputs of its request. Must not know how a
//! Secret is read or written. A refresh token is in no template and in no target.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret as SecretObject;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sha2::{Digest, Sha256};

use super::hex::hex;
use super::{Failure, Observed};
use crate::api::{Reason, RefreshPolicy, TokenProviderSpec, TokenSourceSpec, annotation};
use crate::oauth::{Secret, is_refresh_token};

/// Type of the Secret that holds a refresh token.
const SECRET_TYPE: &str = "tokensource.dev/refresh-token";
/// The key of the token.
const TOKEN_KEY: &str = "refresh_token";
/// The key of the digest of the credentials' own refresh token, with grant `refresh_token`. The digest is in the data and
/// not in an annotation, because a digest of a secret must not be public.
const SEED_KEY: &str = "seed_digest";

/// Name of the Secret that holds a `TokenSource`'s refresh token.
pub fn secret_name(source: &str) -> String {
    format!("{source}-refresh")
}

/// Whether refresh tokens are stored. With `client_credentials` they would save nothing (RFC 6749 §4.4.3).
pub fn stores_refresh_token(provider: &TokenProviderSpec) -> bool {
    provider.refresh.policy == RefreshPolicy::IfIssued
        && !matches!(provider.grant_type.as_deref(), None | Some("client_credentials"))
}

/// The number of failures in a row after which a stored refresh token is dropped and the configured grant is used.
const PATIENCE: i32 = 3;

/// Whether the configured grant replaces a failed refresh request, and the stored refresh token is dropped: after any
/// refusal by the provider, and after the third failure in a row, but never after a 429. `failures` includes this one.
///
/// The answer does not show whether the refresh token or the request was refused: providers answer 401, 403 or codes of
/// their own. A limit (429) or a proxy's refusal does not show whether the token is valid, and an immediate further request
/// would make the limit worse. With grant `refresh_token` nothing can replace the stored token: rotation has used up the
/// credentials' own token, and sending that token again may revoke all of its successors.
pub fn falls_back_to_grant(provider: &TokenProviderSpec, failure: &Failure, failures: i32) -> bool {
    let third = failures >= PATIENCE && failure.reason != Reason::RateLimited;
    !is_own_grant(provider) && (Failure::is_refusal_by_provider(failure.reason) || third)
}

/// Whether the configured grant is `refresh_token`, so that the credentials contain a refresh token.
pub fn is_own_grant(provider: &TokenProviderSpec) -> bool {
    provider.grant_type.as_deref() == Some("refresh_token")
}

/// Adds what a person has to do, if a refresh token was refused that only a person can replace.
pub fn add_reauthorization_hint(observed: &Observed<'_>, mut failure: Failure) -> Failure {
    let own = observed.provider.as_ref().is_ok_and(|provider| is_own_grant(provider));
    if let (true, Reason::InvalidGrant, Some(reference)) =
        (own, failure.reason, &observed.spec.credentials_ref)
    {
        failure.message = format!(
            "{} Have a person authorise this client again at the provider, and put the new refresh token into key {} of \
             Secret {}: the controller uses it immediately.",
            failure.message,
            reference.keys.refresh_token(),
            reference.name
        );
    }
    failure
}

/// The inputs that a refresh token is bound to.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshBinding {
    /// Fingerprint of the endpoint, the client id and the endpoint of refresh requests: only this client sends the token,
    /// and only to these endpoints.
    endpoint: String,
    /// Fingerprint of all inputs of the request.
    inputs_fingerprint: String,
    /// Digest of the credentials' own refresh token; only with grant `refresh_token`.
    seed: Option<String>,
}

impl RefreshBinding {
    /// The binding of a refresh token that is issued now.
    pub fn now(
        spec: &TokenSourceSpec,
        provider: &TokenProviderSpec,
        inputs_fingerprint: &str,
        credentials: &BTreeMap<String, ByteString>,
    ) -> Self {
        let key = spec.credentials_ref.as_ref().map(|reference| reference.keys.refresh_token());
        let seed = key.filter(|_| is_own_grant(provider));
        let key_of_id = spec.credentials_ref.as_ref().map(|named| named.keys.client_id());
        let stored = key_of_id.and_then(|key| credentials.get(key)).map(|id| id.0.as_slice());
        let client = spec.client_id.as_deref().map(str::as_bytes).or(stored);
        let mut issued_to = provider.token_endpoint.clone().unwrap_or_default().into_bytes();
        issued_to.push(b'\n');
        issued_to.extend(client.unwrap_or_default());
        if let Some(url) = provider.refresh_endpoint() {
            issued_to.push(b'\n');
            issued_to.extend(url.as_bytes());
        }
        Self {
            endpoint: digest(&issued_to),
            inputs_fingerprint: inputs_fingerprint.to_owned(),
            seed: seed.and_then(|key| credentials.get(key)).map(|value| digest(&value.0)),
        }
    }

    /// The refresh token in this Secret, if it may be sent now.
    ///
    /// A token that was issued with other inputs may belong to another user, client or scope. With grant `refresh_token`,
    /// the refresh token in the credentials is compared instead of the inputs: rotation has made that token worthless, and
    /// a new label on its Secret must not cause it to be sent again.
    pub fn usable(&self, secret: &SecretObject) -> Option<Secret> {
        let annotations = secret.metadata.annotations.as_ref()?;
        let is = |key, wanted: &str| annotations.get(key).is_some_and(|found| found == wanted);
        let data = secret.data.as_ref()?;
        let same = match &self.seed {
            Some(seed) => data.get(SEED_KEY).is_some_and(|found| found.0 == seed.as_bytes()),
            None => is(annotation::INPUTS, &self.inputs_fingerprint),
        };
        let token = data.get(TOKEN_KEY).filter(|_| same && is(annotation::ISSUED_BY, &self.endpoint))?;
        // An earlier version of the controller may have stored a text that is no refresh token.
        String::from_utf8(token.0.clone()).ok().filter(|text| is_refresh_token(text)).map(Secret::new)
    }

    /// The Secret that stores this refresh token.
    pub fn to_secret(&self, source: &str, owner: OwnerReference, token: &Secret) -> SecretObject {
        let mut data =
            BTreeMap::from([(TOKEN_KEY.to_owned(), ByteString(token.expose().as_bytes().to_vec()))]);
        if let Some(seed) = &self.seed {
            data.insert(SEED_KEY.to_owned(), ByteString(seed.as_bytes().to_vec()));
        }
        let annotations =
            [(annotation::INPUTS, &self.inputs_fingerprint), (annotation::ISSUED_BY, &self.endpoint)];
        SecretObject {
            metadata: ObjectMeta {
                name: Some(secret_name(source)),
                labels: Some(BTreeMap::from([(
                    annotation::MANAGED_BY_LABEL.to_owned(),
                    annotation::MANAGED_BY.to_owned(),
                )])),
                annotations: Some(annotations.map(|(key, value)| (key.to_owned(), value.clone())).into()),
                owner_references: Some(vec![owner]),
                ..ObjectMeta::default()
            },
            type_: Some(SECRET_TYPE.to_owned()),
            data: Some(data),
            ..SecretObject::default()
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests;
