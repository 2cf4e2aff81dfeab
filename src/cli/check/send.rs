//! Requests a token from the provider, once, with the client and the rules of the controller.
//! Reports everything about the token but the token, and keeps nothing.

use std::sync::Arc;

use serde_json::Value;

use super::offline::OfflineContext;
use super::report::{Fault, NoticeReport, RenewalTime, TokenReport};
use super::request::MASK;
use crate::api::TokenProviderSpec;
use crate::cli::arguments::CheckArguments;
use crate::cli::output::harmless;
use crate::cli::spans::timestamp;
use crate::decide::{Ask, Failure, ask, credentials};
use crate::oauth::{
    AddressPolicy, ClientSettings, Issuer, Secret, SigningContext, Token, TokenClient, build, read,
};

/// Refuses requests that need a cluster, and requests that would destroy a credential.
pub(super) fn refuse(provider: &TokenProviderSpec) -> Result<(), Fault> {
    if let Some(account) = provider.service_accounts().next() {
        return Err(Fault::not_sent(&format!(
            "Nothing was sent: only a cluster can issue the token of ServiceAccount {}.",
            account.name()
        )));
    }
    if provider.grant_type() == "refresh_token" {
        return Err(Fault::not_sent(
            "Nothing was sent: a provider that rotates refresh tokens would invalidate the one in the Secret and return \
             the only copy of the next one. Apply the manifests and let the controller request the token: it stores the \
             next refresh token.",
        ));
    }
    Ok(())
}

/// The clients for one provider.
pub(super) struct Transport {
    client: TokenClient,
    /// Without a certificate, for the issuer's metadata, which anyone may read.
    anonymous: TokenClient,
}

impl Transport {
    pub(super) fn new(
        context: &OfflineContext<'_>,
        provider: &TokenProviderSpec,
        arguments: &CheckArguments,
    ) -> Result<Self, Fault> {
        let addresses =
            AddressPolicy { allow: arguments.allow_networks.clone(), deny: arguments.deny_networks.clone() };
        let settings = ClientSettings {
            addresses: Arc::new(addresses),
            resolver: None,
            ca_bundle: context.ca_bundle(provider)?,
            identity: None,
            timeout: provider.timeout(),
        };
        let anonymous = TokenClient::new(&settings)?;
        let client = match context.identity(provider)? {
            None => anonymous.clone(),
            identity => TokenClient::new(&ClientSettings { identity, ..settings })?,
        };
        Ok(Self { client, anonymous })
    }

    /// The provider with its token endpoint, which is that of the issuer's metadata if the provider names an issuer.
    pub(super) async fn locate(&self, provider: &TokenProviderSpec) -> Result<TokenProviderSpec, Fault> {
        let Some(issuer) = &provider.issuer else { return Ok(provider.clone()) };
        let found = Issuer::parse(issuer)?.discover(&self.anonymous, provider.shows_certificate()).await?;
        Ok(TokenProviderSpec { token_endpoint: Some(found.token_endpoint), ..provider.clone() })
    }

    pub(super) async fn send(
        &self,
        context: &OfflineContext<'_>,
        provider: &TokenProviderSpec,
        signing: &SigningContext,
    ) -> Result<TokenReport, Fault> {
        let (spec, inputs) = (&context.spec, context.inputs(provider));
        let ask = ask(spec, provider, &inputs, None)?;
        if let Some(failure) = credentials::placeholder(spec, provider, &inputs) {
            return Err(failure.into());
        }
        let mut request = build(&ask.request, signing)?;
        let signed = std::mem::take(&mut request.signed);
        let response = self.client.send(request).await;
        let confidential: Vec<&Secret> = ask.confidential.iter().chain(&signed).collect();
        let reading = ask.reading(spec, provider, signing.now, &confidential);
        let token = response
            .and_then(|response| read(&response, &reading))
            .map_err(|error| credentials::explained(Failure::from(&error), spec, provider, &inputs))?;
        Ok(report(&token, &ask, &confidential, context))
    }
}

fn report(token: &Token, ask: &Ask, confidential: &[&Secret], context: &OfflineContext<'_>) -> TokenReport {
    let claims = token.standard_claims();
    let notices = token.notices.iter();
    TokenReport {
        endpoint: ask.request.endpoint.url().to_string(),
        token_type: token.token_type.clone(),
        expires_at: timestamp(token.expires_at),
        scope: token.scope.as_deref().map(harmless),
        refresh_token: token.refresh_token.is_some(),
        claims: claims.map(|claims| {
            claims.into_iter().map(|(name, value)| (name, masked(value, confidential))).collect()
        }),
        notices: notices
            .map(|notice| NoticeReport { notice: notice.as_str(), meaning: notice.sentence() })
            .collect(),
        renewal: RenewalTime::of(token.expires_at - token.issued_at, &context.spec.renewal),
    }
}

/// The value of a claim; masked if the provider has put a secret of the request into it.
fn masked(value: Value, confidential: &[&Secret]) -> Value {
    let text = value.to_string();
    let repeats =
        confidential.iter().any(|secret| !secret.expose().is_empty() && text.contains(secret.expose()));
    match value {
        _ if repeats => Value::from(MASK),
        Value::String(text) => Value::from(harmless(&text)),
        other => other,
    }
}
