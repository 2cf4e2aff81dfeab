//! Fingerprints of the inputs of a request. Fingerprints show whether a stored token or a recorded failure belongs to the
//! current inputs.
//!
//! Knows which fields shape the request and the rendering. Must not know a client's secret: credentials are represented by
//! the uid and resourceVersion of the first version with the same values (`versions`), because a hash of a weak secret could
//! be guessed.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::hex::hex;
use super::secrets::ReferencedSecret;
use super::upstream::{Upstream, UpstreamState};
use super::versions::{Role, Versions};
use crate::api::{Tls, TokenProviderSpec, TokenSourceSpec};

/// The Secrets that a request is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct Secrets {
    /// `credentialsRef`: the client's credentials.
    pub credentials: ReferencedSecret,
    /// `subjectToken.secretKeyRef`: the token to exchange.
    pub subject: ReferencedSecret,
    /// `actorToken.secretKeyRef`: the token of the actor.
    pub actor: ReferencedSecret,
    /// `assertionGrant.assertionFrom.secretKeyRef`: an assertion of another issuer.
    pub assertion: ReferencedSecret,
    /// `tls.clientCertificateRef`: the certificate of the connection.
    pub certificate: ReferencedSecret,
    /// The TokenSources whose tokens are used. Their tokens are not part of the fingerprint: a renewal of such a token
    /// requests no new token here.
    pub upstreams: Vec<Upstream>,
    /// The versions that represent the Secrets in the fingerprint.
    pub versions: Versions,
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            credentials: ReferencedSecret::Unnamed,
            subject: ReferencedSecret::Unnamed,
            actor: ReferencedSecret::Unnamed,
            assertion: ReferencedSecret::Unnamed,
            certificate: ReferencedSecret::Unnamed,
            upstreams: Vec::new(),
            versions: Versions::default(),
        }
    }
}

impl Secrets {
    /// The Secrets that the spec and its provider block name, each as `find` describes it.
    pub fn find(
        spec: &TokenSourceSpec,
        provider: &TokenProviderSpec,
        find: impl Fn(&str) -> ReferencedSecret,
    ) -> Self {
        let mut secrets = Self::default();
        for role in Role::ALL {
            if let Some(name) = role.secret_name(spec, provider) {
                *secrets.of_mut(role) = find(name);
            }
        }
        secrets
    }

    /// The Secrets that the spec and its provider name, whether or not they exist.
    pub fn named(&self) -> impl Iterator<Item = &ReferencedSecret> {
        let secrets = Role::ALL.into_iter().map(|role| self.of(role));
        secrets.filter(|secret| **secret != ReferencedSecret::Unnamed)
    }

    /// The targets of the upstream TokenSources that have a valid token.
    pub fn upstream_targets(&self) -> impl Iterator<Item = &ReferencedSecret> {
        self.upstreams.iter().filter_map(|upstream| match &upstream.state {
            UpstreamState::Ready(target) => Some(target),
            _ => None,
        })
    }

    /// The Secret in this role.
    pub fn of(&self, role: Role) -> &ReferencedSecret {
        match role {
            Role::Credentials => &self.credentials,
            Role::Subject => &self.subject,
            Role::Actor => &self.actor,
            Role::Assertion => &self.assertion,
            Role::Certificate => &self.certificate,
        }
    }

    /// The Secret in this role, to be replaced by the one that was read.
    pub fn of_mut(&mut self, role: Role) -> &mut ReferencedSecret {
        match role {
            Role::Credentials => &mut self.credentials,
            Role::Subject => &mut self.subject,
            Role::Actor => &mut self.actor,
            Role::Assertion => &mut self.assertion,
            Role::Certificate => &mut self.certificate,
        }
    }
}

/// Two fingerprints, each 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq)]
pub struct Fingerprints {
    /// Fingerprint of the inputs that shape the token and its rendering. A token with another fingerprint is renewed
    /// immediately.
    pub token: String,
    /// Fingerprint of all inputs that can decide whether a request succeeds: those above, and the trusted CAs, the timeout
    /// and the generation. After a failure with another fingerprint, only the minimum interval between two attempts is waited for.
    pub attempt: String,
}

/// The data of the fingerprint of a token. The order of the fields is the format, so new fields are added only at the end.
#[derive(Serialize)]
struct TokenInputs<'a> {
    provider: &'a TokenProviderSpec,
    token: &'a crate::api::RequestedToken,
    data: &'a std::collections::BTreeMap<String, crate::api::LongText>,
    credentials: Option<(&'a str, &'a str)>,
    credential_keys: Option<&'a crate::api::CredentialKeys>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<(&'a str, &'a str)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<(&'a str, &'a str)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<(&'a str, &'a str)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assertion: Option<(&'a str, &'a str)>,
}

/// The fingerprints of the current inputs; None while one of the Secrets is missing.
pub fn fingerprints(
    spec: &TokenSourceSpec,
    generation: i64,
    provider: &TokenProviderSpec,
    secrets: &Secrets,
) -> Option<Fingerprints> {
    if secrets.named().any(|secret| matches!(secret, ReferencedSecret::Missing(_))) {
        return None;
    }
    let token = token_fingerprint(spec, provider, |role| secrets.versions.current(role, secrets.of(role)));
    let attempt = digest(&(&token, generation, &provider.tls, &provider.timeout));
    Some(Fingerprints { token, attempt })
}

/// The fingerprint of the current spec with the earlier versions of the credentials. The result equals the earlier
/// fingerprint if nothing but the values of credentials has changed.
pub(super) fn token_fingerprint_with_earlier(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    secrets: &Secrets,
    then: &Versions,
) -> String {
    token_fingerprint(spec, provider, |role| then.earlier(role, secrets.of(role)))
}

fn token_fingerprint<'a>(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    version: impl Fn(Role) -> Option<(&'a str, &'a str)>,
) -> String {
    // Neither the trusted CAs nor the timeout shape the request, and the settings of revocation do not affect a token:
    // changing them requests no new token.
    let shaping = TokenProviderSpec {
        tls: Tls { client_certificate_ref: provider.tls.client_certificate_ref.clone(), ..Tls::default() },
        timeout: None,
        revocation: None,
        ..provider.clone()
    };
    digest(&TokenInputs {
        provider: &shaping,
        token: &spec.token,
        data: &spec.target.data,
        credentials: version(Role::Credentials),
        credential_keys: spec.credentials_ref.as_ref().map(|reference| &reference.keys),
        subject: version(Role::Subject),
        certificate: version(Role::Certificate),
        client_id: spec.client_id.as_deref(),
        actor: version(Role::Actor),
        assertion: version(Role::Assertion),
    })
}

/// SHA-256 of the value's JSON. Maps are ordered and defaults are left out, so equal values have equal JSON.
fn digest(value: &impl Serialize) -> String {
    // Cannot fail: the values are structs of strings, numbers and ordered maps.
    let json = serde_json::to_vec(value).unwrap_or_default();
    hex(&Sha256::digest(json))
}

#[cfg(test)]
mod tests;
