//! What can be refused before anything is asked: contradictions in the spec, fields this version cannot serve yet,
//! credentials that are missing or not bound to the host.
//!
//! Every message says what to write or run instead. Must not know a credential's value.

use super::refresh::{is_kept, secret_name};
use super::{Credentials, Failure, Observed, render};
use crate::api::{
    ClientAuthenticationMethod, OnRevoked, Reason, TokenProviderSpec, TokenSourceSpec, annotation,
};
use crate::oauth::{Endpoint, HostBinding};

/// Grants whose requests this version cannot build.
const GRANTS_TO_COME: [&str; 2] =
    ["urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange"];

/// A field of the contract that this version does not serve. Refused rather than passed over: a user who sets it
/// counts on it.
pub(super) fn unserved(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> Option<Failure> {
    use ClientAuthenticationMethod::{ClientSecretJwt, FederatedJwt, PrivateKeyJwt, TlsClientAuth};
    let grant = provider.grant_type.as_deref().unwrap_or_default();
    let method = provider.client_authentication.method;
    let field = if provider.issuer.is_some() {
        "provider.issuer".to_owned()
    } else if GRANTS_TO_COME.contains(&grant) {
        format!("provider.grantType: {grant}")
    } else if matches!(method, ClientSecretJwt | PrivateKeyJwt | TlsClientAuth | FederatedJwt) {
        format!("provider.clientAuthentication.method: {}", method.as_str())
    } else if provider.subject_token.is_some() || provider.requested_token_type.is_some() {
        "provider.subjectToken and requestedTokenType".to_owned()
    } else if provider.assertion_grant.is_some() {
        "provider.assertionGrant".to_owned()
    } else if provider.tls.client_certificate_ref.is_some() {
        "provider.tls.clientCertificateRef".to_owned()
    } else if spec.renewal.probe.is_some() {
        "renewal.probe".to_owned()
    } else if spec.renewal.on_revoked != OnRevoked::Keep {
        "renewal.onRevoked: Withdraw".to_owned()
    } else {
        return None;
    };
    Some(invalid(format!("{field} is not served by this version of tokensource yet: remove it, or upgrade.")))
}

/// What the CRD's rules could not catch: they see one field at a time, and not a referenced provider.
pub(super) fn contradiction(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    let endpoint = provider.token_endpoint.as_deref().unwrap_or_default();
    if let Err(error) = Endpoint::parse(endpoint) {
        return Some(invalid(format!("provider.tokenEndpoint: {error}.")));
    }
    let needs_secret = matches!(
        provider.client_authentication.method,
        ClientAuthenticationMethod::ClientSecretBasic | ClientAuthenticationMethod::ClientSecretPost
    );
    match &observed.spec.credentials_ref {
        None if needs_secret => Some(invalid(format!(
            "clientAuthentication.method {} needs a client secret: name its Secret in credentialsRef, or set method: none.",
            provider.client_authentication.method.as_str()
        ))),
        Some(reference) if reference.name == observed.target_name() => Some(invalid(format!(
            "credentialsRef and target both name the Secret {}: give the target another name.",
            reference.name
        ))),
        _ if is_kept(provider) && secret_name(observed.name) == observed.target_name() => {
            Some(invalid(format!(
                "The target is named like the Secret that keeps the refresh token, {}: give the target another name.",
                observed.target_name()
            )))
        }
        _ => None,
    }
}

/// A template that no token could be rendered with: better found before one is asked for.
pub(super) fn templates(spec: &TokenSourceSpec) -> Option<Failure> {
    let problem = render::check(&spec.target).err()?;
    Some(problem.failure("Nothing was asked for, and a Secret that stands there is left as it is."))
}

/// Whether the credentials exist, and their owner lets this provider's host have them.
pub fn credentials(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    match &observed.credentials {
        Credentials::Unnamed => None,
        Credentials::Missing(name) => Some(Failure::local(
            Reason::CredentialsNotFound,
            format!(
                "There is no Secret {name} in this namespace: create it with the keys the provider's client has \
                 (client_id, client_secret), or correct credentialsRef.name."
            ),
        )),
        Credentials::Present { name, allowed_hosts, .. } => {
            let endpoint = Endpoint::parse(provider.token_endpoint.as_deref()?).ok()?;
            let bound =
                allowed_hosts.as_deref().is_some_and(|hosts| HostBinding::parse(hosts).allows(&endpoint));
            (!bound).then(|| unbound(name, allowed_hosts.as_deref(), &endpoint))
        }
    }
}

fn unbound(secret: &str, allowed: Option<&str>, endpoint: &Endpoint) -> Failure {
    let host = endpoint.host();
    let state = match allowed {
        None => "names no hosts that may receive it".to_owned(),
        Some(_) => format!("does not allow {host} to receive it"),
    };
    // The present list is not repeated here: whoever reads this status may not be allowed to read that Secret.
    Failure::local(
        Reason::CredentialsNotBound,
        format!(
            "Secret {secret} {state}; nothing was sent. If it may: \
             kubectl annotate secret {secret} --overwrite {}={host} (a comma-separated list; keep the hosts that stand there).",
            annotation::ALLOWED_HOSTS
        ),
    )
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::local(Reason::InvalidSpec, message)
}

#[cfg(test)]
mod tests;
