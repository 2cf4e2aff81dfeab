//! Reads from the status of one TokenSource how its provider is doing.
//!
//! Knows which failures the endpoint causes and which a client causes, and which recorded times can be used: the owner of a
//! TokenSource controls much of its status. Must not know what follows for the provider.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::conditions::State;
use super::schedule::is_of_another_clock;
use crate::api::{ConditionType, Reason, ReasonKind, Tls, TokenSource, TokenSourceStatus, from_kubernetes};

/// The conclusion from a failure about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndpointEvidence {
    /// The endpoint or the provider object causes the failure. A client can cause such a failure only if its credentials or
    /// its request make the server fail.
    Fails,
    /// The endpoint has answered, and the client or its request causes the failure.
    Answers,
    /// Nothing was sent, or the failure is about something else.
    Silent,
}

const fn evidence_of(reason: Reason) -> EndpointEvidence {
    use ReasonKind as Kind;
    match reason {
        Reason::TLSVerificationFailed
        | Reason::DiscoveryFailed
        | Reason::IssuerMismatch
        | Reason::EndpointNotFound
        | Reason::EndpointNotAllowed
        | Reason::UnexpectedRedirect
        | Reason::UnsupportedMediaType => EndpointEvidence::Fails,
        Reason::RateLimited | Reason::ProviderError | Reason::UnsupportedTokenType => {
            EndpointEvidence::Answers
        }
        _ => match reason.kind() {
            Kind::Endpoint => EndpointEvidence::Fails,
            // Many providers refuse bad credentials with a success response of their own form.
            Kind::Unusable | Kind::RefreshToken | Kind::Assertion | Kind::Credentials | Kind::Refused => {
                EndpointEvidence::Answers
            }
            Kind::Fact | Kind::NotSent | Kind::Passing | Kind::Other => EndpointEvidence::Silent,
        },
    }
}

/// A TokenSource whose last request failed for a reason of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Failed {
    /// When the first of its failures in a row was reported.
    pub(super) since: DateTime<Utc>,
    pub(super) reason: Reason,
    /// How many of its requests have failed in a row.
    pub(super) times: i32,
}

/// The facts about a provider in the status of one TokenSource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProviderUse<'a> {
    pub(super) namespace: &'a str,
    /// When the last successful request was sent.
    pub(super) succeeded_at: Option<DateTime<Utc>>,
    /// When the endpoint last answered with a refusal of the client or the request, if that was its last answer.
    pub(super) answered_at: Option<DateTime<Utc>>,
    pub(super) failed: Option<Failed>,
}

impl<'a> ProviderUse<'a> {
    /// Reads the status of a TokenSource that the provider admits. `tls` is a field of the provider block.
    pub fn of(
        source: &'a TokenSource,
        tls: &Tls,
        status: Option<&TokenSourceStatus>,
        now: DateTime<Utc>,
    ) -> Self {
        let namespace = source.metadata.namespace.as_deref().unwrap_or_default();
        let nothing = Self { namespace, succeeded_at: None, answered_at: None, failed: None };
        // A status of an earlier generation may be about another provider. A suspended TokenSource requests
        // nothing, and does not replace a target whose record somebody has altered.
        let status = status.filter(|status| {
            status.observed_generation == source.metadata.generation && !source.spec.suspend
        });
        let Some(status) = status else { return nothing };
        let failure = ConditionType::Renewed.find_false(&status.conditions);
        // Only the reason of a request of this TokenSource counts. While the circuit breaker is open because of other
        // TokenSources, `Renewed` has their reason.
        let own = failure
            .and_then(|failure| Reason::named(&failure.reason))
            .filter(|reason| status.failures > 0 && status.failed_reason.as_deref() == Some(reason.as_str()));
        let evidence = own.map_or(EndpointEvidence::Silent, |reason| evidence_with_tls(reason, tls));
        let failed_at = status.last_failure_time.as_ref().and_then(|time| past(time, now));
        // The first failure was not after the last one. `Renewed` may say otherwise if another clock wrote it.
        let since = failure
            .zip(failed_at)
            .map(|(failure, failed_at)| from_kubernetes(&failure.last_transition_time).min(failed_at));
        let failed = since.zip(own).filter(|_| evidence == EndpointEvidence::Fails);
        Self {
            succeeded_at: succeeded_at(status, now),
            answered_at: failed_at.filter(|_| evidence == EndpointEvidence::Answers),
            failed: failed.map(|(since, reason)| Failed { since, reason, times: status.failures }),
            ..nothing
        }
    }
}

/// The conclusion from a failure about the endpoint of a provider with these settings of TLS. If the client has a
/// certificate, which is in the namespace of the TokenSource, the server may have refused that.
fn evidence_with_tls(reason: Reason, tls: &Tls) -> EndpointEvidence {
    match reason {
        Reason::TLSVerificationFailed if tls.client_certificate_ref.is_some() => EndpointEvidence::Silent,
        _ => evidence_of(reason),
    }
}

/// A recorded instant. None if it lies in the future: another clock, or the owner of the target, has written it, and nothing
/// that happens before then would count.
pub(super) fn past(recorded: &Time, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    Some(from_kubernetes(recorded)).filter(|recorded| !is_of_another_clock(*recorded, now))
}

/// When the last successful request of this spec was sent, if that is known for certain.
fn succeeded_at(status: &TokenSourceStatus, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let ready = ConditionType::Ready.find(&status.conditions)?;
    let is_of_this_spec = ready.status == State::True.as_str()
        || [Reason::TokenExpired, Reason::ProbeRejected].iter().any(|flaw| ready.reason == flaw.as_str());
    let issued_at = past(status.issued_at.as_ref().filter(|_| is_of_this_spec)?, now)?;
    Some(
        status
            .last_unchanged_time
            .as_ref()
            .and_then(|time| past(time, now))
            .map_or(issued_at, |time| issued_at.max(time)),
    )
}

#[cfg(test)]
mod tests;
