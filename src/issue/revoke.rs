//! Revokes tokens at the provider (RFC 7009), with one request for each.
//! Must not know why they are revoked, nor where access tokens are stored.

use k8s_openapi::api::core::v1::Secret as SecretObject;

use crate::api::{Reason, TokenProviderSpec};
use crate::decide::refresh::RefreshBinding;
use crate::decide::{Failure, Observed, ask_revocation, refuse_credentials, refuse_unready};
use crate::issue::error::IssueError;
use crate::issue::inputs::{PreparedRequest, Purpose, prepare};
use crate::issue::lookup::Lookup;
use crate::issue::send::exchange;
use crate::oauth::{Retry, Secret, TokenTypeHint, read_revocation};

/// The tokens to revoke.
#[derive(Default)]
pub(crate) struct Tokens {
    /// The Secret that stores the refresh token. The token is sent only to the provider that issued it.
    pub(crate) refresh: Option<SecretObject>,
    pub(crate) access: Vec<Secret>,
    /// Why a token that the provider may still accept is not among them. Reported after the others are revoked.
    pub(crate) left_out: Option<Failure>,
}

/// Revokes the tokens, the refresh token first: a server should revoke the access tokens of the same grant with it (RFC 7009
/// §2.1), and then no further access token can be issued. If the provider refuses to revoke one token, the others are still
/// revoked.
pub(crate) async fn revoke<L: Lookup>(
    tokens: &Tokens,
    observed: &Observed<'_>,
    lookup: &L,
) -> Result<(), IssueError<L::Error>> {
    let whole = observed.provider.clone().map_err(IssueError::Refused)?;
    let provider = whole.revoking();
    let asking = Observed { provider: Ok(&provider), ..observed.clone() };
    let mut read = None;
    let prepared = prepare(Purpose::Revocation, &asking, &mut read, lookup).await?;
    let located = TokenProviderSpec {
        token_endpoint: prepared.provider.token_endpoint.clone(),
        revocation: prepared.provider.revocation.clone(),
        ..whole.clone()
    };
    consent(&located, observed, lookup).await?;
    let inputs_fingerprint =
        observed.fingerprints.as_ref().map(|fingerprints| fingerprints.token.as_str()).unwrap_or_default();
    let binding =
        RefreshBinding::now(observed.spec, &located, inputs_fingerprint, &prepared.inputs.credentials);
    let stored = tokens.refresh.as_ref().map(|stored| binding.usable(stored));
    let mut refused = tokens.left_out.clone().or_else(|| {
        matches!(stored, Some(None)).then(|| {
            Failure::not_revoked(
                "The refresh token was requested with an earlier spec or provider, so it is not sent to this one.",
            )
        })
    });
    let stored = stored.flatten();
    let observed = read.as_ref().unwrap_or(&asking);
    let refresh = stored.iter().map(|token| (token, TokenTypeHint::RefreshToken));
    let access = tokens.access.iter().map(|token| (token, TokenTypeHint::AccessToken));
    for (token, hint) in refresh.chain(access) {
        match send(token, hint, &prepared, observed, lookup).await {
            Err(IssueError::Failed(failure)) if matches!(failure.retry, Retry::Terminal { .. }) => {
                refused.get_or_insert(failure);
            }
            sent => sent?,
        }
    }
    refused.map_or(Ok(()), |failure| Err(IssueError::Failed(failure)))
}

/// Checks that the owners of everything that the token was requested with allow the revocation host. The revocation request
/// itself uses fewer Secrets and ServiceAccounts.
async fn consent<L: Lookup>(
    provider: &TokenProviderSpec,
    observed: &Observed<'_>,
    lookup: &L,
) -> Result<(), IssueError<L::Error>> {
    if let Some(failure) = refuse_credentials(observed, provider).or_else(|| refuse_unready(observed)) {
        return Err(IssueError::Refused(failure));
    }
    for account in provider.service_accounts() {
        lookup.consent(account, observed, provider).await?;
    }
    Ok(())
}

async fn send<L: Lookup>(
    token: &Secret,
    hint: TokenTypeHint,
    prepared: &PreparedRequest<'_>,
    observed: &Observed<'_>,
    lookup: &L,
) -> Result<(), IssueError<L::Error>> {
    let refused = IssueError::Refused;
    let mut ask =
        ask_revocation(observed.spec, &prepared.provider, &prepared.inputs, token, hint).map_err(refused)?;
    let Some(client) = &prepared.client else {
        let message = "The provider block names no revocation endpoint.";
        return Err(refused(Failure::local(Reason::InvalidSpec, message)));
    };
    exchange(&mut ask, client, prepared, observed, lookup, read_revocation).await
}
