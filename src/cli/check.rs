//! `tokensource check`: checks manifests without a cluster.
//! Knows the order of the checks; each has a file of its own. The result is a report, which `text` renders.

mod manifests;
mod offline;
mod report;
mod request;
mod schema;
mod send;
mod text;

use super::arguments::{CheckArguments, CheckOutput};
use super::output::{json, print};
use super::{Environment, Error, ExitStatus};
use crate::api::{Tls, TokenProviderSpec, TokenSource};
use crate::decide::credentials;
use crate::oauth::SigningContext;
use manifests::Manifests;
use offline::OfflineContext;
use report::{Fault, RenewalTime, Report, SourceReport, TokenReport};
use send::Transport;

pub(super) async fn run(arguments: &CheckArguments, environment: &Environment) -> Result<ExitStatus, Error> {
    let (text, status) = checked(arguments, environment).await?;
    print(&text)?;
    Ok(status)
}

/// The output of `tokensource check`, and its exit status.
pub async fn checked(
    arguments: &CheckArguments,
    environment: &Environment,
) -> Result<(String, ExitStatus), Error> {
    let manifests = Manifests::read(&arguments.files)?;
    let mut report = Report { sources: Vec::new(), problems: manifests.problems.clone() };
    for source in &manifests.sources {
        report.sources.push(examine(source, &manifests, arguments, environment).await?);
    }
    let status = if report.has_failed() { ExitStatus::Failure } else { ExitStatus::Success };
    let text = match arguments.output {
        CheckOutput::Text => text::report(&report),
        CheckOutput::Json => json(&report),
    };
    Ok((text, status))
}

/// Checks one `TokenSource`.
async fn examine(
    source: &TokenSource,
    manifests: &Manifests,
    arguments: &CheckArguments,
    environment: &Environment,
) -> Result<SourceReport, Error> {
    let now = (environment.now)();
    let context = OfflineContext::new(source, manifests, now);
    let mut report = SourceReport::new(source, context.not_checked(arguments.send));
    let provider = match context.validate() {
        Ok(provider) => provider,
        Err(failure) => return Ok(report.failed(failure)),
    };
    report.doubts = credentials::doubts(&context.spec, &provider, &context.inputs(&provider));
    let signing = SigningContext { now, nonce: (environment.nonce)().ok_or(Error::Random)? };
    match request::show(&context, &provider, &signing) {
        Ok(shown) => report.request = Some(shown),
        Err(failure) => return Ok(report.failed(failure)),
    }
    // Without --send, too, certificates that cannot be parsed are an error.
    if provider.tls != Tls::default()
        && let Err(fault) = Transport::new(&context, &provider, arguments)
    {
        return Ok(report.failed(fault));
    }
    report.renewal = Some(RenewalTime::expected(&source.spec, &provider));
    if !arguments.send {
        return Ok(report);
    }
    Ok(match request_token(&context, &provider, &mut report, arguments, environment).await {
        Ok(token) => {
            report.renewal = Some(token.renewal.clone());
            report.answer = Some(token);
            report
        }
        Err(fault) => report.failed(fault),
    })
}

/// Requests a token from the provider, once, if that is possible without a cluster.
async fn request_token(
    context: &OfflineContext<'_>,
    provider: &TokenProviderSpec,
    report: &mut SourceReport,
    arguments: &CheckArguments,
    environment: &Environment,
) -> Result<TokenReport, Fault> {
    send::refuse(provider)?;
    let transport = Transport::new(context, provider, arguments)?;
    let located = transport.locate(provider).await?;
    let nonce = (environment.nonce)().ok_or_else(|| Fault::not_sent(&Error::Random.to_string()))?;
    let signing = SigningContext { now: (environment.now)(), nonce };
    if provider.issuer.is_some() {
        // The endpoint from the metadata is checked before anything secret is sent, and shown.
        context.validate_located(&located)?;
        report.request = Some(request::show(context, &located, &signing)?);
    }
    transport.send(context, &located, &signing).await
}
