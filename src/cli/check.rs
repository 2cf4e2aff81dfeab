//! `tokensource check`: whether manifests would work, found out without a cluster.
//! Knows the order of the questions; each has a file of its own. What comes out is a report; its text is `report`'s.

mod manifests;
mod report;
mod request;
mod schema;
mod send;
mod situation;

use super::arguments::{CheckArguments, CheckOutput};
use super::output::print;
use super::{Ending, Error, Surroundings};
use crate::api::{Tls, TokenProviderSpec, TokenSource};
use crate::decide::{Failure, credentials};
use crate::oauth::Moment;
use manifests::Manifests;
use report::{Fault, RenewalTime, Report, SourceReport};
use send::{Answer, Way};
use situation::Situation;

pub(super) async fn run(arguments: &CheckArguments, surroundings: &Surroundings) -> Result<Ending, Error> {
    let (text, ending) = checked(arguments, surroundings).await?;
    print(&text)?;
    Ok(ending)
}

/// What `tokensource check` says, and how it ends.
pub async fn checked(
    arguments: &CheckArguments,
    surroundings: &Surroundings,
) -> Result<(String, Ending), Error> {
    let manifests = Manifests::read(&arguments.files)?;
    let mut report = Report { sources: Vec::new(), problems: manifests.problems.clone() };
    for source in &manifests.sources {
        report.sources.push(examine(source, &manifests, arguments, surroundings).await?);
    }
    let ending = if report.is_good() { Ending::Done } else { Ending::Failed };
    let text = match arguments.output {
        CheckOutput::Text => report.text(),
        CheckOutput::Json => report.json(),
    };
    Ok((text, ending))
}

/// Everything there is to say of one.
async fn examine(
    source: &TokenSource,
    manifests: &Manifests,
    arguments: &CheckArguments,
    surroundings: &Surroundings,
) -> Result<SourceReport, Error> {
    let now = (surroundings.now)();
    let situation = Situation::of(source, manifests, now);
    let mut report = SourceReport::of(source, situation.notes(arguments.send));
    let provider = match situation.judge() {
        Ok(provider) => provider,
        Err(failure) => return Ok(report.failed(Fault::from(failure))),
    };
    report.doubts = credentials::doubts(&situation.spec, &provider, &situation.materials(&provider));
    let moment = Moment { now, nonce: (surroundings.nonce)().ok_or(Error::Random)? };
    match request::show(&situation, &provider, &moment) {
        Ok(shown) => report.request = Some(shown),
        Err(failure) => return Ok(report.failed(Fault::from(failure))),
    }
    // Certificates that cannot be read are found without sending anything.
    if provider.tls != Tls::default()
        && let Err(fault) = Way::prepare(&situation, &provider, arguments)
    {
        return Ok(report.failed(fault));
    }
    report.renewal = Some(RenewalTime::expected(&source.spec, &provider));
    if !arguments.send {
        return Ok(report);
    }
    Ok(match answer(&situation, &provider, &mut report, arguments, surroundings).await {
        Ok(answer) => {
            report.renewal = Some(answer.renewal.clone());
            report.answer = Some(answer);
            report
        }
        Err(fault) => report.failed(fault),
    })
}

/// Asks the provider, once, where that can be done.
async fn answer(
    situation: &Situation<'_>,
    provider: &TokenProviderSpec,
    report: &mut SourceReport,
    arguments: &CheckArguments,
    surroundings: &Surroundings,
) -> Result<Answer, Fault> {
    if let Some(fault) = send::cannot(provider) {
        return Err(fault);
    }
    let way = Way::prepare(situation, provider, arguments)?;
    let located = way.locate(provider).await?;
    let nonce = (surroundings.nonce)();
    let moment = Moment {
        now: (surroundings.now)(),
        nonce: nonce.ok_or_else(|| Fault::not_sent(&Error::Random.to_string()))?,
    };
    if provider.issuer.is_some() {
        // What is sent must be what was judged, and shown.
        situation.judge_found(&located)?;
        report.request = Some(request::show(situation, &located, &moment)?);
    }
    way.send(situation, &located, &moment).await
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self {
            reason: failure.reason.as_str().to_owned(),
            message: failure.message,
            advice: failure.reason.advice().to_owned(),
        }
    }
}
