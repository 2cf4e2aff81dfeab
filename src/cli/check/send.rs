//! Really asking the provider, once, by the exchange and the rules that the controller uses.
//! Knows how a token is had, and tells everything of it but the token. Keeps nothing.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::report::{Fault, RenewalTime};
use super::request::{MASK, USER_AGENT};
use super::situation::Situation;
use crate::api::{Duration, TokenProviderSpec};
use crate::cli::arguments::CheckArguments;
use crate::cli::output::harmless;
use crate::decide::{Ask, Failure, ask, credentials};
use crate::oauth::{AddressPolicy, Error, Exchanger, Issuer, Moment, Secret, Token, Transport, build, read};

/// What the provider's answer holds, without the token.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    pub(super) endpoint: String,
    pub(super) token_type: String,
    pub(super) expires_at: String,
    pub(super) scope: Option<String>,
    /// Whether a refresh token came along. It was dropped.
    pub(super) refresh_token: bool,
    /// The standard claims of a JWT, unverified; none where the token is none.
    pub(super) claims: Option<Map<String, Value>>,
    pub(super) notices: Vec<Remark>,
    #[serde(skip)]
    pub(super) renewal: RenewalTime,
}

/// A notice in the words of the product.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Remark {
    pub(super) notice: &'static str,
    pub(super) meaning: &'static str,
}

/// Why it had better not be sent from here.
pub(super) fn cannot(provider: &TokenProviderSpec) -> Option<Fault> {
    if let Some(account) = provider.service_accounts().next() {
        return Some(Fault::not_sent(&format!(
            "Nothing was sent: the token of ServiceAccount {} can only be had in a cluster.",
            account.name.as_deref().unwrap_or("default")
        )));
    }
    (provider.grant_type.as_deref() == Some("refresh_token")).then(|| {
        Fault::not_sent(
            "Nothing was sent: a provider that rotates refresh tokens would answer with the only copy of the next one, \
             and the one in the Secret would be worth nothing. Apply the manifests and let the controller ask: it keeps \
             what it gets.",
        )
    })
}

/// How requests of this provider travel.
pub(super) struct Way {
    exchanger: Exchanger,
    /// Metadata is for everybody: no certificate is shown for it.
    anonymous: Exchanger,
}

impl Way {
    pub(super) fn prepare(
        situation: &Situation<'_>,
        provider: &TokenProviderSpec,
        arguments: &CheckArguments,
    ) -> Result<Self, Fault> {
        let addresses =
            AddressPolicy { allow: arguments.allow_networks.clone(), deny: arguments.deny_networks.clone() };
        let transport = Transport {
            addresses: Arc::new(addresses),
            resolver: None,
            ca_bundle: situation.ca_bundle(provider)?,
            identity: None,
            timeout: provider.timeout.map_or(Transport::DEFAULT_TIMEOUT, Duration::get),
        };
        let anonymous = Exchanger::new(&transport)?;
        let exchanger = match situation.identity(provider)? {
            None => anonymous.clone(),
            identity => Exchanger::new(&Transport { identity, ..transport })?,
        };
        Ok(Self { exchanger, anonymous })
    }

    /// The provider with its token endpoint: the one that an issuer's metadata names, where it has an issuer.
    pub(super) async fn locate(&self, provider: &TokenProviderSpec) -> Result<TokenProviderSpec, Fault> {
        let Some(issuer) = &provider.issuer else { return Ok(provider.clone()) };
        let issuer = Issuer::parse(issuer)?;
        let found = issuer.discover(&self.anonymous, USER_AGENT, provider.shows_certificate()).await?;
        Ok(TokenProviderSpec { token_endpoint: Some(found.token_endpoint), ..provider.clone() })
    }

    pub(super) async fn send(
        &self,
        situation: &Situation<'_>,
        provider: &TokenProviderSpec,
        moment: &Moment,
    ) -> Result<Answer, Fault> {
        let materials = situation.materials(provider);
        let ask = ask(&situation.spec, provider, &materials, None)?;
        if let Some(failure) = credentials::placeholder(&situation.spec, provider, &materials) {
            return Err(failure.into());
        }
        let mut request = build(&ask.request, moment, USER_AGENT)?;
        let signed = std::mem::take(&mut request.signed);
        let answer = self.exchanger.send(request).await;
        let confidential: Vec<&Secret> = ask.confidential.iter().chain(&signed).collect();
        let reading = ask.reading(&situation.spec, provider, moment.now, &confidential);
        let token = answer.and_then(|answer| read(&answer, &reading)).map_err(|error| {
            credentials::explained(Failure::from(&error), &situation.spec, provider, &materials)
        })?;
        Ok(told(&token, &ask, &confidential, situation))
    }
}

fn told(token: &Token, ask: &Ask, confidential: &[&Secret], situation: &Situation<'_>) -> Answer {
    let claims = token.standard_claims();
    let claims = claims.map(|claims| {
        claims.into_iter().map(|(name, value)| (name.to_owned(), shown(value, confidential))).collect()
    });
    let notices = token.notices.iter();
    Answer {
        endpoint: ask.request.endpoint.url().to_string(),
        token_type: token.token_type.clone(),
        expires_at: token.expires_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        scope: token.scope.as_deref().map(harmless),
        refresh_token: token.refresh_token.is_some(),
        claims,
        notices: notices
            .map(|notice| Remark { notice: notice.as_str(), meaning: notice.sentence() })
            .collect(),
        renewal: RenewalTime::of(token.expires_at - token.issued_at, &situation.spec.renewal),
    }
}

/// A claim's value, unless a provider has put in it what it was sent.
fn shown(value: Value, confidential: &[&Secret]) -> Value {
    let text = value.to_string();
    let repeats =
        confidential.iter().any(|secret| !secret.expose().is_empty() && text.contains(secret.expose()));
    match value {
        _ if repeats => Value::from(MASK),
        Value::String(text) => Value::from(harmless(&text)),
        other => other,
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::from(Failure::from(&error))
    }
}
