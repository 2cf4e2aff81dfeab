//! Sends a prepared request, and reads the answer.
//! Must not know why a token is wanted, nor where it is written.

use std::time::Instant;

use crate::api::{TokenProviderSpec, TokenSource};
use crate::controller::error::Error;
use crate::controller::issue::error::IssueError;
use crate::controller::issue::inputs::PreparedRequest;
use crate::controller::issue::lookup::Lookup;
use crate::decide::{Failure, Observed, ask, credentials, disclosure};
use crate::oauth::{Disclosure, Endpoint, Metadata, Secret, SigningContext, Token, build, read};

/// Sends one request. A refused request is not repeated in another form, since each attempt may count towards a quota or
/// a lockout.
pub(crate) async fn send(
    prepared: &PreparedRequest<'_>,
    refresh_token: Option<&Secret>,
    source: &TokenSource,
    observed: &Observed<'_>,
    lookup: &impl Lookup,
) -> Result<Token, IssueError> {
    let provider = &prepared.provider;
    let mut ask =
        ask(&source.spec, provider, &prepared.inputs, refresh_token).map_err(IssueError::Refused)?;
    ask.disclosure = disclosure(observed, provider, &ask.request.endpoint, true);
    if let Some(failure) = credentials::placeholder(&source.spec, provider, &prepared.inputs) {
        return Err(IssueError::Refused(failure));
    }
    lookup.may_send().map_err(Error::Ask)?;
    let nonce = lookup.nonce().ok_or(Error::Random)?;
    let signing = SigningContext { now: lookup.now(), nonce };
    let mut request =
        build(&ask.request, &signing).map_err(|error| IssueError::Refused(Failure::from(&error)))?;
    let signed = std::mem::take(&mut request.signed);

    let started = Instant::now();
    let answer = lookup.wait_for(prepared.client.send(request)).await;
    lookup.request_took(started.elapsed());
    let confidential: Vec<&Secret> = ask.confidential.iter().chain(&signed).collect();
    let reading = ask.reading(&source.spec, provider, signing.now, &confidential);
    answer.and_then(|answer| read(&answer, &reading)).map_err(|error| {
        let failure = Failure::of_exchange(error, ask.disclosure);
        IssueError::Failed(credentials::explained(failure, &source.spec, provider, &prepared.inputs))
    })
}

/// What the request uses and the issuer's metadata does not list. None if answers of the issuer's host must not be shown.
pub(crate) fn unlisted(
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    metadata: &Metadata,
) -> Option<String> {
    let issuer = Endpoint::parse(provider.issuer.as_deref()?).ok()?;
    if disclosure(observed, provider, &issuer, false) == Disclosure::Withheld {
        return None;
    }
    metadata.unlisted(provider.grant_type(), provider.client_authentication.method.registered())
}
