//! Renders the report of a check as text for people. Pure.

use std::fmt::Write as _;

use anstyle::Style;
use chrono::TimeDelta;

use super::report::{
    LifetimeSource, RenewalTime, Report, RequestReport, RevocationReport, SourceReport, TokenReport,
};
use crate::cli::output::{BAD, GOOD, TITLE, WARNING, harmless, styled, wrapped};
use crate::cli::spans::exact;

pub(super) fn report(report: &Report) -> String {
    let problems = report.problems.iter().map(|problem| {
        let object = styled(TITLE, &harmless(&problem.object));
        format!("{object} {}\n", harmless(&problem.message))
    });
    problems.chain(report.sources.iter().map(source)).collect::<Vec<_>>().join("\n")
}

fn source(report: &SourceReport) -> String {
    let name = report.namespace.iter().chain([&report.name]).cloned().collect::<Vec<_>>().join("/");
    let verdict = match (&report.failure, &report.answer) {
        (Some(failure), _) => styled(BAD, &failure.reason),
        (None, Some(token)) if token.renewal.source == LifetimeSource::SignedToken => {
            styled(GOOD, "the token was signed; nothing was sent")
        }
        (None, Some(_)) => styled(GOOD, "the provider issued a token"),
        (None, None) => styled(GOOD, "valid, as far as can be checked without a request"),
    };
    let mut text = format!("{}: {verdict}\n", styled(TITLE, &format!("TokenSource {}", harmless(&name))));
    if let Some(failure) = &report.failure {
        text += &wrapped(&harmless(&failure.message), 2);
        if !failure.advice.is_empty() {
            text += &wrapped(&format!("What to do: {}", failure.advice), 2);
        }
    }
    let mut section = |style: Style, title: &str, content: &str| {
        let _ = write!(text, "\n  {}\n{content}", styled(style, title));
    };
    if let Some(request) = &report.request {
        section(TITLE, "Request", &wire(request));
    }
    if let Some(token) = &report.answer {
        section(TITLE, "Response", &response(token));
    }
    if let Some(renewal) = &report.renewal {
        section(TITLE, "Renewal", &wrapped(&sentence(renewal), 4));
    }
    if let Some(revocation) = &report.revocation {
        section(TITLE, "Revocation", &wrapped(&revoked(revocation), 4));
    }
    for (title, notes) in [("Looks wrong", &report.doubts), ("Not checked", &report.not_checked)] {
        if !notes.is_empty() {
            section(WARNING, title, &notes.iter().map(|note| wrapped(note, 4)).collect::<String>());
        }
    }
    text
}

fn sentence(renewal: &RenewalTime) -> String {
    let lifetime = exact(renewal.lifetime);
    let subject = match renewal.source {
        LifetimeSource::Answer | LifetimeSource::SignedToken => {
            format!("The token has a lifetime of {lifetime} and")
        }
        LifetimeSource::AssumedLifetime => {
            format!("A token with a lifetime of {lifetime} (response.expiry.assumedLifetime)")
        }
        LifetimeSource::Example => format!("A token with a lifetime of {lifetime}, for example,"),
    };
    let (earliest, latest) = (exact(renewal.earliest), exact(renewal.latest));
    format!("{subject} is renewed {earliest} to {latest} after it was issued.")
}

fn revoked(revocation: &RevocationReport) -> String {
    let place = match &revocation.endpoint {
        Some(endpoint) => harmless(endpoint),
        None => "the revocation endpoint that the issuer's metadata names".to_owned(),
    };
    let grace = revocation.grace_seconds.and_then(|grace| i64::try_from(grace).ok()).map(TimeDelta::seconds);
    let on_replace = grace.map(|grace| format!("a token {} after a new one has replaced it", exact(grace)));
    let on_delete = revocation.on_delete.then(|| "all tokens when the TokenSource is deleted".to_owned());
    let tokens: Vec<String> = on_delete.into_iter().chain(on_replace).collect();
    format!("Revoked at {place}: {}.", tokens.join("; "))
}

fn wire(request: &RequestReport) -> String {
    let mut text = format!("    {} {}\n", request.method, request.url);
    for (name, value) in &request.headers {
        let _ = writeln!(text, "    {name}: {value}");
    }
    if !request.body.is_empty() {
        let _ = writeln!(text, "\n    {}", harmless(&request.body));
    }
    for assertion in &request.assertions {
        let shown = format!("Signed, header and claims:\n{:#}\n{:#}", assertion.header, assertion.claims);
        text.push('\n');
        text.extend(shown.lines().map(|line| format!("    {line}\n")));
    }
    text
}

fn response(token: &TokenReport) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "    {:<18}{value}", format!("{label}:"));
    };
    line("Endpoint", &token.endpoint);
    line("Type", &token.token_type);
    line("Expires", &token.expires_at);
    line("Scope", token.scope.as_deref().unwrap_or("not in the response; the requested scope applies"));
    line("Refresh token", if token.refresh_token { "yes, dropped" } else { "no" });
    for (label, names) in [("Kept members", &token.kept), ("Missing members", &token.lacking)] {
        if !names.is_empty() {
            line(label, &names.join(", "));
        }
    }
    match &token.claims {
        None => line("Claims", "none: the token is not a JWT"),
        Some(claims) => claims.iter().for_each(|(name, value)| line(&format!("Claim {name}"), &plain(value))),
    }
    for notice in &token.notices {
        line("Notice", &format!("{}: {}", notice.notice, notice.meaning));
    }
    text
}

fn plain(value: &serde_json::Value) -> String {
    harmless(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}
