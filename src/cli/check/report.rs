//! The result of a check, as data, which `text` renders for people and serde writes for programs. Must not know how the
//! results were found.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use kube::ResourceExt;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::api::{Renewal, TokenProviderSpec, TokenSource, TokenSourceSpec};
use crate::decide::Failure;
use crate::decide::schedule::due_between;
use crate::issue::error::IssueError;
use crate::oauth::Assertion;

#[derive(Serialize)]
pub(super) struct Report {
    pub(super) sources: Vec<SourceReport>,
    pub(super) problems: Vec<Problem>,
}

/// A mistake in an object or in a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Problem {
    pub(super) object: String,
    pub(super) message: String,
}

/// The result for one `TokenSource`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceReport {
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) failure: Option<Fault>,
    pub(super) request: Option<RequestReport>,
    pub(super) answer: Option<TokenReport>,
    pub(super) renewal: Option<RenewalTime>,
    pub(super) revocation: Option<RevocationReport>,
    /// Unusual properties of the credentials.
    pub(super) doubts: Vec<String>,
    /// Checks that were left out.
    pub(super) not_checked: Vec<String>,
}

/// Why a `TokenSource` would not work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Fault {
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) advice: String,
}

/// The request, with a mask in place of each secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct RequestReport {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    pub(super) assertions: Vec<AssertionReport>,
}

/// Header and claims of an assertion that is signed for the request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct AssertionReport {
    pub(super) header: Value,
    pub(super) claims: Value,
}

/// The provider's response, without the token.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenReport {
    pub(super) endpoint: String,
    pub(super) token_type: String,
    pub(super) expires_at: String,
    pub(super) scope: Option<String>,
    /// Whether the response had a refresh token, which was dropped.
    pub(super) refresh_token: bool,
    /// The names in `response.keep` for which the response has a member, without the values.
    pub(super) kept: Vec<String>,
    /// The other names in `response.keep`.
    pub(super) lacking: Vec<String>,
    /// The standard claims of a JWT, unverified; None if the token is not a JWT.
    pub(super) claims: Option<BTreeMap<&'static str, Value>>,
    pub(super) notices: Vec<NoticeReport>,
    #[serde(skip)]
    pub(super) renewal: RenewalTime,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct NoticeReport {
    pub(super) notice: &'static str,
    pub(super) meaning: &'static str,
}

/// The lifetime of a token, and when it is renewed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RenewalTime {
    pub(super) source: LifetimeSource,
    #[serde(rename = "lifetimeSeconds", serialize_with = "seconds")]
    pub(super) lifetime: TimeDelta,
    #[serde(rename = "renewedAfterSeconds", serialize_with = "seconds")]
    pub(super) earliest: TimeDelta,
    #[serde(rename = "renewedBeforeSeconds", serialize_with = "seconds")]
    pub(super) latest: TimeDelta,
}

/// The source of the lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum LifetimeSource {
    /// The provider's response.
    Answer,
    /// The spec of a token that the controller signs.
    SignedToken,
    /// The spec, for providers that do not send the lifetime.
    AssumedLifetime,
    /// An hour, as an example.
    Example,
}

/// Which tokens are revoked, and where.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RevocationReport {
    /// The revocation endpoint; None if the issuer's metadata names the endpoint.
    pub(super) endpoint: Option<String>,
    pub(super) on_delete: bool,
    /// How long after its replacement a token is revoked; None if replaced tokens are not revoked.
    pub(super) grace_seconds: Option<u64>,
}

impl RevocationReport {
    /// The settings for revocation; None if the provider block has none.
    pub(super) fn of(provider: &TokenProviderSpec) -> Option<Self> {
        let revocation = provider.revocation.as_ref()?;
        let grace_seconds = provider.grace_of_replaced().map(|grace| grace.as_secs());
        Some(Self { endpoint: revocation.endpoint.clone(), on_delete: revocation.on_delete, grace_seconds })
    }
}

impl Report {
    pub(super) fn has_failed(&self) -> bool {
        !self.problems.is_empty() || self.sources.iter().any(|source| source.failure.is_some())
    }
}

impl SourceReport {
    pub(super) fn new(source: &TokenSource, not_checked: Vec<String>) -> Self {
        Self {
            namespace: source.namespace(),
            name: source.name_any(),
            failure: None,
            request: None,
            answer: None,
            renewal: None,
            revocation: None,
            doubts: Vec::new(),
            not_checked,
        }
    }

    pub(super) fn failed(self, failure: impl Into<Fault>) -> Self {
        Self { failure: Some(failure.into()), renewal: None, revocation: None, ..self }
    }
}

impl Fault {
    pub(super) fn not_sent(message: &str) -> Self {
        Self { reason: "NotSent".to_owned(), message: message.to_owned(), advice: String::new() }
    }
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

impl From<IssueError<Fault>> for Fault {
    fn from(error: IssueError<Fault>) -> Self {
        match error {
            IssueError::Lookup(fault) => fault,
            IssueError::Refused(failure) | IssueError::Failed(failure) => failure.into(),
        }
    }
}

impl RenewalTime {
    /// The renewal time for the known lifetime of a token.
    pub(super) fn of(source: LifetimeSource, lifetime: TimeDelta, renewal: &Renewal) -> Self {
        let (earliest, latest) = due_between(lifetime, renewal);
        Self { source, lifetime, earliest, latest }
    }

    /// The renewal time for the lifetime of a token that the controller signs; or for the lifetime that the spec assumes, or
    /// else for an hour.
    pub(super) fn expected(spec: &TokenSourceSpec, provider: &TokenProviderSpec) -> Self {
        if let Some(signed) = &provider.signed_token {
            let left = signed.lifetime().get().saturating_sub(Assertion::DEFAULT_BACKDATE);
            let lifetime = TimeDelta::from_std(left).unwrap_or_default();
            return Self::of(LifetimeSource::SignedToken, lifetime, &spec.renewal);
        }
        let expiry = &provider.response.expiry;
        let lifetime = TimeDelta::from_std(expiry.assumed_lifetime()).unwrap_or(TimeDelta::hours(1));
        let is_example = expiry.assumed_lifetime.is_none();
        let source = if is_example { LifetimeSource::Example } else { LifetimeSource::AssumedLifetime };
        Self::of(source, lifetime, &spec.renewal)
    }
}

fn seconds<S: Serializer>(span: &TimeDelta, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(span.num_seconds())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn report_names_the_source_of_the_lifetime() {
        let source = |provider: Value| {
            let provider = serde_json::from_value(provider).unwrap();
            json!(RenewalTime::expected(&TokenSourceSpec::default(), &provider))["source"].clone()
        };
        let endpoint = "https://auth.example.com/token";
        let assumed = json!({"expiry": {"assumedLifetime": "24h"}});
        assert_eq!(source(json!({"signedToken": {"lifetime": "20m"}})), "signedToken");
        assert_eq!(source(json!({"tokenEndpoint": endpoint, "response": assumed})), "assumedLifetime");
        assert_eq!(source(json!({"tokenEndpoint": endpoint})), "example");
    }
}
