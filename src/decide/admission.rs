//! What can be refused before anything is asked: contradictions in the spec, fields this version cannot serve yet,
//! credentials that are missing or not bound to the host.
//!
//! Every message says what to write or run instead. Must not know a credential's value.

mod assertions;

use super::refresh::{is_kept, secret_name};
use super::{Credentials, Failure, Observed, render};
use crate::api::{
    ClientAuthenticationMethod, OnRevoked, Reason, TokenProviderSpec, TokenSourceSpec, annotation,
};
use crate::oauth::{Endpoint, HostBinding};

/// A field of the contract that this version does not serve. Refused rather than passed over: a user who sets it
/// counts on it.
pub(super) fn unserved(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> Option<Failure> {
    use ClientAuthenticationMethod::{FederatedJwt, TlsClientAuth};
    let method = provider.client_authentication.method;
    let field = if provider.issuer.is_some() {
        "provider.issuer".to_owned()
    } else if matches!(method, TlsClientAuth | FederatedJwt) {
        format!("provider.clientAuthentication.method: {}", method.as_str())
    } else if provider.client_authentication.assertion.as_ref().is_some_and(|assertion| assertion.x5t_s256) {
        "provider.clientAuthentication.assertion.x5tS256".to_owned()
    } else if provider.subject_token.as_ref().is_some_and(|subject| subject.service_account_token.is_some()) {
        "provider.subjectToken.serviceAccountToken".to_owned()
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
    match &observed.spec.credentials_ref {
        None => missing_credentials(provider),
        Some(reference) if reference.name == observed.target_name() => Some(invalid(format!(
            "credentialsRef and target both name the Secret {}: give the target another name.",
            reference.name
        ))),
        Some(_) => None,
    }
    .or_else(|| refresh_token_in_target(observed, provider))
    .or_else(|| assertions::contradiction(observed, provider))
}

/// The Secret that pods mount would be the one that keeps the refresh token.
fn refresh_token_in_target(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    let target = observed.target_name();
    (is_kept(provider) && secret_name(observed.name) == target).then(|| {
        invalid(format!(
            "The target is named like the Secret that keeps the refresh token, {target}: give the target another name."
        ))
    })
}

/// A template that no token could be rendered with: better found before one is asked for.
pub(super) fn templates(spec: &TokenSourceSpec) -> Option<Failure> {
    let problem = render::check(&spec.target).err()?;
    Some(problem.failure("Nothing was asked for, and a Secret that stands there is left as it is."))
}

/// The spec names no credentials, but the request needs some.
fn missing_credentials(provider: &TokenProviderSpec) -> Option<Failure> {
    let method = provider.client_authentication.method;
    let needed = match method {
        ClientAuthenticationMethod::ClientSecretBasic
        | ClientAuthenticationMethod::ClientSecretPost
        | ClientAuthenticationMethod::ClientSecretJwt => "a client secret",
        ClientAuthenticationMethod::PrivateKeyJwt => "a private key",
        _ if matches!(provider.grant_type.as_deref(), Some("password" | "refresh_token")) => {
            return Some(invalid(format!(
                "grantType {} needs credentials of its own: name their Secret in credentialsRef.",
                provider.grant_type.as_deref().unwrap_or_default()
            )));
        }
        _ if assertions::grant_signs(provider) => {
            return Some(invalid(format!(
                "grantType {} needs a key to sign with: name its Secret in credentialsRef.",
                provider.grant_type.as_deref().unwrap_or_default()
            )));
        }
        _ => return None,
    };
    Some(invalid(format!(
        "clientAuthentication.method {} needs {needed}: name its Secret in credentialsRef, or set method: none.",
        method.as_str()
    )))
}

/// Whether the credentials and the token to exchange exist, and their owners let this provider's host have them.
pub fn credentials(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    let keys = "create it with the keys the provider's client has (client_id, client_secret), or correct \
                credentialsRef.name";
    let subject = "create it with the token to exchange, or correct subjectToken.secretKeyRef.name";
    usable(&observed.credentials, keys, provider).or_else(|| usable(&observed.subject, subject, provider))
}

fn usable(secret: &Credentials, remedy: &str, provider: &TokenProviderSpec) -> Option<Failure> {
    match secret {
        Credentials::Unnamed => None,
        Credentials::Missing(name) => Some(Failure::local(
            Reason::CredentialsNotFound,
            format!("There is no Secret {name} in this namespace: {remedy}."),
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
