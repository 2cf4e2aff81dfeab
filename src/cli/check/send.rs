//! Requests a token from the provider, once, as the controller does.
//! Reports properties of the token but not the token, and keeps nothing.

use serde_json::Value;

use super::offline::OfflineContext;
use super::report::{
    Fault, LifetimeSource, NoticeReport, RenewalTime, RevocationReport, SourceReport, TokenReport,
};
use super::request::{self, MASK, SIGNED};
use crate::api::{TokenProviderSpec, timestamp};
use crate::cli::output::harmless;
use crate::decide::render::render;
use crate::issue::inputs::{Purpose, prepare};
use crate::issue::lookup::Lookup;
use crate::issue::send::{Answer, send};
use crate::oauth::{Secret, SigningContext};

/// Refuses requests that need a cluster, and requests that would destroy a credential.
fn refuse(provider: &TokenProviderSpec) -> Result<(), Fault> {
    if let Some(account) = provider.service_accounts().next() {
        return Err(Fault::not_sent(&format!(
            "Nothing was sent: only a cluster can issue the token of ServiceAccount {}.",
            account.name()
        )));
    }
    if let Some(name) = provider.token_sources().first() {
        return Err(Fault::not_sent(&format!(
            "Nothing was sent: the token of TokenSource {name} is in the cluster."
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

/// Requests a token, describes the token, and renders the templates with it. If discovery found the endpoint, shows the
/// request again with that endpoint.
pub(super) async fn request_token(
    context: &OfflineContext<'_>,
    provider: &TokenProviderSpec,
    report: &mut SourceReport,
) -> Result<(), Fault> {
    refuse(provider)?;
    let (observed, mut read) = (context.observed(), None);
    let prepared = prepare(Purpose::Token, &observed, &mut read, context).await?;
    if provider.issuer.is_some() {
        let signing = SigningContext { now: context.now(), nonce: context.nonce()? };
        report.request = Some(request::show(&context.spec, &prepared.provider, &prepared.inputs, &signing)?);
        report.revocation = RevocationReport::of(&prepared.provider);
    }
    let answer = send(&prepared, None, read.as_ref().unwrap_or(&observed), context).await?;
    let token = describe(&answer, context);
    report.renewal = Some(token.renewal.clone());
    report.answer = Some(token);
    let rendered = render(&context.spec.target, &answer.token);
    rendered.map_err(|problem| problem.failure("The token was dropped."))?;
    Ok(())
}

fn describe(Answer { token, endpoint, confidential }: &Answer, context: &OfflineContext<'_>) -> TokenReport {
    let claims = token.standard_claims();
    let source = if endpoint.is_some() { LifetimeSource::Answer } else { LifetimeSource::SignedToken };
    let notices = token.notices.iter();
    let members = |present: bool| {
        let members = token.kept.iter().filter(move |(_, text)| text.is_some() == present);
        members.map(|(name, _)| name.clone()).collect()
    };
    TokenReport {
        endpoint: endpoint.as_ref().map_or_else(|| SIGNED.to_owned(), |endpoint| endpoint.url().to_string()),
        token_type: token.token_type.clone(),
        expires_at: timestamp(token.expires_at),
        scope: token.scope.as_deref().map(harmless),
        refresh_token: token.refresh_token.is_some(),
        kept: members(true),
        lacking: members(false),
        claims: claims.map(|claims| {
            claims.into_iter().map(|(name, value)| (name, masked(value, confidential))).collect()
        }),
        notices: notices
            .map(|notice| NoticeReport { notice: notice.as_str(), meaning: notice.sentence() })
            .collect(),
        renewal: RenewalTime::of(source, token.expires_at - token.issued_at, &context.spec.renewal),
    }
}

/// The value of a claim; masked if the provider has put a secret of the request into it.
fn masked(value: Value, confidential: &[Secret]) -> Value {
    let text = value.to_string();
    let repeats =
        confidential.iter().any(|secret| !secret.expose().is_empty() && text.contains(secret.expose()));
    match value {
        _ if repeats => Value::from(MASK),
        Value::String(text) => Value::from(harmless(&text)),
        other => other,
    }
}
