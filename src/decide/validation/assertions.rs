//! Contradictions among the fields of signed assertions and token exchange. Knows only the spec; must not know a key. A
//! field without effect is refused, because a user who sets it relies on it.

use std::collections::BTreeMap;

use super::{Observed, Rule};
use crate::api::{
    AssertionGrant, AssertionSettings, ClientAuthenticationMethod, Duration, TokenProviderSpec,
};
use crate::decide::versions::Role;
use crate::oauth::{Assertion, JWT_BEARER, TOKEN_EXCHANGE};

/// The grant type of RFC 7522.
const SAML2_BEARER: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";

/// The maximum of `backdate`. A longer one would hide a wrong clock.
const LONGEST_BACKDATE: std::time::Duration = std::time::Duration::from_secs(600);
/// The maximum number of additional members of a JOSE header.
const MOST_HEADERS: usize = 16;

/// The contradictions that this module knows.
pub(super) const RULES: [Rule; 8] = [
    idle_fields,
    missing_subject,
    input_is_target,
    wrong_family,
    unknown_audience,
    long_backdate,
    short_life,
    refused_header,
];

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
    let exchange = "grantType: urn:ietf:params:oauth:grant-type:token-exchange";
    let exchanges = exchanges(provider);
    let fields = [
        (
            authentication.assertion.is_some(),
            matches!(authentication.method, ClientSecretJwt | PrivateKeyJwt),
            "clientAuthentication.assertion",
            "clientAuthentication.method: private_key_jwt or client_secret_jwt",
        ),
        (
            provider.assertion_grant.is_some(),
            presents_assertion(provider),
            "assertionGrant",
            "grantType: urn:ietf:params:oauth:grant-type:jwt-bearer",
        ),
        (provider.subject_token.is_some(), exchanges, "subjectToken", exchange),
        (provider.actor_token.is_some(), exchanges, "actorToken", exchange),
        (provider.requested_token_type.is_some(), exchanges, "requestedTokenType", exchange),
    ];
    let (.., field, needed) = fields.into_iter().find(|(is_set, has_effect, ..)| *is_set && !has_effect)?;
    Some(format!("provider.{field} has an effect only with {needed}: set that, or remove it."))
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
            "clientAuthentication.assertion.algorithm {algorithm:?} cannot be used with method {}: {instead}.",
            authentication.method.as_str()
        )
    })
}

/// The fields of one assertion or token that the controller signs.
struct Signed<'a> {
    /// The path of the assertion in the provider block.
    field: &'static str,
    audience: Option<&'a str>,
    lifetime: Option<Duration>,
    backdate: Option<Duration>,
    headers: &'a BTreeMap<String, String>,
}

impl Signed<'_> {
    fn backdate(&self) -> std::time::Duration {
        self.backdate.map_or(Assertion::DEFAULT_BACKDATE, Duration::get)
    }
}

/// The assertions that are signed for a request, and the token that is signed instead of a request.
fn signed(provider: &TokenProviderSpec) -> impl Iterator<Item = Signed<'_>> {
    let authentication = &provider.client_authentication;
    let settings = [
        (authentication.assertion.as_ref(), "clientAuthentication.assertion"),
        (authentication.bearer_assertion(), "clientAuthentication.bearerToken.assertion"),
    ];
    let settings = settings.into_iter().filter_map(|(settings, field)| {
        let AssertionSettings { audience, lifetime, backdate, headers, .. } = settings?;
        let (audience, lifetime, backdate) = (audience.as_deref(), *lifetime, *backdate);
        Some(Signed { field, audience, lifetime, backdate, headers })
    });
    let grant = provider.assertion_grant.as_ref().map(|grant| {
        let AssertionGrant { audience, lifetime, backdate, headers, .. } = grant;
        let (audience, lifetime, backdate) = (audience.as_deref(), *lifetime, *backdate);
        Signed { field: "assertionGrant", audience, lifetime, backdate, headers }
    });
    let token = provider.signed_token.as_ref().map(|token| Signed {
        field: "signedToken",
        audience: None,
        lifetime: Some(token.lifetime()),
        backdate: None,
        headers: &token.headers,
    });
    settings.chain(grant).chain(token)
}

fn unknown_audience(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let unknown = |signed: &Signed<'_>| signed.audience == Some("Issuer") && provider.issuer.is_none();
    let field = signed(provider).find(unknown)?.field;
    Some(format!(
        "provider.{field}.audience: Issuer needs provider.issuer, which is not set: write the issuer's URL itself there."
    ))
}

fn long_backdate(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let field = signed(provider).find(|signed| signed.backdate() > LONGEST_BACKDATE)?.field;
    Some(format!("provider.{field}.backdate is too long: write 10m or less."))
}

fn short_life(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let (field, least) = signed(provider).find_map(|signed| {
        let least = Assertion::least_lifetime(signed.backdate());
        let lifetime = signed.lifetime.map_or(Assertion::DEFAULT_LIFETIME, Duration::get);
        (lifetime < least).then_some((signed.field, least))
    })?;
    Some(format!(
        "provider.{field}.lifetime is too short: it counts from iat, which is dated back because clocks differ; write {}s or more.",
        least.as_secs() + u64::from(least.subsec_nanos() > 0)
    ))
}

fn refused_header(_: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    signed(provider).find_map(|Signed { field, headers, .. }| {
        if headers.len() > MOST_HEADERS {
            return Some(format!("provider.{field}.headers has more than {MOST_HEADERS} members: remove some."));
        }
        headers.iter().find_map(|(name, value)| {
            if let Some(instead) = Assertion::refused_header(name) {
                return Some(format!("provider.{field}.headers must not have {name}: {instead}."));
            }
            if name.is_empty() || name.chars().count() > 64 || !is_visible(name) {
                return Some(format!(
                    "provider.{field}.headers has a name that cannot be sent: write 1 to 64 visible characters."
                ));
            }
            (value.chars().count() > 1024 || !is_visible(value)).then(|| {
                format!(
                    "provider.{field}.headers.{name} cannot be sent: write at most 1024 characters, all of them visible."
                )
            })
        })
    })
}

/// Checked here too, because the CRD's rules cannot limit the characters of a member's name, and an older CRD may be
/// installed.
fn is_visible(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests;
