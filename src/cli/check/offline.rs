//! One `TokenSource` and the objects in the manifests that it refers to, as the controller would observe them at its first
//! reconcile. Knows how manifests take the place of objects in a cluster; `decide` makes all decisions.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::{ConfigMap, Secret as SecretObject};
use kube::ResourceExt;

use super::manifests::{Manifests, data};
use crate::api::{
    ProviderKind, Reason, TokenProviderSpec, TokenSource, TokenSourceSpec, TokenSourceStatus, annotation,
};
use crate::cli::Environment;
use crate::cli::arguments::CheckArguments;
use crate::decide::credentials::is_placeholder;
use crate::decide::publication::allowed_hosts;
use crate::decide::render::TemplateProblem;
use crate::decide::{
    ChosenProvider, Failure, Link, Observed, Plan, ReferencedSecret, Secrets, Upstream, UpstreamState,
    chosen_provider, decide, follow, inputs, render,
};
use crate::issue::caches::Caches;
use crate::oauth::OutboundProxy;

/// The last path segment of the URL that `check` shows in place of a token endpoint that only discovery can find.
pub(super) const STAND_IN: &str = "found-by-discovery";

pub(super) struct OfflineContext<'a> {
    source: &'a TokenSource,
    /// The spec without `suspend`.
    pub(super) spec: TokenSourceSpec,
    manifests: &'a Manifests,
    provider: Result<TokenProviderSpec, Failure>,
    pub(super) environment: &'a Environment,
    pub(super) caches: Caches,
    now: DateTime<Utc>,
    status: TokenSourceStatus,
}

impl<'a> OfflineContext<'a> {
    pub(super) fn new(
        source: &'a TokenSource,
        manifests: &'a Manifests,
        arguments: &CheckArguments,
        environment: &'a Environment,
        proxy: Option<Arc<OutboundProxy>>,
    ) -> Self {
        Self {
            source,
            spec: TokenSourceSpec { suspend: false, ..source.spec.clone() },
            manifests,
            provider: provider(source, manifests),
            environment,
            caches: Caches::new(arguments.network.addresses(), None, proxy, environment.now),
            now: (environment.now)(),
            status: TokenSourceStatus::default(),
        }
    }

    /// The provider block; fails for anything that the controller would refuse before it reads a Secret.
    pub(super) fn validate(&self) -> Result<&TokenProviderSpec, Failure> {
        match decide(&self.observed()) {
            Plan::Refuse(failure) => Err(failure),
            _ => self.provider.as_ref().map_err(Clone::clone),
        }
    }

    /// The `TokenSource` as the controller would observe it.
    pub(super) fn observed(&self) -> Observed<'_> {
        let provider = self.provider.as_ref().map_err(Clone::clone);
        let mut secrets = provider
            .as_ref()
            .map(|provider| Secrets::find(&self.spec, provider, |name| self.facts(name)))
            .unwrap_or_default();
        if let Ok(provider) = &provider {
            let upstream = |name: &str| Upstream { name: name.to_owned(), state: self.upstream_state(name) };
            secrets.upstreams = provider.token_sources().into_iter().map(upstream).collect();
        }
        let chain = follow(&self.source.name_any(), |name| self.link(name));
        let fingerprints = match &provider {
            Ok(provider) => inputs::fingerprints(&self.spec, 1, provider, &secrets),
            Err(_) => None,
        };
        Observed {
            namespace: self.source.metadata.namespace.as_deref().unwrap_or_default(),
            name: self.source.metadata.name.as_deref().unwrap_or_default(),
            fingerprints,
            secrets,
            template_problem: self.template_problem(),
            conflicting_source: self.conflicting_source(),
            circle: chain.circle,
            upstream_has_owner: chain.has_owner,
            ..Observed::new(&self.spec, &self.status, provider, self.now)
        }
    }

    fn template_problem(&self) -> Option<TemplateProblem> {
        let provider = self.provider.as_ref().ok()?;
        render::check(&self.spec.target, &provider.response.keep).err()
    }

    /// An earlier `TokenSource` of the manifests with the same target.
    fn conflicting_source(&self) -> Option<String> {
        let target = |source: &TokenSource| (source.namespace(), source.target_name().to_owned());
        let before = self.manifests.sources.iter().take_while(|other| !std::ptr::eq(*other, self.source));
        let mine = target(self.source);
        before.into_iter().find(|other| target(other) == mine).map(ResourceExt::name_any)
    }

    /// The metadata of a Secret that the controller would observe.
    pub(super) fn facts(&self, name: &str) -> ReferencedSecret {
        match self.secret(name) {
            None => ReferencedSecret::Missing(name.to_owned()),
            Some(secret) => ReferencedSecret::Present {
                name: secret.name_any(),
                uid: String::new(),
                resource_version: String::new(),
                allowed_hosts: secret.annotations().get(annotation::ALLOWED_HOSTS).cloned(),
            },
        }
    }

    /// Another `TokenSource` of the manifests, as if it had a token.
    pub(super) fn upstream_state(&self, name: &str) -> UpstreamState {
        let Some(source) = self.find(name) else { return UpstreamState::Missing };
        if !render::keeps_token(&source.spec.target) {
            return UpstreamState::TokenNotKept;
        }
        UpstreamState::Ready(ReferencedSecret::Present {
            name: source.target_name().to_owned(),
            uid: String::new(),
            resource_version: String::new(),
            allowed_hosts: allowed_hosts(&source.spec.target),
        })
    }

    /// A `TokenSource` of the same namespace.
    fn find(&self, name: &str) -> Option<&TokenSource> {
        let namespace = self.source.namespace();
        self.manifests
            .sources
            .iter()
            .find(|source| source.name_any() == name && source.namespace() == namespace)
    }

    /// Another `TokenSource` as a link of a chain. A `TokenSource` that is missing, or has no provider, ends the chain.
    fn link(&self, name: &str) -> Link {
        let Some(source) = self.find(name) else { return Link::default() };
        provider(source, self.manifests)
            .map_or_else(|_| Link::default(), |provider| Link::of(&source.spec, &provider))
    }

    pub(super) fn secret(&self, name: &str) -> Option<&SecretObject> {
        self.manifests.secret(self.source.namespace().as_deref(), name)
    }

    pub(super) fn config_map(&self, name: &str) -> Option<&ConfigMap> {
        self.manifests.config_map(self.source.namespace().as_deref(), name)
    }

    /// Whether the client's certificate or its key is still a placeholder.
    pub(super) fn has_placeholder_certificate(&self, provider: &TokenProviderSpec) -> bool {
        let reference = provider.tls.client_certificate_ref.as_ref();
        let data = reference.and_then(|reference| self.secret(&reference.name)).map(data).unwrap_or_default();
        let text = |key: &str| data.get(key).and_then(|value| std::str::from_utf8(&value.0).ok());
        ["tls.crt", "tls.key"].into_iter().filter_map(text).any(|text| is_placeholder(text.trim()))
    }

    /// The checks that were left out. Also says whether the `TokenSource` is suspended.
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
            notes.extend(provider.token_sources().into_iter().map(|name| {
                format!("The token of TokenSource {name}, which is in the cluster; here a stand-in takes its place.")
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
    match chosen_provider(&source.spec, false)? {
        ChosenProvider::Inline(provider) => Ok(provider.clone()),
        ChosenProvider::Cluster(name) => manifests
            .cluster_provider(name)
            .map(|provider| provider.spec.provider.clone())
            .ok_or_else(|| missing("ClusterTokenProvider", name)),
        ChosenProvider::Namespaced(name) => manifests
            .provider(source.namespace().as_deref(), name)
            .map(|provider| provider.spec.clone())
            .ok_or_else(|| missing("TokenProvider", name)),
    }
}
