//! What was found, as text for people and as JSON for programs. Pure. Must not know how it was found.

use std::fmt::Write as _;

use anstyle::Style;
use chrono::TimeDelta;
use kube::ResourceExt;
use serde::{Serialize, Serializer};

use super::request::Shown;
use super::send::Answer;
use crate::api::{Renewal, TokenProviderSpec, TokenSource, TokenSourceSpec};
use crate::cli::output::{BAD, GOOD, TITLE, WARNING, harmless, styled, wrapped};
use crate::cli::spans::exact;
use crate::decide::schedule::due_between;

#[derive(Serialize)]
pub(super) struct Report {
    pub(super) sources: Vec<SourceReport>,
    pub(super) problems: Vec<Problem>,
}

/// An object, or a file, that could not be used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Problem {
    pub(super) object: String,
    pub(super) message: String,
}

/// Everything there is to say of one `TokenSource`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceReport {
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) failure: Option<Fault>,
    pub(super) request: Option<Shown>,
    pub(super) answer: Option<Answer>,
    pub(super) renewal: Option<RenewalTime>,
    /// What is unusual about the credentials.
    pub(super) doubts: Vec<String>,
    /// What was not checked.
    pub(super) not_checked: Vec<String>,
}

/// Why it would not work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Fault {
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) advice: String,
}

/// A token's life, and when in it the next would be asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RenewalTime {
    source: Source,
    #[serde(rename = "lifetimeSeconds", serialize_with = "seconds")]
    lifetime: TimeDelta,
    #[serde(rename = "renewedAfterSeconds", serialize_with = "seconds")]
    least: TimeDelta,
    #[serde(rename = "renewedBeforeSeconds", serialize_with = "seconds")]
    greatest: TimeDelta,
}

/// Where a lifetime is from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Source {
    /// The provider's answer.
    Answer,
    /// The spec, for providers that say nothing.
    AssumedLifetime,
    /// Nowhere: one that is common.
    Example,
}

impl Fault {
    pub(super) fn not_sent(message: &str) -> Self {
        Self { reason: "NotSent".to_owned(), message: message.to_owned(), advice: String::new() }
    }
}

impl RenewalTime {
    /// By the life that the provider gave.
    pub(super) fn of(lifetime: TimeDelta, renewal: &Renewal) -> Self {
        let (least, greatest) = due_between(lifetime, renewal);
        Self { source: Source::Answer, lifetime, least, greatest }
    }

    /// By the life that is assumed where an answer says nothing, or by an hour.
    pub(super) fn expected(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> Self {
        let assumed = provider.response.expiry.assumed_lifetime.map(crate::api::Duration::get);
        let lifetime = assumed.and_then(|life| TimeDelta::from_std(life).ok()).unwrap_or(TimeDelta::hours(1));
        let source = if assumed.is_some() { Source::AssumedLifetime } else { Source::Example };
        Self { source, ..Self::of(lifetime, &spec.renewal) }
    }

    fn sentence(&self) -> String {
        let (least, greatest, lifetime) = (exact(self.least), exact(self.greatest), exact(self.lifetime));
        let condition = match self.source {
            Source::Answer => format!("It lives {lifetime}"),
            Source::AssumedLifetime => {
                format!("Of a token that lives {lifetime} (response.expiry.assumedLifetime)")
            }
            Source::Example => format!("Of a token that lives {lifetime}, for example"),
        };
        format!("{condition}: the next is asked for {least} to {greatest} after its issue.")
    }
}

impl SourceReport {
    pub(super) fn of(source: &TokenSource, not_checked: Vec<String>) -> Self {
        let (namespace, name) = (source.namespace(), source.name_any());
        let doubts = Vec::new();
        Self {
            namespace,
            name,
            failure: None,
            request: None,
            answer: None,
            renewal: None,
            doubts,
            not_checked,
        }
    }

    pub(super) fn failed(self, failure: Fault) -> Self {
        Self { failure: Some(failure), renewal: None, ..self }
    }

    fn text(&self) -> String {
        let name = self.namespace.iter().chain([&self.name]).cloned().collect::<Vec<_>>().join("/");
        let verdict = match (&self.failure, &self.answer) {
            (Some(failure), _) => styled(BAD, &failure.reason),
            (None, Some(_)) => styled(GOOD, "the provider issued a token"),
            (None, None) => styled(GOOD, "good, as far as can be told without asking"),
        };
        let mut text = format!("{}: {verdict}\n", styled(TITLE, &format!("TokenSource {}", harmless(&name))));
        if let Some(failure) = &self.failure {
            text += &wrapped(&harmless(&failure.message), 2);
            if !failure.advice.is_empty() {
                text += &wrapped(&format!("What to do: {}", failure.advice), 2);
            }
        }
        if let Some(request) = &self.request {
            text += &heading(TITLE, "Request");
            text += &wire(request);
        }
        if let Some(answer) = &self.answer {
            text += &heading(TITLE, "Answered");
            text += &told(answer);
        }
        if let Some(renewal) = &self.renewal {
            text += &heading(TITLE, "Renewal");
            text += &wrapped(&renewal.sentence(), 4);
        }
        if !self.doubts.is_empty() {
            text += &heading(WARNING, "Looks wrong");
            text.extend(self.doubts.iter().map(|doubt| wrapped(doubt, 4)));
        }
        if !self.not_checked.is_empty() {
            text += &heading(WARNING, "Not checked");
            text.extend(self.not_checked.iter().map(|note| wrapped(note, 4)));
        }
        text
    }
}

impl Report {
    pub(super) fn is_good(&self) -> bool {
        self.problems.is_empty() && self.sources.iter().all(|source| source.failure.is_none())
    }

    pub(super) fn text(&self) -> String {
        let problems = self.problems.iter().map(|problem| {
            let object = styled(TITLE, &harmless(&problem.object));
            format!("{object} {}\n", harmless(&problem.message))
        });
        let sources = self.sources.iter().map(SourceReport::text);
        problems.chain(sources).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn json(&self) -> String {
        // Our own structs of texts, numbers and lists: JSON has a form for each.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

fn heading(style: Style, title: &str) -> String {
    format!("\n  {}\n", styled(style, title))
}

fn wire(request: &Shown) -> String {
    let mut text = format!("    {} {}\n", request.method, request.url);
    for (name, value) in &request.headers {
        let _ = writeln!(text, "    {name}: {value}");
    }
    if !request.body.is_empty() {
        let _ = writeln!(text, "\n    {}", harmless(&request.body));
    }
    for signed in &request.assertions {
        let shown = format!("Signed, header and claims:\n{:#}\n{:#}", signed.header, signed.claims);
        text.push('\n');
        text.extend(shown.lines().map(|line| format!("    {line}\n")));
    }
    text
}

fn told(answer: &Answer) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "    {:<18}{value}", format!("{label}:"));
    };
    line("Endpoint", &answer.endpoint);
    line("Type", &answer.token_type);
    line("Expires", &answer.expires_at);
    line("Scope", answer.scope.as_deref().unwrap_or("not said: as asked for"));
    line("Refresh token", if answer.refresh_token { "yes, dropped" } else { "no" });
    match &answer.claims {
        None => line("Claims", "none to read: the token is no JWT"),
        Some(claims) => claims.iter().for_each(|(name, value)| line(&format!("Claim {name}"), &plain(value))),
    }
    for remark in &answer.notices {
        line("Notice", &format!("{}: {}", remark.notice, remark.meaning));
    }
    text
}

fn plain(value: &serde_json::Value) -> String {
    harmless(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn seconds<S: Serializer>(span: &TimeDelta, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(span.num_seconds())
}
