//! `tokensource check`: checks manifests without a cluster.
//! Knows the order of the checks; each has a file of its own. The result is a report, which `text` renders.

mod lookup;
mod manifests;
mod offline;
mod report;
mod request;
mod schema;
mod send;
mod text;

use std::sync::Arc;

use super::arguments::{CheckArguments, CheckOutput};
use super::output::{json, print};
use super::{Environment, Error, ExitStatus};
use crate::api::{Reason, TokenProviderSpec, TokenSource};
use crate::decide::credentials;
use crate::issue::inputs::{parse_certificates, read_inputs};
use crate::issue::lookup::Lookup;
use crate::oauth::{OutboundProxy, SigningContext};
use manifests::Manifests;
use offline::OfflineContext;
use report::{Fault, RenewalTime, Report, RevocationReport, SourceReport};
use send::request_token;

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
    let proxy = arguments.network.proxy()?;
    let mut report = Report { sources: Vec::new(), problems: manifests.problems.clone() };
    for source in &manifests.sources {
        report.sources.push(examine(source, &manifests, arguments, (environment, proxy.clone())).await);
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
    (environment, proxy): (&Environment, Option<Arc<OutboundProxy>>),
) -> SourceReport {
    let context = OfflineContext::new(source, manifests, arguments, environment, proxy);
    let mut report = SourceReport::new(source, context.not_checked(arguments.send));
    let provider = match context.validate() {
        Ok(provider) => provider,
        Err(failure) => return report.failed(failure),
    };
    if let Err(fault) = describe(&context, provider, &mut report).await {
        return report.failed(fault);
    }
    report.renewal = Some(RenewalTime::expected(&source.spec, provider));
    report.revocation = RevocationReport::of(provider);
    if !arguments.send {
        return report;
    }
    match request_token(&context, provider, &mut report).await {
        Ok(()) => report,
        Err(fault) => report.failed(fault),
    }
}

/// Builds the request without contact to any host.
async fn describe(
    context: &OfflineContext<'_>,
    provider: &TokenProviderSpec,
    report: &mut SourceReport,
) -> Result<(), Fault> {
    let observed = context.observed();
    let inputs = read_inputs(&observed, provider, context).await?;
    report.doubts = credentials::doubts(&context.spec, provider, &inputs);
    let signing = SigningContext { now: context.now(), nonce: context.nonce()? };
    match request::show(&context.spec, provider, &inputs, &signing) {
        Ok(shown) => report.request = Some(shown),
        // A placeholder cannot be used to sign. A placeholder is no mistake: the user fills it in later, and the controller
        // sends nothing until then.
        Err(failure) => match credentials::placeholder(&context.spec, provider, &inputs) {
            Some(placeholder) if failure.reason == Reason::CredentialsInvalid => {
                report
                    .not_checked
                    .push(format!("The request, which has to be signed. {}", placeholder.message));
            }
            _ => return Err(failure.into()),
        },
    }
    match parse_certificates(&observed, provider, context).await {
        Err(_) if context.has_placeholder_certificate(provider) => {
            report.not_checked.push("The client's certificate: its Secret holds placeholders.".to_owned());
            Ok(())
        }
        parsed => Ok(parsed?),
    }
}
