//! Sends a prepared request and reads the answer, or signs the token if no provider issues it. Must not know why a token is
//! needed, nor where it is written.

use std::time::Instant;

use tracing::{Instrument, Span};

use crate::api::{Reason, TokenProviderSpec};
use crate::decide::{Ask, Failure, Observed, ask, credentials, disclosure, token_to_sign};
use crate::issue::error::IssueError;
use crate::issue::inputs::{PreparedRequest, Purpose};
use crate::issue::lookup::Lookup;
use crate::oauth::{
    Disclosure, Endpoint, Error, HttpResponse, Metadata, ResponseContext, Secret, SigningContext, Token,
    TokenClient, build, read,
};
use crate::trace;

/// A token, and the endpoint that issued it.
pub(crate) struct Answer {
    pub(crate) token: Token,
    /// The endpoint that answered; None if the controller signed the token itself.
    pub(crate) endpoint: Option<Endpoint>,
    /// The values that must not appear in any message, with everything that was signed for the request.
    pub(crate) confidential: Vec<Secret>,
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
    let refresh_client = prepared.refresh_client.as_ref().filter(|_| refresh_token.is_some());
    let Some(client) = refresh_client.or(prepared.client.as_ref()) else {
        return sign(prepared, observed, lookup);
    };
    let mut ask = ask(spec, provider, &prepared.inputs, refresh_token).map_err(IssueError::Refused)?;
    let reading =
        |answer: Result<HttpResponse, Error>, context: &ResponseContext<'_>| read(&answer?, context);
    match exchange(&mut ask, client, prepared, observed, lookup, reading).await {
        Ok(token) => {
            let Ask { request, confidential, .. } = ask;
            Ok(Answer { token, endpoint: Some(request.endpoint), confidential })
        }
        Err(IssueError::Failed(failure)) => {
            Err(IssueError::Failed(credentials::explained(failure, spec, provider, &prepared.inputs)))
        }
        Err(error) => Err(error),
    }
}

/// Sends this request, and reads the answer with `read`. Adds to `ask` what may be shown of the answer, and what was signed.
pub(crate) async fn exchange<T, L: Lookup>(
    ask: &mut Ask,
    client: &TokenClient,
    prepared: &PreparedRequest<'_>,
    observed: &Observed<'_>,
    lookup: &L,
    read: impl FnOnce(Result<HttpResponse, Error>, &ResponseContext<'_>) -> Result<T, Error>,
) -> Result<T, IssueError<L::Error>> {
    let (spec, provider) = (observed.spec, &prepared.provider);
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
    let span = match prepared.purpose {
        Purpose::Token => trace::token_request(request.method.as_str(), request.endpoint.host()),
        Purpose::Revocation => Span::none(),
    };
    let answer = lookup.wait_for(client.send(request).instrument(span.clone())).await;
    if prepared.purpose == Purpose::Token {
        lookup.request_took(started.elapsed());
    }
    if let Ok(answer) = &answer {
        trace::answered(&span, answer.status);
    }
    let confidential: Vec<&Secret> = ask.confidential.iter().collect();
    let context = ask.reading(spec, provider, signing.now, &confidential);
    read(answer, &context).map_err(|error| {
        let failure = Failure::of_exchange(error, ask.disclosure);
        trace::failed(&span, failure.reason.as_str());
        IssueError::Failed(failure)
    })
}

/// Signs the token. The limits of requests apply: only the leader signs, and no more often than it would send requests.
fn sign<L: Lookup>(
    prepared: &PreparedRequest<'_>,
    observed: &Observed<'_>,
    lookup: &L,
) -> Result<Answer, IssueError<L::Error>> {
    let (spec, provider) = (observed.spec, &prepared.provider);
    let refused = |failure| IssueError::Refused(failure);
    if let Some(failure) = credentials::placeholder(spec, provider, &prepared.inputs) {
        return Err(refused(failure));
    }
    let Some(to_sign) = token_to_sign(spec, provider, &prepared.inputs).map_err(refused)? else {
        let message = "The provider block names no endpoint and no token to sign.";
        return Err(refused(Failure::local(Reason::InvalidSpec, message)));
    };
    lookup.may_send()?;
    let signing = SigningContext { now: lookup.now(), nonce: lookup.nonce()? };
    let token = to_sign.assertion.token(&signing).map_err(|error| refused(Failure::from(&error)))?;
    Ok(Answer { token, endpoint: None, confidential: to_sign.confidential })
}

/// A sentence about the request's grant and client authentication, if the issuer's metadata does not list them. None if
/// answers of the issuer's host must not be shown.
pub(crate) fn unlisted(
    observed: &Observed<'_>,
    provider: &TokenProviderSpec,
    metadata: &Metadata,
) -> Option<String> {
    let issuer = Endpoint::parse(provider.issuer.as_deref()?).ok()?;
    if disclosure(observed, provider, &issuer, false) == Disclosure::Withheld {
        return None;
    }
    metadata.unlisted(provider.registered_grant_type(), provider.client_authentication.method.registered())
}
