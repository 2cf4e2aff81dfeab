//! Builds the request that revokes a token (RFC 7009) from a spec. Must not know which tokens are revoked, nor how a request
//! is sent.

use super::{Ask, RequestContext, RequestInputs};
use crate::api::{Reason, TokenProviderSpec, TokenSourceSpec};
use crate::decide::Failure;
use crate::oauth::{Disclosure, Endpoint, GrantKind, Secret, TokenTypeHint, revocation};

/// Builds the request. The revocation endpoint must be known: without one in the provider block, the caller has read it from
/// the issuer's metadata.
///
/// Fails as [`super::ask`] does, and with `InvalidSpec` if there is no revocation endpoint.
pub fn ask_revocation(
    spec: &TokenSourceSpec,
    provider: &TokenProviderSpec,
    inputs: &RequestInputs,
    token: &Secret,
    hint: TokenTypeHint,
) -> Result<Ask, Failure> {
    let Some(url) = provider.revocation_endpoint() else {
        return Err(Failure::local(
            Reason::InvalidSpec,
            "The metadata of the issuer names no revocation_endpoint: set provider.revocation.endpoint.",
        ));
    };
    let endpoint = Endpoint::parse(url).map_err(|error| Failure::from(&error))?;
    let context = RequestContext::new(spec, provider, inputs);
    Ok(Ask {
        request: revocation(endpoint, context.client()?, context.headers()?, token, hint),
        disclosure: Disclosure::default(),
        grant: GrantKind::ClientCredentials,
        confidential: context.confidential(Some(token)),
    })
}
