//! Whether what a request is made with exists, and its owner lets the hosts of the spec have it
//! (docs/security.md, e.1).
//! Knows the annotation and its remedy. Must not know a credential's value, nor repeat an owner's list: whoever reads
//! a status may not be allowed to read that Secret.

use crate::api::{Reason, TokenProviderSpec, TokenSourceSpec, annotation};
use crate::decide::{Credentials, Failure, Observed};
use crate::oauth::{Endpoint, HostBinding};

/// A longer list of hosts is not read.
pub const LONGEST_HOSTS: usize = 4096;

/// Judges every Secret that takes part in a request.
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
    let hosts = hosts(observed.spec, provider);
    remedies
        .into_iter()
        .find_map(|(secret, remedy)| usable(observed.namespace, secret, remedy, &hosts, provider))
}

/// Judges the ServiceAccount whose token is about to be asked for, by its annotation.
pub fn service_account(
    namespace: &str,
    name: &str,
    allowed_hosts: Option<&str>,
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
) -> Option<Failure> {
    unbound(namespace, "ServiceAccount", name, allowed_hosts, &hosts(spec, provider))
}

/// Where a credential or the token it brings will be sent: the endpoints for tokens, refresh requests and revocation, where they
/// are known, and the probe.
pub(super) fn hosts(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> Vec<Endpoint> {
    let probe = spec.renewal.probe.as_ref().map(|probe| probe.url.as_str());
    let urls = [
        provider.token_endpoint.as_deref(),
        provider.refresh_endpoint(),
        provider.revocation_endpoint(),
        probe,
    ];
    urls.into_iter().flatten().filter_map(|url| Endpoint::parse(url).ok()).collect()
}

fn usable(
    namespace: &str,
    secret: &Credentials,
    remedy: &str,
    hosts: &[Endpoint],
    provider: &TokenProviderSpec,
) -> Option<Failure> {
    match secret {
        Credentials::Unnamed => None,
        Credentials::Missing(name) => Some(Failure::local(
            Reason::CredentialsNotFound,
            format!("There is no Secret {name} in this namespace: {remedy}."),
        )),
        Credentials::Present { name, allowed_hosts, .. } => {
            let allowed = allowed_hosts.as_deref();
            unbound(namespace, "Secret", name, allowed, hosts).or_else(|| {
                // Where the endpoint has yet to be found: for those who allow no host at all not even a name is looked
                // up.
                let issuer = provider.issuer.as_deref().filter(|_| allowed.is_none())?;
                unbound(namespace, "Secret", name, allowed, &[Endpoint::parse(issuer).ok()?])
            })
        }
    }
}

fn unbound(
    namespace: &str,
    kind: &str,
    name: &str,
    allowed: Option<&str>,
    hosts: &[Endpoint],
) -> Option<Failure> {
    let binding =
        HostBinding::parse(allowed.filter(|hosts| hosts.len() <= LONGEST_HOSTS).unwrap_or_default());
    let endpoint = hosts.iter().find(|endpoint| !binding.allows(endpoint))?;
    let host = endpoint.host();
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

/// The command that adds a host to the list, if there is one: what stands there may be needed by others.
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
