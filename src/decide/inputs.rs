//! The fingerprints that tell whether a token, or a failure, belongs to what is asked for now.
//!
//! Knows which fields shape request and rendering. Must not know a client's secret: credentials count by the uid and
//! resourceVersion of the first version with the same values (`versions`), since a hash of a weak secret would give it
//! away.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::hex::hex;
use super::secrets::Credentials;
use super::upstream::{Upstream, UpstreamState};
use super::versions::{Role, Versions};
use crate::api::{Tls, TokenProviderSpec, TokenSourceSpec};

/// The Secrets that a request is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct Secrets {
    /// `credentialsRef`: the client's credentials.
    pub credentials: Credentials,
    /// `subjectToken.secretKeyRef`: the token to exchange.
    pub subject: Credentials,
    /// `actorToken.secretKeyRef`: the token of the acting party.
    pub actor: Credentials,
    /// `assertionGrant.assertionFrom.secretKeyRef`: an assertion of another issuer.
    pub assertion: Credentials,
    /// `tls.clientCertificateRef`: the certificate of the connection.
    pub certificate: Credentials,
    /// The TokenSources whose tokens are used. They do not count in the fingerprint: a renewal of such a token asks for
    /// no new one here.
    pub upstreams: Vec<Upstream>,
    /// The versions as which they count.
    pub versions: Versions,
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            credentials: Credentials::Unnamed,
            subject: Credentials::Unnamed,
            actor: Credentials::Unnamed,
            assertion: Credentials::Unnamed,
            certificate: Credentials::Unnamed,
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
        find: impl Fn(&str) -> Credentials,
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
    pub fn named(&self) -> impl Iterator<Item = &Credentials> {
        let secrets = Role::ALL.into_iter().map(|role| self.of(role));
        secrets.filter(|secret| **secret != Credentials::Unnamed)
    }

    /// The targets of the upstream TokenSources that have a valid token.
    pub fn upstream_targets(&self) -> impl Iterator<Item = &Credentials> {
        self.upstreams.iter().filter_map(|upstream| match &upstream.state {
            UpstreamState::Ready(target) => Some(target),
            _ => None,
        })
    }

    /// The Secret in this role.
    pub fn of(&self, role: Role) -> &Credentials {
        match role {
            Role::Credentials => &self.credentials,
            Role::Subject => &self.subject,
            Role::Actor => &self.actor,
            Role::Assertion => &self.assertion,
            Role::Certificate => &self.certificate,
        }
    }

    /// The Secret in this role, to be replaced by what was read.
    pub fn of_mut(&mut self, role: Role) -> &mut Credentials {
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
pub struct Inputs {
    /// What shapes the token and its rendering. A target asked for with another one is renewed at once.
    pub asked: String,
    /// What may decide whether an attempt succeeds: the above, and the trust, deadline and generation under which
    /// it is made. A failure under another one is no reason to wait.
    pub attempt: String,
}

/// Everything that is fingerprinted; the field order is the format, so it only ever grows at the end.
#[derive(Serialize)]
struct Asked<'a> {
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

/// Fingerprints what is asked for now; none while one of the Secrets is missing.
pub fn fingerprint(
    spec: &TokenSourceSpec,
    generation: i64,
    provider: &TokenProviderSpec,
    secrets: &Secrets,
) -> Option<Inputs> {
    if secrets.named().any(|secret| matches!(secret, Credentials::Missing(_))) {
        return None;
    }
    let asked = asked(spec, provider, |role| secrets.versions.current(role, secrets.of(role)));
    let attempt = digest(&(&asked, generation, &provider.tls, &provider.timeout));
    Some(Inputs { asked, attempt })
}

/// The fingerprint of what is asked for now, with the credentials of then: equal to the fingerprint of then where nothing but
/// the values of credentials is different.
pub(super) fn asked_with_earlier(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    secrets: &Secrets,
    then: &Versions,
) -> String {
    asked(spec, provider, |role| then.earlier(role, secrets.of(role)))
}

fn asked<'a>(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    version: impl Fn(Role) -> Option<(&'a str, &'a str)>,
) -> String {
    // Neither the roots of trust nor the deadline shape the request, nor does it matter to a token when it is revoked:
    // changing them asks for no new token.
    let shaping = TokenProviderSpec {
        tls: Tls { client_certificate_ref: provider.tls.client_certificate_ref.clone(), ..Tls::default() },
        timeout: None,
        revocation: None,
        ..provider.clone()
    };
    digest(&Asked {
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

/// SHA-256 of the value's JSON. Maps are ordered and defaults left out, so equal values have equal JSON.
fn digest(value: &impl Serialize) -> String {
    // The values are our own structs of strings, numbers and ordered maps: JSON has a form for each.
    let json = serde_json::to_vec(value).unwrap_or_default();
    hex(&Sha256::digest(json))
}

#[cfg(test)]
mod tests;
