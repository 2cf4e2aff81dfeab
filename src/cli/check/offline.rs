//! One `TokenSource` and the objects in the manifests that it refers to, as the controller would observe them at its first
//! reconcile. Knows how manifests take the place of objects in a cluster; all decisions are those of `decide`.

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Secret as SecretObject;
use kube::ResourceExt;

use super::manifests::{Manifests, data};
use crate::api::{
    KeyReference, ProviderKind, Reason, TokenProviderSpec, TokenSource, TokenSourceSpec, TokenSourceStatus,
    annotation,
};
use crate::decide::publication::Data;
use crate::decide::{
    Credentials, Failure, Observed, Plan, RequestInputs, Secrets, Target, decide, inputs, refuse_credentials,
    render,
};
use crate::oauth::{ClientCertificate, Secret};

/// Replaces the token of a ServiceAccount, which only a cluster can issue.
const SERVICE_ACCOUNT_TOKEN: &str = "SERVICE-ACCOUNT-TOKEN";

/// The last part of a URL that replaces a token endpoint which is only known after discovery.
pub(super) const STAND_IN: &str = "found-by-discovery";

pub(super) struct OfflineContext<'a> {
    source: &'a TokenSource,
    /// The spec without `suspend`.
    pub(super) spec: TokenSourceSpec,
    manifests: &'a Manifests,
    provider: Result<TokenProviderSpec, Failure>,
    now: DateTime<Utc>,
    status: TokenSourceStatus,
}

impl<'a> OfflineContext<'a> {
    pub(super) fn new(source: &'a TokenSource, manifests: &'a Manifests, now: DateTime<Utc>) -> Self {
        let spec = TokenSourceSpec { suspend: false, ..source.spec.clone() };
        let provider = provider(source, manifests);
        Self { source, spec, manifests, provider, now, status: TokenSourceStatus::default() }
    }

    /// The provider block; fails for anything that the controller would refuse before it sends a request.
    pub(super) fn validate(&self) -> Result<TokenProviderSpec, Failure> {
        if let Plan::Refuse(failure) = decide(&self.observed(self.provider.as_ref().map_err(Clone::clone))) {
            return Err(failure);
        }
        let provider = self.provider.clone()?;
        self.ca_bundle(&provider)?;
        Ok(provider)
    }

    /// Checks the endpoint that an issuer's metadata names, before anything secret is sent to it.
    pub(super) fn validate_located(&self, located: &TokenProviderSpec) -> Result<(), Failure> {
        refuse_credentials(&self.observed(Ok(located)), located).map_or(Ok(()), Err)
    }

    fn observed<'b>(&'b self, provider: Result<&'b TokenProviderSpec, Failure>) -> Observed<'b> {
        let secrets = provider.as_ref().map(|provider| self.secrets(provider)).unwrap_or_default();
        let inputs = match &provider {
            Ok(provider) => inputs::fingerprint(&self.spec, 1, provider, &secrets),
            Err(_) => None,
        };
        Observed {
            now: self.now,
            namespace: self.source.metadata.namespace.as_deref().unwrap_or_default(),
            name: self.source.metadata.name.as_deref().unwrap_or_default(),
            uid: "",
            generation: 1,
            deleting: false,
            spec: &self.spec,
            status: &self.status,
            renew_request: None,
            provider,
            inputs,
            secrets,
            template_problem: render::check(&self.spec.target).err(),
            target: Target::Missing,
            former_targets: Vec::new(),
            refresh_conflict: None,
            conflicting_source: self.conflicting_source(),
            unwritten_token: None,
            probed: None,
        }
    }

    /// An earlier `TokenSource` of the manifests with the same target.
    fn conflicting_source(&self) -> Option<String> {
        let target = |source: &TokenSource| (source.namespace(), source.target_name().to_owned());
        let before = self.manifests.sources.iter().take_while(|other| !std::ptr::eq(*other, self.source));
        let mine = target(self.source);
        before.into_iter().find(|other| target(other) == mine).map(ResourceExt::name_any)
    }

    fn secrets(&self, provider: &TokenProviderSpec) -> Secrets {
        let facts = |name: Option<&str>| match name {
            None => Credentials::Unnamed,
            Some(name) => self.secret(name).map_or_else(|| Credentials::Missing(name.to_owned()), facts),
        };
        let certificate = provider.tls.client_certificate_ref.as_ref();
        Secrets {
            credentials: facts(self.spec.credentials_ref.as_ref().map(|reference| reference.name.as_str())),
            subject: facts(provider.subject_secret().map(|reference| reference.name.as_str())),
            certificate: facts(certificate.map(|reference| reference.name.as_str())),
            ..Secrets::default()
        }
    }

    fn secret(&self, name: &str) -> Option<&SecretObject> {
        self.manifests.secret(self.source.namespace().as_deref(), name)
    }

    fn data(&self, name: Option<&str>) -> Data {
        name.and_then(|name| self.secret(name)).map(data).unwrap_or_default()
    }

    /// The inputs of the request.
    pub(super) fn inputs(&self, provider: &TokenProviderSpec) -> RequestInputs {
        let stand_in = |needed: bool| needed.then(|| Secret::new(SERVICE_ACCOUNT_TOKEN.to_owned()));
        let subject = provider.subject_token.as_ref();
        RequestInputs {
            credentials: self
                .data(self.spec.credentials_ref.as_ref().map(|reference| reference.name.as_str())),
            subject: self.data(provider.subject_secret().map(|reference| reference.name.as_str())),
            client_token: stand_in(provider.client_authentication.service_account_token.is_some()),
            subject_token: stand_in(subject.is_some_and(|subject| subject.service_account_token.is_some())),
        }
    }

    /// The certificates to trust instead of the public authorities, if the provider names any.
    pub(super) fn ca_bundle(&self, provider: &TokenProviderSpec) -> Result<Option<String>, Failure> {
        let Some(KeyReference { name, key }) = &provider.tls.ca_bundle_ref else {
            return Ok(provider.tls.ca_bundle.clone());
        };
        let found = self.manifests.text(self.source.namespace().as_deref(), name, key);
        found.cloned().map(Some).ok_or_else(|| {
            let message =
                format!("tls.caBundleRef: there is no ConfigMap {name} with a key {key}: create it.");
            Failure::local(Reason::InvalidSpec, message)
        })
    }

    /// The client certificate and its key.
    pub(super) fn identity(
        &self,
        provider: &TokenProviderSpec,
    ) -> Result<Option<ClientCertificate>, Failure> {
        let Some(reference) = &provider.tls.client_certificate_ref else { return Ok(None) };
        let data = self.data(Some(&reference.name));
        let text = |key: &str| {
            let bytes = data.get(key).filter(|value| !value.0.is_empty()).ok_or_else(|| {
                let message =
                    format!("Secret {} has no key {key}: a client certificate needs both.", reference.name);
                Failure::local(Reason::CredentialsNotFound, message)
            })?;
            String::from_utf8(bytes.0.clone()).map_err(|_| {
                let message =
                    format!("Key {key} of Secret {} is not UTF-8 text: correct it.", reference.name);
                Failure::local(Reason::CredentialsInvalid, message)
            })
        };
        Ok(Some(ClientCertificate { certificate: text("tls.crt")?, key: Secret::new(text("tls.key")?) }))
    }

    /// Checks that need a cluster, or that were left out.
    pub(super) fn not_checked(&self, send: bool) -> Vec<String> {
        let mut notes = Vec::new();
        if self.source.spec.suspend {
            notes.push(
                "The TokenSource is suspended: the controller requests no token until suspend is false."
                    .to_owned(),
            );
        }
        if let Ok(provider) = &self.provider {
            notes.extend(provider.service_accounts().map(|account| {
                format!(
                    "The token of ServiceAccount {}, which only a cluster can issue; whether the account's annotation \
                     allows the host; and whether the controller may request its tokens.",
                    account.name()
                )
            }));
            if let (Some(issuer), false) = (&provider.issuer, send) {
                notes.push(format!(
                    "The token endpoint, which the metadata of {issuer} names. --send looks it up; here a URL that ends \
                     in /{STAND_IN} takes its place."
                ));
            }
        }
        if self.is_limited() {
            notes.push(
                "Whether the ClusterTokenProvider admits the namespace (allowedNamespaces).".to_owned(),
            );
        }
        if send && self.spec.renewal.probe.is_some() {
            notes.push("The probe (renewal.probe): the token is not sent to its URL.".to_owned());
        }
        notes
    }

    fn is_limited(&self) -> bool {
        let reference = self.spec.provider_ref.as_ref();
        let cluster = reference.filter(|reference| reference.kind == ProviderKind::ClusterTokenProvider);
        cluster
            .and_then(|reference| self.manifests.cluster_provider(&reference.name))
            .is_some_and(|provider| provider.spec.allowed_namespaces.is_some())
    }
}

fn provider(source: &TokenSource, manifests: &Manifests) -> Result<TokenProviderSpec, Failure> {
    let missing = |kind: &str, name: &str| {
        let message = format!(
            "There is no {kind} {name} in these manifests: add its file with -f, or correct providerRef."
        );
        Failure::local(Reason::ProviderNotFound, message)
    };
    match (&source.spec.provider, &source.spec.provider_ref) {
        (Some(provider), None) => Ok(provider.as_ref().clone()),
        (None, Some(reference)) if reference.kind == ProviderKind::ClusterTokenProvider => manifests
            .cluster_provider(&reference.name)
            .map(|provider| provider.spec.provider.clone())
            .ok_or_else(|| missing("ClusterTokenProvider", &reference.name)),
        (None, Some(reference)) => manifests
            .provider(source.namespace().as_deref(), &reference.name)
            .map(|provider| provider.spec.clone())
            .ok_or_else(|| missing("TokenProvider", &reference.name)),
        _ => Err(Failure::local(Reason::InvalidSpec, "Set exactly one of provider and providerRef.")),
    }
}

/// The facts about a Secret that the controller would observe.
fn facts(secret: &SecretObject) -> Credentials {
    Credentials::Present {
        name: secret.name_any(),
        uid: String::new(),
        resource_version: String::new(),
        allowed_hosts: secret.annotations().get(annotation::ALLOWED_HOSTS).cloned(),
    }
}
