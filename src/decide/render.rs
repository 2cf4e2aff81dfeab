//! The data of the target: the default keys, or the templates of `target.data`.
//!
//! Knows the words a template may use and how far it may go. Templates are written by tenants and run in a process
//! that serves all of them, so what could grow without bounds (loops, assignments, repetition) is refused by its
//! tokens before anything runs. Must not know a refresh token, and must not quote a value in an explanation.

mod filters;
mod grammar;

use std::collections::BTreeSet;
use std::fmt;

use chrono::DateTime;
use k8s_openapi::ByteString;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, context};

use super::Failure;
use super::publication::{Data, timestamp};
use crate::api::{Reason, Target};
use crate::oauth::{Secret, Token};
use filters::Bounded;

/// What one template may render to, in bytes.
const LIMIT: usize = 256 * 1024;
/// What all of them may: the API server takes no larger Secret.
const TOTAL: usize = 1024 * 1024;
/// The words a template may use.
const NAMES: &str = "access_token, token_type, scope, expires_at and issued_at";

/// Why a template cannot be rendered. Quotes neither the template nor a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// The key in `target.data`.
    pub key: String,
    /// The line in the template, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong and what to write instead, without a full stop.
    pub why: String,
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "target.data, key {}", self.key)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.why)
    }
}

impl TemplateProblem {
    /// The failure to record; `consequence` says what was done about it.
    pub fn failure(&self, consequence: &str) -> Failure {
        Failure::local(Reason::TemplateInvalid, format!("{self}. {consequence}"))
    }
}

/// A problem whose key is not known yet.
struct Flaw {
    line: Option<usize>,
    why: String,
}

/// What is to stand in the target for this token.
pub fn render(target: &Target, token: &Token) -> Result<Data, TemplateProblem> {
    if target.data.is_empty() {
        return Ok(default_data(token));
    }
    let (engine, words) = (engine(), words(token));
    let (mut data, mut total) = (Data::new(), 0);
    for (key, template) in &target.data {
        let problem = |flaw: Flaw| TemplateProblem { key: key.clone(), line: flaw.line, why: flaw.why };
        let value = one(&engine, &template.0, &words).map_err(problem)?;
        total += value.len();
        if total > TOTAL {
            let why =
                "with the keys before it, it renders to more than the 1 MiB that a Secret holds".to_owned();
            return Err(problem(Flaw { line: None, why }));
        }
        data.insert(key.clone(), ByteString(value));
    }
    Ok(data)
}

/// Whether the templates can be rendered with a plausible token, whether or not the provider names its scope.
pub fn check(target: &Target) -> Result<(), TemplateProblem> {
    if target.data.is_empty() {
        return Ok(());
    }
    for scope in [Some("first second".to_owned()), None] {
        let placeholder = Token {
            // Three parts, as a JWT has, for templates that take it apart.
            access_token: Secret::new("aGVhZGVy.cGF5bG9hZA.c2lnbmF0dXJl".to_owned()),
            token_type: "Bearer".to_owned(),
            scope,
            refresh_token: None,
            issued_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
            notices: BTreeSet::new(),
        };
        render(target, &placeholder)?;
    }
    Ok(())
}

/// Whether the token can be read back from the target: under its default key, as it came.
pub fn keeps_token(target: &Target) -> bool {
    let plain = |template: &str| {
        let inner =
            template.trim_end_matches('\n').strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        inner.is_some_and(|inner| inner.trim() == "access_token")
    };
    target.data.is_empty() || target.data.get("access_token").is_some_and(|template| plain(&template.0))
}

/// The default keys: `access_token`, `token_type`, `expires_at`.
fn default_data(token: &Token) -> Data {
    let [access_token, token_type, expires_at] = crate::api::TARGET_KEYS;
    [
        (access_token, token.access_token.expose().as_bytes().to_vec()),
        (token_type, token.token_type.as_bytes().to_vec()),
        (expires_at, timestamp(token.expires_at).into_bytes()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), ByteString(value)))
    .collect()
}

fn one(engine: &Environment<'_>, source: &str, words: &Value) -> Result<Vec<u8>, Flaw> {
    grammar::check(source, engine.syntax())?;
    let template = engine.template_from_str(source).map_err(|error| flaw(&error))?;
    let mut output = Bounded::default();
    template.render_captured_to(words.clone(), &mut output).map_err(|error| flaw(&error))?;
    Ok(output.into_bytes())
}

/// Nothing but our own filters: no functions, no tests, no loader, no escaping of HTML.
fn engine() -> Environment<'static> {
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    // A line of a file ends as it was written.
    if let Ok(syntax) = minijinja::syntax::SyntaxConfig::builder().keep_trailing_newline(true).build() {
        engine.set_syntax(syntax);
    }
    filters::add_to(&mut engine);
    engine
}

fn words(token: &Token) -> Value {
    context! {
        access_token => token.access_token.expose(),
        token_type => token.token_type.as_str(),
        scope => token.scope.as_deref().unwrap_or_default(),
        expires_at => timestamp(token.expires_at),
        issued_at => timestamp(token.issued_at),
    }
}

/// Says what kind of error it is. Its own text may quote values and stays unread.
fn flaw(error: &Error) -> Flaw {
    let why = match error.kind() {
        ErrorKind::SyntaxError | ErrorKind::BadEscape => {
            "this is not a template; look for braces or quotes that are not closed, and words after an expression".to_owned()
        }
        ErrorKind::UndefinedError => {
            format!("it uses something that is not there; a template knows {NAMES}, and none of them has members")
        }
        ErrorKind::UnknownFilter => format!("there is no such filter; there are {}", filters::NAMES.join(", ")),
        ErrorKind::UnknownTest => "there are no tests behind `is`; compare with == or ask `if scope`".to_owned(),
        ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => {
            format!("there are no functions and methods; use a filter: {}", filters::NAMES.join(", "))
        }
        ErrorKind::MissingArgument | ErrorKind::TooManyArguments => {
            "a filter is given too few arguments, or too many".to_owned()
        }
        ErrorKind::WriteFailure => "it renders to more than 256 KiB".to_owned(),
        _ => "an operation or a filter does not fit the value it is given".to_owned(),
    };
    Flaw { line: error.line(), why }
}

#[cfg(test)]
mod tests;
