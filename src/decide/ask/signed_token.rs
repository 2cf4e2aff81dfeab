//! A token that the controller signs itself: from the fields of the API to the fields of the protocol. Must not know how
//! the key is fetched, nor when the token is signed.

use super::{RequestContext, RequestInputs};
use crate::api::{AssertionSettings, JsonWebAlgorithm, SignedToken, TokenProviderSpec, TokenSourceSpec};
use crate::decide::Failure;
use crate::oauth::{Assertion, Secret};

/// A token to sign.
pub struct TokenToSign {
    /// The token.
    pub assertion: Assertion,
    /// Whether the client id is the issuer.
    pub names_client: bool,
    /// The values that must not appear in any message.
    pub confidential: Vec<Secret>,
}

/// The token to sign; None if a provider issues the token.
///
/// Fails with `CredentialsNotFound` for a missing key, `CredentialsInvalid` for a value that cannot be used.
pub fn token_to_sign(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    inputs: &RequestInputs,
) -> Result<Option<TokenToSign>, Failure> {
    let Some(settings) = provider.signed_token.clone() else { return Ok(None) };
    let SignedToken { issuer, subject, audience, lifetime: _, algorithm, key_id, claims, headers } =
        settings.clone();
    let context = RequestContext::new(spec, provider, inputs);
    let names_client = issuer.is_none();
    let issuer = issuer.map_or_else(|| context.client_id(), Ok)?;
    let lifetime = Some(settings.lifetime());
    let subject = Some(subject.unwrap_or_default());
    let settings = AssertionSettings {
        algorithm,
        key_id,
        subject,
        lifetime,
        claims,
        headers,
        ..AssertionSettings::default()
    };
    let assertion = context.own_assertion(settings, JsonWebAlgorithm::RS256, &issuer)?;
    Ok(Some(TokenToSign {
        assertion: Assertion { audience, ..assertion },
        names_client,
        confidential: context.confidential(None),
    }))
}
