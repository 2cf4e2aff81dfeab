//! Sends a prepared request, and reads the answer.
//! Must not know why a token is wanted, nor where it is written.

use std::time::Instant;

use crate::api::TokenProviderSpec;
use crate::decide::{Ask, Failure, Observed, ask, credentials, disclosure};
use crate::issue::error::IssueError;
use crate::issue::inputs::PreparedRequest;
use crate::issue::lookup::Lookup;
use crate::oauth::{Disclosure, Endpoint, Metadata, Secret, SigningContext, Token, build, read};

/// A token, and the request that brought it.
pub(crate) struct Answer {
    pub(crate) token: Token,
    /// Its `confidential` has what was signed for the request, too.
    pub(crate) ask: Ask,
}

/// Sends one request. A refused request is not repeated in another form, since each attempt may count towards a quota or
/// a lockout.
pub(crate) async fn send<L: Lookup>(
    prepared: &PreparedRequest<'_>,
    refresh_token: Option<&Secret>,
    observed: &Observed<'_>,
    lookup: &L,
) -> Result<Answer, IssueError<L::Error>> {
    let (spec, provider) = (observed.spec, &prepared.provider);
    let mut ask = ask(spec, provider, &prepared.inputs, refresh_token).map_err(IssueError::Refused)?;
    ask.disclosure = lookup.disclosure(disclosure(observed, provider, &ask.request.endpoint, true));
    if let Some(failure) = credentials::placeholder(spec, provider, &prepared.inputs) {
        return Err(IssueError::Refused(failure));
    }
    lookup.may_send()?;
    let signing = SigningContext { now: lookup.now(), nonce: lookup.nonce()? };
    let mut request =
        build(&ask.request, &signing).map_err(|error| IssueError::Refused(Failure::from(&error)))?;
    ask.confidential.append(&mut request.signed);

    let started = Instant::now();
    let answer = lookup.wait_for(prepared.client.send(request)).await;
    lookup.request_took(started.elapsed());
    let confidential: Vec<&Secret> = ask.confidential.iter().collect();
    let reading = ask.reading(spec, provider, signing.now, &confidential);
    match answer.and_then(|answer| read(&answer, &reading)) {
        Ok(token) => Ok(Answer { token, ask }),
        Err(error) => {
            let failure = Failure::of_exchange(error, ask.disclosure);
            Err(IssueError::Failed(credentials::explained(failure, spec, provider, &prepared.inputs)))
        }
    }
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
