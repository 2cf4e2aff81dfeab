//! The grants and client authentications that sign an assertion, and token exchange: from the fields of the API to those of
//! the protocol. Must not know how credentials are fetched or sent.

use super::{RequestInputs, Values, client_id};
use crate::api::{
    AssertionGrant, AssertionSettings, ClientAuthenticationMethod, CredentialKeys, ExchangeToken,
    JsonWebAlgorithm, RequestPart, TokenProviderSpec, TokenSourceSpec,
};
use crate::decide::Failure;
use crate::oauth::{Assertion, CertificateHeaders, Grant, GrantKind, JWT_BEARER, TOKEN_EXCHANGE, TypedToken};

/// The default token type (RFC 8693 §3): most Secrets hold a JWT.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// The grant with its own members.
pub(super) fn grant(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    keys: &CredentialKeys,
    credentials: &Values<'_>,
    inputs: &RequestInputs,
) -> Result<(Grant, GrantKind), Failure> {
    Ok(match provider.grant_type() {
        "client_credentials" => (Grant::ClientCredentials, GrantKind::ClientCredentials),
        "password" => {
            let (username, password) =
                (credentials.secret(keys.username())?, credentials.secret(keys.password())?);
            (Grant::Password { username, password }, GrantKind::Password)
        }
        "refresh_token" => (
            Grant::RefreshToken { token: credentials.secret(keys.refresh_token())? },
            GrantKind::RefreshToken,
        ),
        grant_type if provider.foreign_assertion().is_some() => {
            let assertion = inputs.token(RequestPart::Assertion, provider, credentials)?;
            (Grant::IssuedAssertion { grant_type: grant_type.to_owned(), assertion }, GrantKind::JwtBearer)
        }
        JWT_BEARER => {
            (Grant::JwtBearer { assertion: bearer(spec, provider, keys, credentials)? }, GrantKind::JwtBearer)
        }
        TOKEN_EXCHANGE => (exchange(provider, credentials, inputs)?, GrantKind::TokenExchange),
        "None" => (Grant::None, GrantKind::Extension),
        vendors => (Grant::Extension { grant_type: vendors.to_owned() }, GrantKind::Extension),
    })
}

fn exchange(
    provider: &TokenProviderSpec,
    credentials: &Values<'_>,
    inputs: &RequestInputs,
) -> Result<Grant, Failure> {
    let typed = |settings: Option<&ExchangeToken>, part| -> Result<TypedToken, Failure> {
        let type_ = settings.and_then(|settings| settings.type_.clone());
        let token = inputs.token(part, provider, credentials)?;
        Ok(TypedToken { token, type_: type_.unwrap_or_else(|| JWT.to_owned()) })
    };
    let actor = provider.actor_token.as_ref();
    Ok(Grant::TokenExchange {
        subject: typed(provider.subject_token.as_ref(), RequestPart::SubjectToken)?,
        actor: actor.map(|actor| typed(Some(actor), RequestPart::ActorToken)).transpose()?,
        requested_token_type: provider.requested_token_type.clone(),
    })
}

/// The assertion by which the client authenticates: issuer and subject are the client (RFC 7523 §3).
pub(super) fn client(
    provider: &TokenProviderSpec,
    keys: &CredentialKeys,
    values: &Values<'_>,
    id: &str,
) -> Result<Assertion, Failure> {
    let authentication = &provider.client_authentication;
    let algorithm = match authentication.method {
        ClientAuthenticationMethod::ClientSecretJwt => JsonWebAlgorithm::HS256,
        _ => JsonWebAlgorithm::RS256,
    };
    let settings = authentication.assertion.clone().unwrap_or_default();
    own(&settings, algorithm, provider, keys, values, id)
}

/// A JWT whose issuer is also its subject, unless the settings name a subject. The algorithm is that of the settings, or
/// else `algorithm`.
pub(super) fn own(
    settings: &AssertionSettings,
    algorithm: JsonWebAlgorithm,
    provider: &TokenProviderSpec,
    keys: &CredentialKeys,
    values: &Values<'_>,
    id: &str,
) -> Result<Assertion, Failure> {
    let AssertionSettings {
        algorithm: chosen,
        key_id,
        subject,
        audience,
        lifetime,
        x5t_s256,
        claims,
        x5t,
        x5c,
        headers,
        not_before,
        backdate,
    } = settings.clone();
    let algorithm = chosen.unwrap_or(algorithm);
    Ok(Assertion {
        algorithm,
        key: values.secret(key(keys, algorithm))?,
        key_id,
        certificate: certificate(CertificateHeaders { x5t, x5t_s256, x5c }, keys, values)?,
        headers,
        issuer: id.to_owned(),
        subject: Some(subject.unwrap_or_else(|| id.to_owned())).filter(|subject| !subject.is_empty()),
        audience: resolved(audience.as_deref(), provider),
        lifetime: lifetime.map_or(Assertion::DEFAULT_LIFETIME, crate::api::Duration::get),
        backdate: backdate.map_or(Assertion::DEFAULT_BACKDATE, crate::api::Duration::get),
        not_before,
        scope: None,
        claims: claims.unwrap_or_default(),
    })
}

/// The assertion of the JWT bearer grant (RFC 7523 §2.1).
fn bearer(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    keys: &CredentialKeys,
    values: &Values<'_>,
) -> Result<Assertion, Failure> {
    let AssertionGrant {
        issuer,
        subject,
        audience,
        scope_claim,
        lifetime,
        algorithm,
        key_id,
        claims,
        x5t,
        x5t_s256,
        x5c,
        headers,
        not_before,
        backdate,
        assertion_from: _,
    } = provider.assertion_grant.clone().unwrap_or_default();
    let issuer = match issuer.filter(|issuer| !issuer.is_empty()) {
        Some(issuer) => issuer,
        None => client_id(spec, keys, values)?,
    };
    let settings = AssertionSettings {
        algorithm,
        key_id,
        subject,
        audience,
        lifetime,
        x5t_s256,
        claims,
        x5t,
        x5c,
        headers,
        not_before,
        backdate,
    };
    let scope = spec.token.scopes.join(" ");
    let assertion = own(&settings, JsonWebAlgorithm::RS256, provider, keys, values, &issuer)?;
    Ok(Assertion { scope: (scope_claim && !scope.is_empty()).then_some(scope), ..assertion })
}

/// The certificate of the key, if a header contains it.
fn certificate(
    headers: CertificateHeaders,
    keys: &CredentialKeys,
    values: &Values<'_>,
) -> Result<Option<(String, CertificateHeaders)>, Failure> {
    headers.any().then(|| Ok((values.text(keys.certificate())?, headers))).transpose()
}

/// The name of the key in the credentials Secret that this algorithm signs with.
fn key(keys: &CredentialKeys, algorithm: JsonWebAlgorithm) -> &str {
    if algorithm.is_symmetric() { keys.client_secret() } else { keys.private_key() }
}

/// The `aud` claim, byte for byte as the user wrote it, because servers compare text and not URLs. None if the claim is left
/// out.
fn resolved(audience: Option<&str>, provider: &TokenProviderSpec) -> Option<String> {
    let named = match audience {
        None | Some("TokenEndpoint") => provider.token_endpoint.as_deref(),
        Some("Issuer") => provider.issuer.as_deref(),
        Some("None") => return None,
        literal => literal,
    };
    Some(named.unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests;
