//! The third step: doing what was decided. Knows how a token is asked for; must not decide whether.

use std::collections::BTreeMap;
use std::time::Instant;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};

use super::context::Context;
use super::error::{CallError, Error, call};
use super::memory::HeldToken;
use super::observe;
use super::publish::{self, Written};
use crate::api::{Duration, KeyReference, Reason, TokenProviderSpec, TokenSource};
use crate::decide::{
    Credentials, Failure, Observed, Outcome, Plan, Publication, ask, refuse_credentials,
};
use crate::oauth::{Moment, Reading, Secret, Token, Transport, build, read};

/// Sent with every request: some firewalls refuse requests without one.
const USER_AGENT: &str = concat!("tokensource/", env!("CARGO_PKG_VERSION"));

/// What came of a plan and, where the API server failed after the provider had answered, how.
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) trouble: Option<Error>,
}

impl From<Outcome> for Done {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, trouble: None }
    }
}

/// Carries out the plan. An error means that nothing was asked for.
pub(super) async fn act(
    plan: &Plan,
    source: &TokenSource,
    observed: &mut Observed<'_>,
    context: &Context,
) -> Result<Done, Error> {
    match plan {
        Plan::Leave | Plan::Keep => Ok(Outcome::Kept.into()),
        Plan::Suspend => Ok(Outcome::Suspended.into()),
        Plan::Wait(_) => Ok(Outcome::Waiting.into()),
        Plan::Refuse(failure) => Ok(Outcome::Refused(failure.clone()).into()),
        Plan::Rewrite => rewrite(source, observed, context).await,
        Plan::Publish => match context.memory.held(observed.uid) {
            Some(held) => Ok(publish(held, source, observed, context).await),
            None => Ok(Outcome::Waiting.into()),
        },
        Plan::Mint(cause) => mint(*cause, source, observed, context).await,
    }
}

async fn mint(
    cause: Reason,
    source: &TokenSource,
    observed: &mut Observed<'_>,
    context: &Context,
) -> Result<Done, Error> {
    let secrets = match read_secrets(source, observed, context).await? {
        Ok(secrets) => secrets,
        Err(failure) => return Ok(Outcome::Refused(failure).into()),
    };
    let (Ok(provider), Some(inputs)) = (observed.provider.clone(), observed.inputs.clone()) else {
        return Ok(Outcome::Waiting.into());
    };
    let ca_bundle = match trust(source, provider, context).await? {
        Ok(ca_bundle) => ca_bundle,
        Err(failure) => return Ok(Outcome::Refused(failure).into()),
    };
    let sent_at = context.now();
    let moment = Moment { now: sent_at, nonce: (context.settings.nonce)().ok_or(Error::Random)? };
    match exchange(source, &moment, provider, &secrets, ca_bundle, context).await {
        Err(Refused::Locally(failure)) => Ok(Outcome::Refused(failure).into()),
        Err(Refused::ByProvider(failure)) => Ok(Outcome::Failed(sent_at, failure).into()),
        Ok(token) => {
            let held = HeldToken { token, asked: inputs.asked, cause };
            Ok(publish(held, source, observed, context).await)
        }
    }
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
    let secret = call(context.secrets(namespace).get_opt(name)).await?;
    let facts = secret.as_ref().map(|secret| context.scope.secrets.learn(&secret.metadata));
    if facts.is_none() {
        context.scope.secrets.lose(namespace, name);
    }
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
            format!("tls.caBundleRef: there is no ConfigMap {name} with a key {key} in this namespace: create it."),
        )
    }))
}

enum Refused {
    /// Nothing was sent.
    Locally(Failure),
    /// Something may have been.
    ByProvider(Failure),
}

async fn exchange(
    source: &TokenSource,
    moment: &Moment,
    provider: &TokenProviderSpec,
    secrets: &Secrets,
    ca_bundle: Option<String>,
    context: &Context,
) -> Result<Token, Refused> {
    let ask = ask(&source.spec, provider, &secrets.credentials, &secrets.subject).map_err(Refused::Locally)?;
    let local = |error| Refused::Locally(Failure::from(&error));
    let mut request = build(&ask.request, moment, USER_AGENT).map_err(local)?;
    let signed = std::mem::take(&mut request.signed);
    let timeout = provider.timeout.map_or(Transport::DEFAULT_TIMEOUT, Duration::get);
    let namespace = source.namespace().unwrap_or_default();
    let exchanger = context.exchangers.get(&namespace, ca_bundle, timeout, moment.now).map_err(local)?;

    let sent_at = context.now();
    let started = Instant::now();
    let answer = exchanger.send(request).await;
    context.metrics.request_took(started.elapsed());
    let confidential: Vec<&Secret> = ask.confidential.iter().chain(&signed).collect();
    let reading = Reading {
        sent_at,
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

/// Writes a token into the target; one that cannot be written is kept, and written first next time.
async fn publish(
    held: HeldToken,
    source: &TokenSource,
    observed: &Observed<'_>,
    context: &Context,
) -> Done {
    let written = publish::token(&held, source, observed, context).await;
    let Token { issued_at, token_type, scope, notices, .. } = held.token.clone();
    match written {
        Ok(written) => {
            context.memory.release(observed.uid);
            let (published, unchanged_at) = match written {
                Written::New(published) => (published, None),
                Written::Unchanged(published) => (published, Some(issued_at)),
            };
            Outcome::Published(Publication {
                cause: held.cause,
                published,
                unchanged_at,
                token_type,
                scope,
                notices,
            })
            .into()
        }
        Err(error) => {
            context.memory.hold(observed.uid, held);
            let reason = Reason::TargetWriteFailed;
            let message = format!(
                "{} Secret {}: {error}. It is kept in memory and written as soon as the API server lets it be.",
                reason.sentence(),
                observed.target_name()
            );
            let failure = Failure { retry: crate::oauth::Retry::Transient { floor: std::time::Duration::ZERO }, ..Failure::local(reason, message) };
            Done { outcome: Outcome::Unwritten(issued_at, failure), trouble: Some(Error::WriteTarget(error)) }
        }
    }
}

/// Dresses the target anew with the data it has. Data that is no longer ours is left to the next look.
async fn rewrite(source: &TokenSource, observed: &Observed<'_>, context: &Context) -> Result<Done, Error> {
    let namespace = source.namespace().unwrap_or_default();
    let secret = call(context.secrets(&namespace).get_opt(observed.target_name())).await.map_err(Error::ReadTarget)?;
    let Some(secret) = secret else {
        context.scope.secrets.lose(&namespace, observed.target_name());
        return Ok(Outcome::Waiting.into());
    };
    let facts = context.scope.secrets.learn(&secret.metadata);
    let (Some(memo), Some(data)) = (facts.memo.clone(), secret.data.clone()) else {
        return Ok(Outcome::Waiting.into());
    };
    let published =
        publish::dress(source, observed, data, memo, context).await.map_err(Error::WriteTarget)?;
    tracing::info!(secret = %secret.name_any(), "Labels, annotations or type of the target brought up to date");
    Ok(Outcome::Rewritten(published).into())
}
