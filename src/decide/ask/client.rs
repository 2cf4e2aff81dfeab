//! The client, and how it proves itself: from the contract's fields to the protocol's (RFC 6749 §2, 7523, 8705).
//! Must not know how a credential is fetched, nor what a grant needs.

use super::{RequestInputs, Values, client_id, grant};
use crate::api::{ClientAuthenticationMethod, CredentialKeys, TokenProviderSpec, TokenSourceSpec};
use crate::decide::Failure;
use crate::oauth::{Client, ClientAuthentication, Secret};

/// The client as the method wants it.
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
        // These can do without: a public client may have no id, and an issued assertion names its subject itself.
        Method::None | Method::FederatedJwt if !knows_id(spec, keys, values) => None,
        _ => Some(client_id(spec, keys, values)?),
    };
    let secret = || values.secret(keys.client_secret());
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
        // Without the token nothing comes this far; an empty assertion would be refused by any provider.
        Method::FederatedJwt => ClientAuthentication::IssuedAssertion {
            token: inputs.client_token.clone().unwrap_or_else(|| Secret::new(String::new())),
        },
        Method::None => ClientAuthentication::None,
    };
    Ok(Client { id, authentication, send_client_id: settings.send_client_id })
}

fn knows_id(spec: &TokenSourceSpec, keys: &CredentialKeys, values: &Values<'_>) -> bool {
    spec.client_id.is_some() || values.has(keys.client_id())
}
