//! Asking for a token: the credentials, the trust, one request, and the other way where a refresh token is refused.
//!
//! Knows how a request comes about. Must not know why a token is wanted, nor write one down.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::{DateTime, Utc};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};

use super::context::Context;
use super::error::{CallError, Error, call};
use super::memory::HeldToken;
use super::{observe, refresh};
use crate::api::{Duration, KeyReference, Reason, TokenProviderSpec, TokenSource};
use crate::decide::refresh::{Bond, gives_way, is_kept};
use crate::decide::{Credentials, Failure, Observed, ask, refuse_credentials};
use crate::oauth::{Moment, Reading, Secret, Token, Transport, build, read};

/// Sent with every request: some firewalls refuse requests without one.
const USER_AGENT: &str = concat!("tokensource/", env!("CARGO_PKG_VERSION"));

/// What came of asking.
pub(super) enum Minted {
    /// A token, not yet written anywhere.
    Token(HeldToken),
    /// The provider was asked and gave none; known since this instant, from which waits are counted.
    Failed(DateTime<Utc>, Failure),
    /// Nothing was sent.
    Refused(Failure),
}

/// Everything one request is made of, but for the refresh token.
struct Attempt<'a> {
    source: &'a TokenSource,
    provider: &'a TokenProviderSpec,
    secrets: &'a Secrets,
    ca_bundle: Option<String>,
    context: &'a Context,
}

/// Asks for a token: by the stored refresh token if there is one that may be used, else by the grant itself. A
/// refresh token that is refused is dropped, and the grant's own request made once, at once.
pub(super) async fn mint(
    cause: Reason,
    source: &TokenSource,
    observed: &mut Observed<'_>,
    context: &Context,
) -> Result<Minted, Error> {
    let secrets = match read_secrets(source, observed, context).await? {
        Ok(secrets) => secrets,
        Err(failure) => return Ok(Minted::Refused(failure)),
    };
    let (provider, asked) = match (&observed.provider, &observed.inputs) {
        (Ok(provider), Some(inputs)) => (*provider, inputs.asked.clone()),
        (Err(failure), _) => return Ok(Minted::Refused(failure.clone())),
        (_, None) => {
            return Ok(Minted::Refused(Failure::local(
                Reason::CredentialsNotFound,
                "The credentials have just gone.",
            )));
        }
    };
    let ca_bundle = match trust(source, provider, context).await? {
        Ok(ca_bundle) => ca_bundle,
        Err(failure) => return Ok(Minted::Refused(failure)),
    };
    let attempt = Attempt { source, provider, secrets: &secrets, ca_bundle, context };
    let bond = is_kept(provider).then(|| Bond::now(&source.spec, provider, &asked, &secrets.credentials));
    keep_held(source, observed, context).await.map_err(Error::RefreshToken)?;
    let kept = match &bond {
        Some(_) => refresh::read(source, context).await.map_err(Error::RefreshToken)?,
        None => None,
    };
    let stored = bond.as_ref().zip(kept.as_ref()).and_then(|(bond, kept)| bond.usable(kept));

    let mut answer = attempt.ask(stored.as_ref()).await;
    let mut fell_back = false;
    if let (Some(_), Some(kept), Err(Refused::ByProvider(failure))) = (&stored, &kept, &answer)
        && gives_way(provider, failure)
    {
        tracing::info!(reason = %failure.reason, message = failure.message, "The stored refresh token is dropped");
        // One that cannot be deleted is refused again next time; that must not keep a token from coming now.
        if let Err(error) = refresh::drop(source, kept, context).await {
            tracing::warn!(%error, "The refused refresh token could not be deleted");
        }
        fell_back = true;
        answer = attempt.ask(None).await;
    }
    Ok(match answer {
        Ok(token) => {
            // Whether it was open or not: a token that replaces the one which answered it must go on telling so.
            let answers = observed.renew_request.map(str::to_owned);
            Minted::Token(HeldToken { token, asked, cause, answers, bond, fell_back })
        }
        Err(Refused::ByProvider(failure)) => Minted::Failed(context.now(), failure),
        Err(Refused::Locally(failure)) => Minted::Refused(failure),
        Err(Refused::Without) => return Err(Error::Random),
    })
}

/// Stores the refresh token that came with an access token which could not be written and is wanted no more: of a
/// rotated one there is no other copy.
async fn keep_held(
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &Context,
) -> Result<(), CallError> {
    let Some(mut held) = context.scope.memory.held(observed.uid) else { return Ok(()) };
    if let (Some(bond), Some(token)) = (&held.bond, held.token.refresh_token.take()) {
        refresh::keep(source, bond, &token, context).await?;
        context.scope.memory.hold(observed.uid, held);
    }
    Ok(())
}

/// The data of what is sent.
struct Secrets {
    credentials: BTreeMap<String, ByteString>,
    /// With the token to exchange.
    subject: BTreeMap<String, ByteString>,
}

/// Reads the credentials and the token to exchange and, since what is sent must be what was judged, judges the
/// objects that were read: their binding to the host, and their part in the fingerprint.
async fn read_secrets(
    source: &TokenSource,
    observed: &mut Observed<'_>,
    context: &Context,
) -> Result<Result<Secrets, Failure>, Error> {
    let namespace = source.namespace().unwrap_or_default();
    let mut secrets = Secrets { credentials: BTreeMap::new(), subject: BTreeMap::new() };
    if let Some(reference) = &source.spec.credentials_ref {
        let read = read_secret(&namespace, &reference.name, context).await.map_err(Error::ReadCredentials)?;
        (observed.credentials, secrets.credentials) = read;
    }
    let provider = observed.provider.as_ref().ok().copied();
    if let Some(reference) = provider.and_then(TokenProviderSpec::subject_secret) {
        let read = read_secret(&namespace, &reference.name, context).await.map_err(Error::ReadSubject)?;
        (observed.subject, secrets.subject) = read;
    }
    observed.inputs = observe::fingerprint(observed);
    let refusal = match &observed.provider {
        Ok(provider) => refuse_credentials(observed, provider),
        Err(failure) => Some(failure.clone()),
    };
    Ok(match refusal {
        Some(failure) => Err(failure),
        None => Ok(secrets),
    })
}

/// One Secret, in full.
async fn read_secret(
    namespace: &str,
    name: &str,
    context: &Context,
) -> Result<(Credentials, BTreeMap<String, ByteString>), CallError> {
    let (secret, facts) = context.read_secret(namespace, name).await?.unzip();
    Ok((observe::credentials(name, facts), secret.and_then(|secret| secret.data).unwrap_or_default()))
}

/// The certificates to trust instead of the public authorities', if the provider block names any.
async fn trust(
    source: &TokenSource,
    provider: &TokenProviderSpec,
    context: &Context,
) -> Result<Result<Option<String>, Failure>, Error> {
    let Some(KeyReference { name, key }) = &provider.tls.ca_bundle_ref else {
        return Ok(Ok(provider.tls.ca_bundle.clone()));
    };
    let namespace = source.namespace().unwrap_or_default();
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &namespace);
    let found = call(api.get_opt(name)).await.map_err(Error::ReadTrust)?;
    let value = found.and_then(|map| map.data).and_then(|mut data| data.remove(key));
    Ok(value.map(Some).ok_or_else(|| {
        Failure::local(
            Reason::InvalidSpec,
            format!(
                "tls.caBundleRef: there is no ConfigMap {name} with a key {key} in this namespace: create it."
            ),
        )
    }))
}

enum Refused {
    /// The system gave no random number.
    Without,
    /// Nothing was sent.
    Locally(Failure),
    /// Something may have been.
    ByProvider(Failure),
}

impl Attempt<'_> {
    /// One request, never repeated in another form: every try may count towards a quota or a lock.
    async fn ask(&self, refresh_token: Option<&Secret>) -> Result<Token, Refused> {
        let Self { source, provider, secrets, context, .. } = *self;
        let ask = ask(&source.spec, provider, &secrets.credentials, &secrets.subject, refresh_token)
            .map_err(Refused::Locally)?;
        let local = |error| Refused::Locally(Failure::from(&error));
        let nonce = (context.settings.nonce)().ok_or(Refused::Without)?;
        let moment = Moment { now: context.now(), nonce };
        let mut request = build(&ask.request, &moment, USER_AGENT).map_err(local)?;
        let signed = std::mem::take(&mut request.signed);
        let timeout = provider.timeout.map_or(Transport::DEFAULT_TIMEOUT, Duration::get);
        let namespace = source.namespace().unwrap_or_default();
        let exchanger =
            context.exchangers.get(&namespace, self.ca_bundle.clone(), timeout, moment.now).map_err(local)?;

        let started = Instant::now();
        let answer = exchanger.send(request).await;
        context.metrics.request_took(started.elapsed());
        let confidential: Vec<&Secret> = ask.confidential.iter().chain(&signed).collect();
        let reading = Reading {
            sent_at: moment.now,
            host: ask.request.endpoint.host(),
            rules: &ask.rules,
            requested_scopes: &source.spec.token.scopes,
            grant: ask.grant,
            confidential: &confidential,
            requested_token_type: provider.requested_token_type.as_deref(),
        };
        answer
            .and_then(|answer| read(&answer, &reading))
            .map_err(|error| Refused::ByProvider(Failure::from(&error)))
    }
}
