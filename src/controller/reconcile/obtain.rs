//! Asking for a token: one request, and the other way where a refresh token is refused.
//!
//! Knows how a request comes about. Must not know why a token is wanted, nor write one down.

use std::time::Instant;

use crate::api::{Reason, TokenProviderSpec, TokenSource};
use crate::controller::error::{CallError, Error};
use crate::controller::issue::inputs::{Prepared, issue_tokens, prepare};
use crate::controller::reconcile::credentials::refresh_token as refresh;
use crate::controller::reconcile::target::apply as publish;
use crate::controller::reconcile::target::is_outdated;
use crate::controller::view::index::name_of;
use crate::controller::view::pending::HeldToken;
use crate::controller::workqueue::permits::Turn;
use crate::decide::limiter::Answer;
use crate::decide::refresh::{Bond, gives_way, is_kept};
use crate::decide::{Cause, Deferral, Failure, Observed, ask, credentials, disclosure};
use crate::oauth::{Disclosure, Endpoint, Metadata, Secret, SigningContext, Token, build, read};

/// Why there is no token.
pub(crate) enum Stop {
    /// The API server failed; nothing was asked for.
    Cluster(Error),
    /// Nothing was sent, for a reason in the cluster.
    Refused(Failure),
    /// Something was asked of somebody else, and did not lead to a token.
    Failed(Failure),
    /// The target is another than the cache knew.
    Outdated,
    /// It waits for its permit.
    Deferred(Deferral),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Cluster(error)
    }
}

/// Asks for a token, if the limiter in front of the provider lets this `TokenSource`.
pub(crate) async fn mint(
    cause: Cause,
    source: &TokenSource,
    observed: &mut Observed<'_>,
    context: &Turn<'_>,
) -> Result<HeldToken, Stop> {
    let permit = context.limiters.acquire(source, observed)?;
    // Now, and not before: it costs a call.
    let answer = match is_outdated(source, observed, context).await {
        Ok(false) => match acceptable(source, observed, context).await {
            Ok(()) => obtain(cause, source, observed, context).await,
            Err(stop) => Err(stop),
        },
        Ok(true) => Err(Stop::Outdated),
        Err(error) => Err(Stop::Cluster(error)),
    };
    permit.release(match &answer {
        Ok(_) => Answer::Succeeded,
        Err(Stop::Failed(failure)) => Answer::from(failure),
        Err(Stop::Cluster(_) | Stop::Refused(_) | Stop::Outdated | Stop::Deferred(..)) => Answer::Unrelated,
    });
    answer
}

/// Stops where the API server would refuse the target itself: the token would have nowhere to go. Other failures of a dry
/// run (webhooks that know none, quotas, outages) say nothing of the target.
async fn acceptable(source: &TokenSource, observed: &Observed<'_>, context: &Turn<'_>) -> Result<(), Stop> {
    match publish::rehearse(source, observed, context).await {
        Err(error) if error.is_invalid() => Err(Stop::Refused(Failure::local(
            Reason::InvalidSpec,
            format!(
                "The API server would not take the target, Secret {}: {error}. No token was asked for: correct spec.target.",
                observed.target_name()
            ),
        ))),
        _ => Ok(()),
    }
}

/// Asks for a token: by the stored refresh token if there is one that may be used, else by the grant itself. A
/// refresh token that is refused is dropped, and the grant's own request made once, at once.
async fn obtain(
    cause: Cause,
    source: &TokenSource,
    observed: &mut Observed<'_>,
    context: &Turn<'_>,
) -> Result<HeldToken, Stop> {
    let mut prepared = prepare(source, observed, context).await?;
    let bond = is_kept(&prepared.provider).then(|| {
        Bond::now(&source.spec, &prepared.provider, &prepared.asked, &prepared.materials.credentials)
    });
    keep_held(source, observed, context).await.map_err(Error::RefreshToken)?;
    let kept = match &bond {
        Some(_) => refresh::read(source, context).await.map_err(Error::RefreshToken)?,
        None => None,
    };
    let stored = bond.as_ref().zip(kept.as_ref()).and_then(|(bond, kept)| bond.usable(kept));

    let mut answer = send(&prepared, stored.as_ref(), source, observed, context).await;
    let mut fell_back = false;
    let failures = observed.failures_in_a_row().saturating_add(1);
    if let (Some(_), Some(kept), Err(Stop::Failed(failure))) = (&stored, &kept, &answer)
        && gives_way(&prepared.provider, failure, failures)
    {
        let (namespace, name) = name_of(source);
        let (reason, detail) = (failure.reason, &failure.message);
        tracing::info!(%namespace, %name, %reason, detail, "The stored refresh token is dropped");
        // One that cannot be deleted is refused again next time; that must not keep a token from coming now.
        if let Err(error) = refresh::drop(source, kept, context).await {
            tracing::warn!(%namespace, %name, detail = %error, "The refused refresh token could not be deleted");
        }
        fell_back = true;
        issue_tokens(source, &prepared.provider, &mut prepared.materials, context).await?;
        answer = send(&prepared, None, source, observed, context).await;
        if let (Ok(token), Some(refused)) = (&mut answer, &stored) {
            token.forget_refresh_token(refused);
        }
    }
    if let (Some((key, metadata)), Err(Stop::Failed(failure))) = (&prepared.found, &mut answer) {
        if matches!(failure.reason, Reason::EndpointNotFound | Reason::EndpointUnreachable) {
            context.issuers.doubt(key);
        }
        if Failure::is_refusal_by_provider(failure.reason)
            && let Some(unlisted) = unlisted(observed, &prepared.provider, metadata)
        {
            failure.message = format!("{} {unlisted}", failure.message);
        }
    }
    // Whether it was open or not: a token that replaces the one which answered it must go on telling so.
    let answers = observed.renew_request.map(str::to_owned);
    Ok(HeldToken {
        token: answer?,
        asked: prepared.asked,
        versions: prepared.versions,
        cause,
        answers,
        bond,
        fell_back,
    })
}

/// What the issuer's metadata does not list of what the request uses, where its host may be read from.
fn unlisted(observed: &Observed<'_>, provider: &TokenProviderSpec, metadata: &Metadata) -> Option<String> {
    let issuer = Endpoint::parse(provider.issuer.as_deref()?).ok()?;
    if disclosure(observed, provider, &issuer, false) == Disclosure::Withheld {
        return None;
    }
    metadata.unlisted(provider.grant_type(), provider.client_authentication.method.registered())
}

/// Stores the refresh token that came with an access token which could not be written and is wanted no more: of a
/// rotated one there is no other copy.
async fn keep_held(
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &Turn<'_>,
) -> Result<(), CallError> {
    let Some(mut held) = context.scope.memory.held(observed.uid) else { return Ok(()) };
    if let (Some(bond), Some(token)) = (&held.bond, held.token.refresh_token.take()) {
        refresh::keep(source, bond, &token, context).await?;
        context.scope.memory.hold(observed.uid, held);
    }
    Ok(())
}

/// One request, never repeated in another form: every try may count towards a quota or a lock.
async fn send(
    prepared: &Prepared<'_>,
    refresh_token: Option<&Secret>,
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &Turn<'_>,
) -> Result<Token, Stop> {
    let provider = &prepared.provider;
    let mut ask = ask(&source.spec, provider, &prepared.materials, refresh_token).map_err(Stop::Refused)?;
    ask.disclosure = disclosure(observed, provider, &ask.request.endpoint, true);
    if let Some(failure) = credentials::placeholder(&source.spec, provider, &prepared.materials) {
        return Err(Stop::Refused(failure));
    }
    context.lead().map_err(Error::Ask)?;
    let nonce = (context.settings.nonce)().ok_or(Error::Random)?;
    let signing = SigningContext { now: context.now(), nonce };
    let mut request = build(&ask.request, &signing).map_err(|error| Stop::Refused(Failure::from(&error)))?;
    let signed = std::mem::take(&mut request.signed);

    let started = Instant::now();
    let answer = context.aside(prepared.client.send(request)).await;
    context.metrics.request_took(started.elapsed());
    let confidential: Vec<&Secret> = ask.confidential.iter().chain(&signed).collect();
    let reading = ask.reading(&source.spec, provider, signing.now, &confidential);
    answer.and_then(|answer| read(&answer, &reading)).map_err(|error| {
        let failure = Failure::of_exchange(error, ask.disclosure);
        Stop::Failed(credentials::explained(failure, &source.spec, provider, &prepared.materials))
    })
}
