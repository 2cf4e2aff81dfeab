//! Specs that are refused before any request: contradictions, missing credentials, and credentials whose owner does not
//! allow the host.
//!
//! Every message says what to write or run instead. Must not know a credential's value.

mod assertions;
mod binding;
mod identity;
mod response;
mod signed_token;
mod target;
mod upstream;

use super::refresh::{secret_name, stores_refresh_token};
use super::{Failure, Observed, render};
use crate::api::{ClientAuthenticationMethod, RESERVED_TYPES, Reason, TokenProviderSpec, TokenSourceSpec};
use crate::oauth::{Endpoint, Issuer};

use binding::has_owner;
pub use binding::{LONGEST_HOSTS, service_account};
pub use upstream::unready;

/// Checks the Secrets and the tokens of other TokenSources that a request is made with. [`unready`] checks separately
/// whether such a token is valid now.
pub fn credentials(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    binding::credentials(observed, provider)
        .or_else(|| signed_token::consent(observed, provider))
        .or_else(|| upstream::unusable(observed, provider))
}

/// Contradictions that the CRD's rules do not catch, for example because a rule does not see a referenced provider.
pub(super) fn contradiction(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    if let Some(failure) = reserved_type(observed.spec).or_else(|| unreadable_url(observed.spec, provider)) {
        return Some(failure);
    }
    if let Some(failure) = signed_token::contradiction(observed, provider) {
        return Some(failure);
    }
    match &observed.spec.credentials_ref {
        None => missing_credentials(observed.spec, provider),
        Some(reference) if reference.name == observed.target_name() => Some(invalid(format!(
            "credentialsRef and target both name the Secret {}: give the target another name.",
            reference.name
        ))),
        Some(_) => None,
    }
    .or_else(|| refresh_token_in_target(observed, provider))
    .or_else(|| target::unacceptable(observed, provider))
    .or_else(|| first(&assertions::RULES, observed, provider))
    .or_else(|| first(&identity::RULES, observed, provider))
    .or_else(|| upstream::circle(observed))
    .or_else(|| probe(observed, provider))
    .or_else(|| revocation(observed, provider))
    .or_else(|| first(&response::RULES, observed, provider))
}

/// A check of a spec. Returns what is wrong, and what to write instead.
type Rule = fn(&Observed<'_>, &TokenProviderSpec) -> Option<String>;

fn first(rules: &[Rule], observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    rules.iter().find_map(|rule| rule(observed, provider)).map(invalid)
}

/// Refuses the Secret types that Kubernetes or this controller reads as credentials. For example, Kubernetes fills a Secret
/// of type `kubernetes.io/service-account-token` with the token of the ServiceAccount that an annotation names.
fn reserved_type(spec: &TokenSourceSpec) -> Option<Failure> {
    let reserved = spec.target.type_.as_deref().filter(|type_| RESERVED_TYPES.contains(type_))?;
    Some(invalid(format!(
        "target.type {reserved} is one that Kubernetes, or this controller, reads as credentials of its own; nothing was \
         written. Choose another, such as Opaque."
    )))
}

/// Refuses a provider block without exactly one way to get a token, and URLs that the CRD's rules accept and the client
/// cannot read.
fn unreadable_url(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> Option<Failure> {
    let issuer = provider.issuer.as_deref().map(|url| ("provider.issuer", Issuer::parse(url).err()));
    let endpoint =
        provider.token_endpoint.as_deref().map(|url| ("provider.tokenEndpoint", Endpoint::parse(url).err()));
    let revocation = provider
        .revocation_endpoint()
        .map(|url| ("provider.revocation.endpoint", Endpoint::parse(url).err()));
    let probe = spec.renewal.probe.as_ref();
    let probe = probe.map(|probe| ("renewal.probe.url", Endpoint::parse(&probe.url).err()));
    let refresh = provider.refresh_endpoint();
    let refresh = refresh.map(|url| ("provider.refresh.tokenEndpoint", Endpoint::parse(url).err()));
    let ways = [issuer.is_some(), endpoint.is_some(), provider.signed_token.is_some()];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        return Some(invalid(
            "Set exactly one of provider.tokenEndpoint, provider.issuer and provider.signedToken.",
        ));
    }
    let mut read = [issuer, endpoint, refresh, revocation, probe].into_iter().flatten();
    read.find_map(|(field, error)| Some(invalid(format!("{field}: {}.", error?))))
}

/// Refuses a probe whose host no owner of a credential could allow, and a probe if the target does not contain the unchanged
/// token.
fn probe(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    observed.spec.renewal.probe.as_ref()?;
    if !has_owner(observed, provider) {
        return Some(invalid(
            "renewal.probe sends the token to a host that the owner of the credentials must have allowed, and the spec \
             names no credentials: remove the probe, or name them in credentialsRef.",
        ));
    }
    (!render::keeps_token(&observed.spec.target)).then(|| {
        invalid(
            "renewal.probe needs the token itself, and target.data does not keep it: add the key access_token with \
             the template {{ access_token }}, or remove the probe.",
        )
    })
}

/// Refuses settings of a revocation that contradict each other, that lack a URL or credentials, or that need a token which
/// the target does not contain.
fn revocation(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    let revocation = provider.revocation.as_ref()?;
    if !revocation.on_delete && !revocation.on_replace {
        return Some(invalid(
            "provider.revocation has an effect only with onDelete or onReplace: set one of them to true, or leave revocation out.",
        ));
    }
    if revocation.grace.is_some() && !revocation.on_replace {
        return Some(invalid(
            "provider.revocation.grace is the time between a replacement and the revocation: set onReplace: true, or leave grace \
             out.",
        ));
    }
    let grace = revocation.grace().get().as_secs();
    if !(1..=3600).contains(&grace) {
        return Some(invalid("provider.revocation.grace: write 1s to 1h."));
    }
    if !has_owner(observed, provider) {
        return Some(invalid(
            "provider.revocation sends the token to a host that the owner of the credentials must have allowed, and the spec \
             names no credentials: remove revocation, or name them in credentialsRef.",
        ));
    }
    if revocation.endpoint.is_none() && provider.issuer.is_none() {
        return Some(invalid(
            "provider.revocation needs a URL: set revocation.endpoint, or set issuer instead of tokenEndpoint, whose metadata \
             names it.",
        ));
    }
    (!render::keeps_token(&observed.spec.target)).then(|| {
        invalid(
            "provider.revocation needs the token itself, and target.data does not keep it: add the key access_token with \
             the template {{ access_token }}, or leave revocation out.",
        )
    })
}

/// Refuses a target with the name of the Secret for the refresh token: pods would mount the refresh token.
fn refresh_token_in_target(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    let target = observed.target_name();
    (stores_refresh_token(provider) && secret_name(observed.name) == target).then(|| {
        invalid(format!(
            "The target is named like the Secret that keeps the refresh token, {target}: give the target another name."
        ))
    })
}

/// Refuses templates that cannot be rendered, before a token is requested for them.
pub(super) fn templates(observed: &Observed<'_>) -> Option<Failure> {
    let problem = observed.template_problem.as_ref()?;
    Some(problem.failure("No token was requested, and an existing Secret was not changed."))
}

/// Refuses a spec that names no credentials although the request needs some.
fn missing_credentials(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> Option<Failure> {
    let method = provider.client_authentication.method;
    if let Some(key) = provider.credentials_keys().next() {
        return Some(invalid(format!(
            "The request needs the key {key} of the credentials (credentialsKey): name their Secret in credentialsRef."
        )));
    }
    let has_secret_elsewhere = provider.client_authentication.client_secret_from.is_some()
        && matches!(
            method,
            ClientAuthenticationMethod::ClientSecretBasic | ClientAuthenticationMethod::ClientSecretPost
        );
    let needed = match method {
        ClientAuthenticationMethod::ClientSecretBasic
        | ClientAuthenticationMethod::ClientSecretPost
        | ClientAuthenticationMethod::ClientSecretJwt
            if !has_secret_elsewhere =>
        {
            "a client secret"
        }
        _ if has_secret_elsewhere && spec.client_id.is_none() => {
            return Some(invalid(
                "clientAuthentication.clientSecretFrom needs a client id: write it in clientId, or name a Secret that holds \
                 it in credentialsRef.",
            ));
        }
        ClientAuthenticationMethod::PrivateKeyJwt => "a private key",
        ClientAuthenticationMethod::BearerToken
            if provider.client_authentication.bearer_assertion().is_some() =>
        {
            "a private key"
        }
        ClientAuthenticationMethod::TlsClientAuth if spec.client_id.is_none() => {
            return Some(invalid(
                "clientAuthentication.method tls_client_auth needs a client id: write it in clientId, or name a Secret \
                 that holds it in credentialsRef.",
            ));
        }
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

fn invalid(message: impl Into<String>) -> Failure {
    Failure::local(Reason::InvalidSpec, message)
}

#[cfg(test)]
mod tests;
