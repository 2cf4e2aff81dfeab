//! The metadata of the Secrets that a request uses. Must not know their values, nor a request.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;

use crate::api::{CredentialKeys, TokenProviderSpec, TokenSourceSpec};

/// The data of a Secret.
pub type Data = BTreeMap<String, ByteString>;

/// The metadata of a Secret that a request uses.
#[derive(Clone, Debug, PartialEq)]
pub enum ReferencedSecret {
    /// The spec names no Secret.
    Unnamed,
    /// The spec names a Secret that does not exist.
    Missing(String),
    /// The Secret exists.
    Present {
        /// The name of the Secret.
        name: String,
        /// The uid of the Secret.
        uid: String,
        /// The resourceVersion of the Secret.
        resource_version: String,
        /// Value of its `allowed-hosts` annotation.
        allowed_hosts: Option<String>,
    },
}

impl ReferencedSecret {
    /// The name of the Secret, if the spec names one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Unnamed => None,
            Self::Missing(name) | Self::Present { name, .. } => Some(name),
        }
    }
}

/// The keys of the credentials Secret that a request may use. The key of the certificate is among them only if an assertion
/// needs it, because a longer list changes the hash of the values.
pub(super) fn used_keys(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> Vec<String> {
    let Some(reference) = &spec.credentials_ref else { return Vec::new() };
    let mut used = names(&reference.keys).to_vec();
    let certificate = provider.asserts_certificate().then(|| reference.keys.certificate());
    for key in certificate.into_iter().chain(provider.credentials_keys()) {
        if !used.iter().any(|known| known == key) {
            used.push(key.to_owned());
        }
    }
    used
}

fn names(keys: &CredentialKeys) -> [String; 6] {
    [
        keys.client_id(),
        keys.client_secret(),
        keys.username(),
        keys.password(),
        keys.private_key(),
        keys.refresh_token(),
    ]
    .map(str::to_owned)
}
