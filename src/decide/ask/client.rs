//! The client and its authentication: from the fields of the API to those of the protocol (RFC 6749 §2, RFC 7523, RFC 8705).
//! Must not know how a credential is fetched, nor the fields of a grant.

use super::{RequestInputs, Values, client_id, grant};
use crate::api::{
    ClientAuthenticationMethod, CredentialKeys, JsonWebAlgorithm, RequestPart, TokenProviderSpec,
    TokenSourceSpec,
};
use crate::decide::Failure;
use crate::oauth::{Client, ClientAuthentication};

/// The client with the credentials that the authentication method needs.
pub(super) fn client(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    keys: &CredentialKeys,
    values: &Values<'_>,
    inputs: &RequestInputs,
) -> Result<Client, Failure> {
    use ClientAuthenticationMethod as Method;
    let settings = &provider.client_authentication;
    let id = match settings.method {
        // The id is optional here: a public client may have none, and an assertion of another issuer names its own subject.
        Method::None | Method::FederatedJwt if !knows_id(spec, keys, values) => None,
        Method::BearerToken if settings.bearer_assertion().is_none() && !knows_id(spec, keys, values) => None,
        _ => Some(client_id(spec, keys, values)?),
    };
    let secret = || match &settings.client_secret_from {
        Some(_) => inputs.token(RequestPart::ClientSecret, provider, values),
        None => values.secret(keys.client_secret()),
    };
    let authentication = match settings.method {
        Method::ClientSecretBasic => {
            ClientAuthentication::Basic { secret: secret()?, encoding: settings.basic_encoding }
        }
        Method::ClientSecretPost => ClientAuthentication::Post { secret: secret()? },
        Method::ClientSecretJwt | Method::PrivateKeyJwt => {
            let id = id.as_deref().unwrap_or_default();
            ClientAuthentication::Assertion(grant::client(provider, keys, values, id)?)
        }
        Method::TlsClientAuth => ClientAuthentication::MutualTls,
        Method::FederatedJwt => ClientAuthentication::IssuedAssertion {
            token: inputs.token(RequestPart::ClientAssertion, provider, values)?,
        },
        Method::BearerToken => match settings.bearer_assertion() {
            Some(assertion) => {
                let id = id.as_deref().unwrap_or_default();
                let algorithm = JsonWebAlgorithm::RS256;
                let signed = grant::own(assertion, algorithm, provider, keys, values, id)?;
                ClientAuthentication::BearerAssertion(signed)
            }
            None => ClientAuthentication::Bearer {
                token: inputs.token(RequestPart::BearerToken, provider, values)?,
            },
        },
        Method::None => ClientAuthentication::None,
    };
    Ok(Client { id, authentication, send_client_id: settings.send_client_id })
}

fn knows_id(spec: &TokenSourceSpec, keys: &CredentialKeys, values: &Values<'_>) -> bool {
    spec.client_id.is_some() || values.has(keys.client_id())
}
