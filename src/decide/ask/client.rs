//! The client and its authentication: from the fields of the API to the fields of the protocol (RFC 6749 §2, RFC 7523, RFC
//! 8705). Must not know how a credential is fetched, nor the fields of a grant.

use super::RequestContext;
use crate::api::{ClientAuthenticationMethod, JsonWebAlgorithm, RequestPart};
use crate::decide::Failure;
use crate::oauth::{Client, ClientAuthentication};

impl RequestContext<'_> {
    /// The client with the credentials that the authentication method needs.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        use ClientAuthenticationMethod as Method;
        let settings = &self.provider.client_authentication;
        let id = match settings.method {
            // The id is optional here: a public client may have none, an assertion of another issuer names its own subject,
            // and a bearer token identifies the client.
            Method::None | Method::FederatedJwt if !self.knows_client_id() => None,
            Method::BearerToken if settings.bearer_assertion().is_none() && !self.knows_client_id() => None,
            _ => Some(self.client_id()?),
        };
        let secret = || match &settings.client_secret_from {
            Some(_) => self.token(RequestPart::ClientSecret),
            None => self.credentials.secret(self.keys.client_secret()),
        };
        let authentication = match settings.method {
            Method::ClientSecretBasic => {
                ClientAuthentication::Basic { secret: secret()?, encoding: settings.basic_encoding }
            }
            Method::ClientSecretPost => ClientAuthentication::Post { secret: secret()? },
            Method::ClientSecretJwt | Method::PrivateKeyJwt => {
                let id = id.as_deref().unwrap_or_default();
                ClientAuthentication::Assertion(self.client_assertion(id)?)
            }
            Method::TlsClientAuth => ClientAuthentication::MutualTls,
            Method::FederatedJwt => {
                ClientAuthentication::IssuedAssertion { token: self.token(RequestPart::ClientAssertion)? }
            }
            Method::BearerToken => match settings.bearer_assertion() {
                Some(assertion) => {
                    let id = id.as_deref().unwrap_or_default();
                    let signed = self.own_assertion(assertion.clone(), JsonWebAlgorithm::RS256, id)?;
                    ClientAuthentication::BearerAssertion(signed)
                }
                None => ClientAuthentication::Bearer { token: self.token(RequestPart::BearerToken)? },
            },
            Method::None => ClientAuthentication::None,
        };
        Ok(Client { id, authentication, send_client_id: settings.send_client_id })
    }

    fn knows_client_id(&self) -> bool {
        self.spec.client_id.is_some() || self.credentials.data.contains_key(self.keys.client_id())
    }
}
