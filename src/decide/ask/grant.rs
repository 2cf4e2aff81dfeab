//! The grant, and the assertions that are signed for the grant or for the client authentication: from the fields of the API
//! to the fields of the protocol. Must not know how credentials are fetched or sent.

use super::RequestContext;
use crate::api::{
    AssertionGrant, AssertionSettings, ClientAuthenticationMethod, ExchangeToken, JsonWebAlgorithm,
    RequestPart, TokenProviderSpec,
};
use crate::decide::Failure;
use crate::oauth::{Assertion, CertificateHeaders, Grant, GrantKind, JWT_BEARER, TOKEN_EXCHANGE, TypedToken};

/// The default token type (RFC 8693 §3): most tokens to exchange are JWTs.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

impl RequestContext<'_> {
    /// The grant with its own members.
    pub(super) fn grant(&self) -> Result<(Grant, GrantKind), Failure> {
        let Self { provider, credentials, keys, .. } = self;
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
                let assertion = self.token(RequestPart::Assertion)?;
                (
                    Grant::IssuedAssertion { grant_type: grant_type.to_owned(), assertion },
                    GrantKind::JwtBearer,
                )
            }
            JWT_BEARER => (Grant::JwtBearer { assertion: self.bearer_assertion()? }, GrantKind::JwtBearer),
            TOKEN_EXCHANGE => (self.exchange()?, GrantKind::TokenExchange),
            "None" => (Grant::None, GrantKind::Extension),
            vendors => (Grant::Extension { grant_type: vendors.to_owned() }, GrantKind::Extension),
        })
    }

    fn exchange(&self) -> Result<Grant, Failure> {
        let typed = |settings: Option<&ExchangeToken>, part| -> Result<TypedToken, Failure> {
            let type_ = settings.and_then(|settings| settings.type_.clone());
            Ok(TypedToken { token: self.token(part)?, type_: type_.unwrap_or_else(|| JWT.to_owned()) })
        };
        let actor = self.provider.actor_token.as_ref();
        Ok(Grant::TokenExchange {
            subject: typed(self.provider.subject_token.as_ref(), RequestPart::SubjectToken)?,
            actor: actor.map(|actor| typed(Some(actor), RequestPart::ActorToken)).transpose()?,
            requested_token_type: self.provider.requested_token_type.clone(),
        })
    }

    /// The assertion by which the client authenticates: the issuer and, by default, the subject are the client (RFC 7523
    /// §3).
    pub(super) fn client_assertion(&self, id: &str) -> Result<Assertion, Failure> {
        let authentication = &self.provider.client_authentication;
        let algorithm = match authentication.method {
            ClientAuthenticationMethod::ClientSecretJwt => JsonWebAlgorithm::HS256,
            _ => JsonWebAlgorithm::RS256,
        };
        self.own_assertion(authentication.assertion.clone().unwrap_or_default(), algorithm, id)
    }

    /// A JWT whose issuer is also its subject, unless the settings name a subject. An empty subject leaves the claim out.
    /// The algorithm is the one in the settings, or else `algorithm`.
    pub(super) fn own_assertion(
        &self,
        settings: AssertionSettings,
        algorithm: JsonWebAlgorithm,
        id: &str,
    ) -> Result<Assertion, Failure> {
        // Every field, so that a new one cannot be forgotten.
        let AssertionSettings {
            algorithm: wanted,
            key_id,
            subject,
            audience,
            lifetime,
            claims,
            x5t,
            x5t_s256,
            x5c,
            headers,
            not_before,
            backdate,
        } = settings;
        let algorithm = wanted.unwrap_or(algorithm);
        let subject = subject.unwrap_or_else(|| id.to_owned());
        Ok(Assertion {
            algorithm,
            key: self.credentials.secret(self.signing_key(algorithm))?,
            key_id,
            certificate: self.certificate(CertificateHeaders { x5t, x5t_s256, x5c })?,
            headers,
            issuer: id.to_owned(),
            subject: Some(subject).filter(|subject| !subject.is_empty()),
            audience: resolved(audience.as_deref(), self.provider),
            lifetime: lifetime.map_or(Assertion::DEFAULT_LIFETIME, crate::api::Duration::get),
            backdate: backdate.map_or(Assertion::DEFAULT_BACKDATE, crate::api::Duration::get),
            not_before,
            scope: None,
            claims: claims.unwrap_or_default(),
        })
    }

    /// The assertion of the JWT bearer grant (RFC 7523 §2.1).
    fn bearer_assertion(&self) -> Result<Assertion, Failure> {
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
        } = self.provider.assertion_grant.clone().unwrap_or_default();
        let issuer = match issuer.filter(|issuer| !issuer.is_empty()) {
            Some(issuer) => issuer,
            None => self.client_id()?,
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
        let scope = self.spec.token.scopes.join(" ");
        let assertion = self.own_assertion(settings, JsonWebAlgorithm::RS256, &issuer)?;
        Ok(Assertion { scope: (scope_claim && !scope.is_empty()).then_some(scope), ..assertion })
    }

    /// The certificate of the key, if one of the headers needs it.
    fn certificate(
        &self,
        headers: CertificateHeaders,
    ) -> Result<Option<(String, CertificateHeaders)>, Failure> {
        headers.any().then(|| Ok((self.credentials.text(self.keys.certificate())?, headers))).transpose()
    }

    /// The name of the key in the credentials Secret that this algorithm signs with.
    fn signing_key(&self, algorithm: JsonWebAlgorithm) -> &str {
        if algorithm.is_symmetric() { self.keys.client_secret() } else { self.keys.private_key() }
    }
}

/// The `aud` claim, byte for byte as the spec or the issuer's metadata has it, because servers compare text and not URLs.
/// None if the claim is left out.
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
