//! The data of the target: the default keys, or the templates of `target.data`.
//!
//! Knows the variables and limits of templates. Templates are written by tenants and run in a process that serves all of
//! them. So constructs that could grow without bounds (loops, assignments, repetition) are refused before anything runs,
//! evaluation is charged to a budget of work, and a panic is caught. Must not know a refresh token, and must not quote a
//! value in a message.

mod evaluate;
mod fault;
mod filters;
mod grammar;
mod value;
mod vocabulary;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::DateTime;
use k8s_openapi::ByteString;
use minijinja::machinery::parse;
use minijinja::syntax::SyntaxConfig;

use super::Failure;
use super::publication::secret_type;
use super::secrets::Data;
use crate::api::{Reason, Target, timestamp};
use crate::oauth::{Secret, Token};
use crate::panics;
use evaluate::Evaluation;
use fault::{Fault, Flaw};
use work::Work;

/// The maximum output of one template, in bytes.
const LIMIT: usize = 256 * 1024;
/// The maximum output of all templates: the API server accepts no larger Secret.
const TOTAL: usize = 1024 * 1024;

/// Why a template cannot be rendered. Quotes neither the template nor a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// The key in `target.data`.
    pub key: String,
    /// The line in the template, counted from 1; None if it is not known.
    pub line: Option<usize>,
    /// The mistake and the correction, without a full stop.
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

/// The data of the target for this token.
pub fn render(target: &Target, token: &Token) -> Result<Data, TemplateProblem> {
    if target.data.is_empty() {
        return Ok(default_data(token));
    }
    render_within(target, token, &mut Work::new())
}

fn render_within(target: &Target, token: &Token, work: &mut Work) -> Result<Data, TemplateProblem> {
    let words = Words::new(token);
    let (mut data, mut total) = (Data::new(), 0);
    for (key, template) in &target.data {
        let problem =
            |flaw: Flaw| TemplateProblem { key: key.clone(), line: flaw.line, why: flaw.fault.to_string() };
        // Panics are caught, because a third-party parser reads text from any tenant.
        let rendered = panics::contain(|| one(&template.0, &words, work));
        let value = rendered.unwrap_or_else(|_| Err(Fault::Panicked.into())).map_err(problem)?;
        total += value.len();
        if total > TOTAL {
            return Err(problem(Fault::SecretTooLarge.into()));
        }
        data.insert(key.clone(), ByteString(value));
    }
    Ok(data)
}

/// Whether the templates can be rendered with a plausible token, whether or not the provider names its scope. `keep` is
/// `response.keep` of the provider block.
pub fn check(target: &Target, keep: &BTreeMap<String, String>) -> Result<(), TemplateProblem> {
    if target.data.is_empty() {
        return Ok(());
    }
    for scope in [Some("first second".to_owned()), None] {
        let data = render_within(target, &placeholder(scope, keep), &mut Work::of_a_check())?;
        typed(target, &data)?;
    }
    Ok(())
}

/// A fake token, to check the target before a real token exists.
pub fn placeholder(scope: Option<String>, keep: &BTreeMap<String, String>) -> Token {
    // A URL, because templates may split a URL.
    let member = || Some(Secret::new("https://host.example.com/v1".to_owned()));
    Token {
        // Three parts like a JWT, for templates that split it.
        access_token: Secret::new("aGVhZGVy.cGF5bG9hZA.c2lnbmF0dXJl".to_owned()),
        token_type: "Bearer".to_owned(),
        scope,
        refresh_token: None,
        kept: keep.keys().map(|name| (name.clone(), member())).collect(),
        issued_at: DateTime::UNIX_EPOCH,
        expires_at: DateTime::UNIX_EPOCH,
        declared_zero: false,
        notices: BTreeSet::new(),
    }
}

/// Refuses data without the JSON object that the API server requires for some types.
fn typed(target: &Target, data: &Data) -> Result<(), TemplateProblem> {
    let Some((key, example)) = json_key(secret_type(target)) else { return Ok(()) };
    let object = |value: &ByteString| {
        serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(&value.0).is_ok()
    };
    match data.get(key) {
        Some(value) if !object(value) => Err(TemplateProblem {
            key: key.to_owned(),
            line: None,
            why: format!(
                "it renders to something other than the JSON object that this type wants; write {example}"
            ),
        }),
        // `validation::target` reports missing keys.
        _ => Ok(()),
    }
}

/// The key that must contain a JSON object in a Secret of this type, and a template for it.
pub(super) fn json_key(type_: &str) -> Option<(&'static str, &'static str)> {
    match type_ {
        "kubernetes.io/dockerconfigjson" => Some((
            ".dockerconfigjson",
            r#"{"auths": {"registry.example.com": {"auth": {{ ("oauth2:" ~ access_token) | b64encode | tojson }}}}}"#,
        )),
        "kubernetes.io/dockercfg" => Some((
            ".dockercfg",
            r#"{"registry.example.com": {"auth": {{ ("oauth2:" ~ access_token) | b64encode | tojson }}}}"#,
        )),
        _ => None,
    }
}

/// Whether the target contains the unchanged token under its default key.
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

fn one(source: &str, words: &Words<'_>, work: &mut Work) -> Result<Vec<u8>, Flaw> {
    // Keep the trailing newline of a file.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build().map_err(|_| Fault::Syntax)?;
    work.charge(source.len())?;
    grammar::check(source, &syntax)?;
    let template = parse(source, "", syntax)
        // The parser's message may quote the template, so it is dropped.
        .map_err(|error| Flaw { line: error.line(), fault: Fault::Syntax })?;
    let mut evaluation = Evaluation { words, work, output: Vec::new() };
    evaluation.statement(&template)?;
    Ok(evaluation.output)
}

/// The variables of a template.
struct Words<'a> {
    token: &'a Token,
    expires_at: String,
    issued_at: String,
}

impl<'a> Words<'a> {
    fn new(token: &'a Token) -> Self {
        Self { token, expires_at: timestamp(token.expires_at), issued_at: timestamp(token.issued_at) }
    }

    fn get(&self, word: &str) -> Option<&str> {
        match word {
            "access_token" => Some(self.token.access_token.expose()),
            "token_type" => Some(&self.token.token_type),
            "scope" => Some(self.token.scope.as_deref().unwrap_or_default()),
            "expires_at" => Some(&self.expires_at),
            "issued_at" => Some(&self.issued_at),
            _ => None,
        }
    }

    /// A member of `fields`.
    fn field(&self, name: &str) -> Result<&str, Fault> {
        let field = self.token.kept.get(name).ok_or(Fault::NotKept)?;
        field.as_ref().map(Secret::expose).ok_or(Fault::NotAnswered)
    }

    /// The members of `fields` that the response has.
    fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.token.kept.iter().filter_map(|(name, text)| Some((name.as_str(), text.as_ref()?.expose())))
    }
}

#[cfg(test)]
mod tests;
