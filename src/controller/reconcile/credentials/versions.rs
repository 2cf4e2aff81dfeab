//! The versions of the credentials that are part of the fingerprint. A Secret with a new version is read once, and its
//! values are compared with the values of the last token and the last attempt. An unchanged Secret is read only for a
//! request.
//!
//! Knows where the versions are recorded. Must not decide which version represents a Secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::TokenProviderSpec;
use crate::controller::error::{CallError, Error};
use crate::controller::reconcile::context::Context;
use crate::controller::reconcile::target::unusable_reason;
use crate::controller::view::secrets::{SecretMeta, referenced_secret};
use crate::decide::publication::Data;
use crate::decide::versions::{Recalled, Role, Versions, compare, recall};
use crate::decide::{Observed, ReferencedSecret, Secrets};

/// The recorded versions of a `TokenSource`'s Secrets: the versions recorded with its token, and the versions of its last
/// attempt.
struct Remembered {
    target: Option<Arc<SecretMeta>>,
    attempt: Versions,
}

impl Remembered {
    fn of(observed: &Observed<'_>, context: &Context) -> Self {
        let meta = context.view.secrets.get(observed.namespace, observed.target_name());
        Self {
            target: meta.filter(|meta| unusable_reason(meta, observed.uid).is_none()),
            attempt: context.view.local.versions(observed.uid),
        }
    }

    /// The token's versions come first, since the token may be kept.
    fn all(&self) -> Vec<&Versions> {
        let record = self.target.as_ref().and_then(|meta| meta.record.as_deref());
        record.map(|record| &record.versions).into_iter().chain([&self.attempt]).collect()
    }
}

/// Determines the versions that represent the observed Secrets.
pub(crate) async fn resolve(observed: &mut Observed<'_>, context: &Context) -> Result<(), Error> {
    let Ok(provider) = observed.provider.clone() else { return Ok(()) };
    let remembered = Remembered::of(observed, context);
    let (known, mut versions, mut read_any) = (remembered.all(), Versions::default(), false);
    for role in Role::ALL {
        match recall(role, observed.secrets.of(role), &known) {
            Recalled::Nothing => {}
            Recalled::Known(record) => versions.extend(record),
            Recalled::Unread => {
                let name = observed.secrets.of(role).name().unwrap_or_default().to_owned();
                let (secret, data) =
                    read(observed.namespace, &name, context).await.map_err(error_of(role))?;
                let hash = hash(role, &secret, &data, observed, provider, context).await;
                versions.extend(compare(role, &secret, hash, &known));
                *observed.secrets.of_mut(role) = secret;
                read_any = true;
            }
        }
    }
    if read_any {
        context.view.local.remember_versions(observed.uid, versions.clone());
    }
    observed.secrets.versions = versions;
    Ok(())
}

/// Determines the versions that represent the Secrets of a request, and records them for this attempt.
pub(crate) async fn resolve_read(
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    secrets: &Secrets,
    data: &BTreeMap<Role, Data>,
    context: &Context,
) -> Versions {
    let remembered = Remembered::of(observed, context);
    let (known, mut versions) = (remembered.all(), Versions::default());
    for (role, data) in data {
        let (role, secret) = (*role, secrets.of(*role));
        let hash = hash(role, secret, data, observed, provider, context).await;
        versions.extend(compare(role, secret, hash, &known));
    }
    context.view.local.remember_versions(observed.uid, versions.clone());
    versions
}

async fn hash(
    role: Role,
    secret: &ReferencedSecret,
    data: &Data,
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    context: &Context,
) -> String {
    let ReferencedSecret::Present { name, .. } = secret else { return String::new() };
    let key = context.keyring.get().await;
    key.map(|key| key.hash(role, observed.uid, name, (observed.spec, provider), data)).unwrap_or_default()
}

/// Reads one Secret: its metadata and its data.
pub(crate) async fn read(
    namespace: &str,
    name: &str,
    context: &Context,
) -> Result<(ReferencedSecret, Data), CallError> {
    let (secret, meta) = context.read_secret(namespace, name).await?.unzip();
    Ok((referenced_secret(name, meta), secret.and_then(|secret| secret.data).unwrap_or_default()))
}

/// The error if the Secret in this role cannot be read.
pub(crate) fn error_of(role: Role) -> fn(CallError) -> Error {
    match role {
        Role::Credentials => Error::ReadCredentials,
        Role::Subject | Role::Actor | Role::Assertion => Error::ReadToken,
        Role::Certificate => Error::ReadCertificate,
    }
}
