//! Whether the credentials of a request exist, and whether their owner allows the hosts of the spec (docs/security.md, e.1).
//! Knows the annotation and its remedy. Must not know a credential's value. Must not repeat an owner's list in a message:
//! readers of a status may not be allowed to read the Secret.

use crate::api::{Reason, TokenProviderSpec, TokenSourceSpec, annotation};
use crate::decide::publication::allowed_hosts;
use crate::decide::upstream::names_owned;
use crate::decide::{Failure, Observed, ReferencedSecret};
use crate::oauth::{Endpoint, HostBinding};

/// The longest `allowed-hosts` that is read, in bytes.
pub const LONGEST_HOSTS: usize = 4096;

/// Checks every Secret that a request uses.
pub(super) fn credentials(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    let secrets = &observed.secrets;
    let remedies = [
        (
            &secrets.credentials,
            "create it with the keys the provider's client has (client_id, client_secret), or correct \
             credentialsRef.name",
        ),
        (&secrets.subject, "create it with the token to exchange, or correct subjectToken.secretKeyRef.name"),
        (&secrets.actor, "create it with the token of the actor, or correct actorToken.secretKeyRef.name"),
        (
            &secrets.assertion,
            "create it with the assertion, or correct assertionGrant.assertionFrom.secretKeyRef.name",
        ),
        (
            &secrets.certificate,
            "create it (type kubernetes.io/tls, with the keys tls.crt and tls.key), or correct \
             tls.clientCertificateRef.name",
        ),
    ];
    let hosts = Destinations::of(observed.spec, provider);
    remedies
        .into_iter()
        .find_map(|(secret, remedy)| usable(observed.namespace, secret, remedy, &hosts, provider))
}

/// Checks the annotation of the ServiceAccount whose token is about to be requested.
pub fn service_account(
    namespace: &str,
    name: &str,
    allowed_hosts: Option<&str>,
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
) -> Option<Failure> {
    unbound(namespace, "ServiceAccount", name, allowed_hosts, &Destinations::of(spec, provider))
}

/// Where a credential, or a token that was requested with it, may be sent.
#[derive(Default)]
pub(super) struct Destinations {
    /// The endpoints for tokens, refresh requests and revocation, where they are known, and the probe.
    endpoints: Vec<Endpoint>,
    /// The hosts of requests that other TokenSources make with the token.
    of_others: HostBinding,
}

impl Destinations {
    /// The destinations that the spec and its provider block name.
    pub(super) fn of(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> Self {
        let probe = spec.renewal.probe.as_ref().map(|probe| probe.url.as_str());
        let urls = [
            provider.token_endpoint.as_deref(),
            provider.refresh_endpoint(),
            provider.revocation_endpoint(),
            probe,
        ];
        let of_others = HostBinding::parse(&allowed_hosts(&spec.target).unwrap_or_default());
        Self {
            endpoints: urls.into_iter().flatten().filter_map(|url| Endpoint::parse(url).ok()).collect(),
            of_others,
        }
    }

    /// The first host that an owner's list does not allow.
    pub(super) fn first_not_allowed(&self, binding: &HostBinding) -> Option<String> {
        let endpoint = self.endpoints.iter().find(|endpoint| !binding.allows(endpoint));
        let host = endpoint.map(|endpoint| endpoint.host().to_owned());
        host.or_else(|| binding.first_not_allowed(&self.of_others))
    }
}

/// Whether somebody other than the spec's author decides where requests may be sent: the owner of a Secret or
/// ServiceAccount that the request is made with, here or for an upstream TokenSource.
pub(super) fn has_owner(observed: &Observed<'_>, provider: &TokenProviderSpec) -> bool {
    observed.upstream_has_owner || names_owned(observed.spec, provider)
}

fn usable(
    namespace: &str,
    secret: &ReferencedSecret,
    remedy: &str,
    hosts: &Destinations,
    provider: &TokenProviderSpec,
) -> Option<Failure> {
    match secret {
        ReferencedSecret::Unnamed => None,
        ReferencedSecret::Missing(name) => Some(Failure::local(
            Reason::CredentialsNotFound,
            format!("There is no Secret {name} in this namespace: {remedy}."),
        )),
        ReferencedSecret::Present { name, allowed_hosts, .. } => {
            let allowed = allowed_hosts.as_deref();
            unbound(namespace, "Secret", name, allowed, hosts).or_else(|| {
                // The endpoint is not known before discovery. If the owner allows no host at all, not even the issuer's name
                // is looked up.
                let issuer = provider.issuer.as_deref().filter(|_| allowed.is_none())?;
                let endpoints = vec![Endpoint::parse(issuer).ok()?];
                let issuer = Destinations { endpoints, ..Destinations::default() };
                unbound(namespace, "Secret", name, allowed, &issuer)
            })
        }
    }
}

fn unbound(
    namespace: &str,
    kind: &str,
    name: &str,
    allowed: Option<&str>,
    hosts: &Destinations,
) -> Option<Failure> {
    let binding =
        HostBinding::parse(allowed.filter(|hosts| hosts.len() <= LONGEST_HOSTS).unwrap_or_default());
    let host = &*hosts.first_not_allowed(&binding)?;
    let state = match allowed {
        Some(hosts) if hosts.len() > LONGEST_HOSTS => {
            return Some(Failure::local(
                Reason::CredentialsNotBound,
                format!(
                    "{kind} {name} has an annotation {} of more than {LONGEST_HOSTS} bytes, which is not read; nothing \
                     was sent. Name fewer hosts, for example by *.example.com.",
                    annotation::ALLOWED_HOSTS
                ),
            ));
        }
        None => "names no hosts that may receive it".to_owned(),
        Some(list) if list.contains('/') => {
            format!(
                "has a URL in {}, where a host belongs, and does not allow {host}",
                annotation::ALLOWED_HOSTS
            )
        }
        Some(_) => format!("does not allow {host} to receive it"),
    };
    let command = permission(namespace, &kind.to_ascii_lowercase(), name, host, allowed.is_some());
    Some(Failure::local(
        Reason::CredentialsNotBound,
        format!("{kind} {name} {state}; nothing was sent. If it may: {command}"),
    ))
}

/// The command that allows the host. If the list exists, the command extends it, because other TokenSources may need its
/// entries.
fn permission(namespace: &str, kind: &str, name: &str, host: &str, extends: bool) -> String {
    let key = annotation::ALLOWED_HOSTS;
    let kubectl = match namespace {
        "" => "kubectl".to_owned(),
        namespace => format!("kubectl -n {namespace}"),
    };
    if !extends {
        return format!("{kubectl} annotate {kind} {name} {key}={host}");
    }
    let path = key.replace('.', "\\.");
    format!(
        "{kubectl} annotate {kind} {name} --overwrite {key}=\"$({kubectl} get {kind} {name} -o \
         jsonpath='{{.metadata.annotations.{path}}}'),{host}\""
    )
}
