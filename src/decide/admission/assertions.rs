//! Contradictions among the fields of signed assertions and token exchange. Knows the spec alone; must not know a
//! key. A field that would have no effect is refused, for whoever sets it counts on it.

use super::{Failure, Observed, invalid};
use crate::api::{ClientAuthenticationMethod, Duration, TokenProviderSpec};
use crate::decide::versions::Role;
use crate::oauth::{Assertion, JWT_BEARER, TOKEN_EXCHANGE};

/// RFC 7522.
const SAML2_BEARER: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";

type Rule = fn(&Observed<'_>, &TokenProviderSpec) -> Option<String>;

const RULES: [Rule; 6] =
    [idle_fields, missing_subject, input_is_target, wrong_family, unknown_audience, short_life];

/// The first contradiction, with what to write instead.
pub(super) fn contradiction(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    RULES.iter().find_map(|rule| rule(observed, provider)).map(invalid)
}

/// Whether the grant signs with a key of the credentials.
pub(super) fn grant_signs(provider: &TokenProviderSpec) -> bool {
    provider.grant_type.as_deref() == Some(JWT_BEARER) && provider.foreign_assertion().is_none()
}

/// Whether the grant presents an assertion: one that is signed for the request, or one of another issuer, which may be SAML.
fn presents_assertion(provider: &TokenProviderSpec) -> bool {
    match provider.grant_type.as_deref() {
        Some(JWT_BEARER) => true,
        Some(SAML2_BEARER) => provider.foreign_assertion().is_some(),
        _ => false,
    }
}

fn exchanges(provider: &TokenProviderSpec) -> bool {
    provider.grant_type.as_deref() == Some(TOKEN_EXCHANGE)
}

fn idle_fields(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    use ClientAuthenticationMethod::{ClientSecretJwt, PrivateKeyJwt};
    let authentication = &provider.client_authentication;
    let idle = if authentication.assertion.is_some()
        && !matches!(authentication.method, ClientSecretJwt | PrivateKeyJwt)
    {
        (
            "clientAuthentication.assertion",
            "clientAuthentication.method: private_key_jwt or client_secret_jwt",
        )
    } else if provider.assertion_grant.is_some() && !presents_assertion(provider) {
        ("assertionGrant", "grantType: urn:ietf:params:oauth:grant-type:jwt-bearer")
    } else if provider.subject_token.is_some() && !exchanges(provider) {
        ("subjectToken", "grantType: urn:ietf:params:oauth:grant-type:token-exchange")
    } else if provider.actor_token.is_some() && !exchanges(provider) {
        ("actorToken", "grantType: urn:ietf:params:oauth:grant-type:token-exchange")
    } else if provider.requested_token_type.is_some() && !exchanges(provider) {
        ("requestedTokenType", "grantType: urn:ietf:params:oauth:grant-type:token-exchange")
    } else {
        return None;
    };
    Some(format!("provider.{} has an effect only with {}: set that, or remove it.", idle.0, idle.1))
}

fn missing_subject(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let missing = exchanges(provider) && provider.subject_token.is_none();
    missing.then(|| {
        "provider.grantType token-exchange needs a token to exchange: name the Secret and key that hold it in \
         provider.subjectToken.secretKeyRef, a ServiceAccount in provider.subjectToken.serviceAccountToken, or another \
         TokenSource in provider.subjectToken.tokenSourceRef."
            .to_owned()
    })
}

fn input_is_target(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let target = observed.target_name();
    let inputs = [
        (Role::Subject, "subjectToken.secretKeyRef"),
        (Role::Actor, "actorToken.secretKeyRef"),
        (Role::Assertion, "assertionGrant.assertionFrom.secretKeyRef"),
    ];
    let (_, field) = inputs
        .into_iter()
        .find(|(role, _)| role.reference(provider).is_some_and(|reference| reference.name == target))?;
    Some(format!("{field} and target both name the Secret {target}: give the target another name."))
}

fn wrong_family(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let authentication = &provider.client_authentication;
    let algorithm = authentication.assertion.as_ref()?.algorithm?;
    let (fits, instead) = match authentication.method {
        ClientAuthenticationMethod::ClientSecretJwt => {
            (algorithm.is_symmetric(), "write HS256, HS384 or HS512, or set method: private_key_jwt")
        }
        ClientAuthenticationMethod::PrivateKeyJwt => (
            !algorithm.is_symmetric(),
            "write the algorithm the key is for (RS256, PS256, ES256, EdDSA, …), or set method: client_secret_jwt",
        ),
        _ => return None,
    };
    (!fits).then(|| {
        format!(
            "clientAuthentication.assertion.algorithm {algorithm:?} does not go with method {}: {instead}.",
            authentication.method.as_str()
        )
    })
}

fn unknown_audience(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let assertion = provider.client_authentication.assertion.as_ref().and_then(|a| a.audience.as_deref());
    let grant = provider.assertion_grant.as_ref().and_then(|grant| grant.audience.as_deref());
    let field = [(assertion, "clientAuthentication.assertion.audience"), (grant, "assertionGrant.audience")]
        .into_iter()
        .find_map(|(audience, field)| {
            (audience == Some("Issuer") && provider.issuer.is_none()).then_some(field)
        })?;
    Some(format!(
        "provider.{field}: Issuer needs provider.issuer, which is not set: write the issuer's URL itself there."
    ))
}

fn short_life(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let assertion =
        provider.client_authentication.assertion.as_ref().and_then(|assertion| assertion.lifetime);
    let grant = provider.assertion_grant.as_ref().and_then(|grant| grant.lifetime);
    let field = [(assertion, "clientAuthentication.assertion.lifetime"), (grant, "assertionGrant.lifetime")]
        .into_iter()
        .find_map(|(life, field)| {
            life.is_some_and(|life| Duration::get(life) < Assertion::LEAST_LIFETIME).then_some(field)
        })?;
    Some(format!(
        "provider.{field} is too short: an assertion is dated ten seconds back, for clocks differ; write 30s or more."
    ))
}

#[cfg(test)]
mod tests;
