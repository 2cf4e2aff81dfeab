//! Which `TokenSource`s share a limiter. Knows specs; must not know what a limiter does.

use std::time::Duration;

use crate::api::{ProviderKind, TokenProviderSpec, TokenSourceSpec};
use crate::issue::inputs::Purpose;
use crate::issue::token_clients::{Digest, digest};
use crate::oauth::Endpoint;

/// TokenSources with equal keys share a limiter. Within a namespace, provider blocks with different timeouts, authorities or
/// client certificates do not, because one of them can fail while another works.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LimiterKey {
    purpose: Purpose,
    host: String,
    owner: Owner,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Owner {
    ClusterProvider(String),
    Namespace {
        name: String,
        authorities: Authorities,
        certificate: Option<String>,
        timeout: Option<Duration>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Authorities {
    Bundle(Digest),
    ConfigMap(String, String),
}

impl LimiterKey {
    pub(crate) fn of(
        namespace: &str,
        spec: &TokenSourceSpec,
        provider: &TokenProviderSpec,
        purpose: Purpose,
    ) -> Self {
        let url = match purpose {
            Purpose::Token => provider.token_endpoint.as_deref(),
            Purpose::Revocation => provider.revocation_endpoint().or(provider.token_endpoint.as_deref()),
        };
        let url = url.or(provider.issuer.as_deref()).unwrap_or_default();
        // A URL that cannot be parsed is refused before anything is sent.
        let host =
            Endpoint::parse(url).map(|url| format!("{}:{}", url.host(), url.port())).unwrap_or_default();
        let of_cluster =
            spec.provider_ref.as_ref().filter(|to| to.kind == ProviderKind::ClusterTokenProvider);
        let tls = &provider.tls;
        let owner = match of_cluster {
            Some(to) => Owner::ClusterProvider(to.name.clone()),
            None => Owner::Namespace {
                name: namespace.to_owned(),
                authorities: match &tls.ca_bundle_ref {
                    Some(map) => Authorities::ConfigMap(map.name.clone(), map.key.clone()),
                    None => Authorities::Bundle(digest(tls.ca_bundle.as_deref())),
                },
                certificate: tls.client_certificate_ref.as_ref().map(|secret| secret.name.clone()),
                timeout: provider.timeout.map(crate::api::Duration::get),
            },
        };
        Self { purpose, host, owner }
    }

    /// Whether several namespaces share the limiter.
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self.owner, Owner::ClusterProvider(_))
    }

    /// The namespace that the limiter belongs to; None if several namespaces share it.
    pub(crate) fn namespace(&self) -> Option<&str> {
        match &self.owner {
            Owner::ClusterProvider(_) => None,
            Owner::Namespace { name, .. } => Some(name),
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}
