//! Whether a renewal request has a result, and which. Pure: the time that has passed is an argument.

use chrono::TimeDelta;

use crate::api::{ConditionType, Reason, ReasonKind, TokenSource};
use crate::cli::output::harmless;

/// For this long, a failure may be older than the request and is not taken as its result.
const GRACE: TimeDelta = TimeDelta::seconds(5);
/// Printed while the request waits and no failure explains the wait.
const AT_MOST_ONE_A_MINUTE: &str =
    "waiting: the controller sends at most one requested renewal a minute for each TokenSource";

/// The result of a renewal request.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// No result yet; the progress to print, if any.
    Waiting(Option<String>),
    /// There is a new token.
    Renewed,
    /// There is no new token: reason and message.
    Failed(String, String),
}

/// The result for one `TokenSource`; `source` is None if it was deleted.
pub(super) fn judge(
    source: Option<&TokenSource>,
    request: &str,
    waited: TimeDelta,
    in_time: bool,
) -> Verdict {
    let failed = |reason: &str, message: &str| Verdict::Failed(harmless(reason), harmless(message));
    let Some(source) = source else {
        return failed("NotFound", "The TokenSource does not exist any more.");
    };
    if source.spec.suspend {
        return failed(Reason::Suspended.as_str(), Reason::Suspended.sentence());
    }
    let status = source.status.clone().unwrap_or_default();
    let refused = ConditionType::Renewed.find_false(&status.conditions);
    let acknowledged = status.last_handled_renew_request.as_deref() == Some(request);
    match (acknowledged, refused) {
        (true, None) => Verdict::Renewed,
        (true, Some(refused)) => failed(&refused.reason, &refused.message),
        (false, Some(refused)) if waited >= GRACE && was_not_sent(&refused.reason) => {
            failed(&refused.reason, &refused.message)
        }
        (false, Some(refused)) if !in_time => failed(
            &refused.reason,
            &format!("The request was not handled in time. The current message is: {}", refused.message),
        ),
        (false, None) if !in_time => failed(
            "Timeout",
            "The request was not handled in time. Check that a controller is running that serves this namespace and these \
             labels.",
        ),
        (false, Some(refused)) if waited >= GRACE && is_unwritten(&refused.reason) => {
            Verdict::Waiting(Some(format!("waiting: {}", harmless(&refused.message))))
        }
        (false, _) => Verdict::Waiting((waited >= GRACE).then(|| AT_MOST_ONE_A_MINUTE.to_owned())),
    }
}

/// Whether no request is sent to the provider, so that the renewal request stays open until the cluster changes.
fn was_not_sent(reason: &str) -> bool {
    Reason::named(reason).is_some_and(|reason| reason.kind() == ReasonKind::NotSent)
}

/// The token was obtained but could not be written; the progress says why.
fn is_unwritten(reason: &str) -> bool {
    reason == Reason::TargetWriteFailed.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn source(handled: Option<&str>, renewed: &str, reason: &str) -> TokenSource {
        serde_json::from_value(json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource", "metadata": {"name": "x"},
            "spec": {"suspend": reason == "Suspended"},
            "status": {
                "lastHandledRenewRequest": handled,
                "conditions": [{
                    "type": "Renewed", "status": renewed, "reason": reason, "message": "m",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
            },
        }))
        .unwrap()
    }

    #[test]
    fn request_has_a_result_once_it_is_acknowledged_or_cannot_be() {
        let waiting = |text: Option<&str>| Verdict::Waiting(text.map(str::to_owned));
        let failed = |reason: &str| Verdict::Failed(reason.to_owned(), "m".to_owned());
        let patient = AT_MOST_ONE_A_MINUTE;
        for (handled, renewed, reason, waited, expected) in [
            (None, "True", "TokenIssued", 0, waiting(None)),
            (Some("before"), "True", "TokenIssued", 5, waiting(Some(patient))),
            (Some("this"), "True", "TokenRenewed", 0, Verdict::Renewed),
            (Some("this"), "False", "InvalidClient", 0, failed("InvalidClient")),
            // A failure before the request is no result. A reason that prevents every request, as in the last row, is one.
            (Some("before"), "False", "InvalidClient", 30, waiting(Some(patient))),
            (Some("before"), "False", "TargetWriteFailed", 30, waiting(Some("waiting: m"))),
            (None, "False", "CredentialsNotBound", 4, waiting(None)),
            (None, "False", "CredentialsNotBound", 5, failed("CredentialsNotBound")),
        ] {
            let source = source(handled, renewed, reason);
            let verdict = judge(Some(&source), "this", TimeDelta::seconds(waited), true);
            assert_eq!(verdict, expected, "{handled:?} {renewed} {reason} {waited}");
        }
    }

    #[test]
    fn wait_ends_at_the_deadline_or_if_no_result_can_come() {
        let late = |source: &TokenSource| judge(Some(source), "this", TimeDelta::seconds(120), false);
        let Verdict::Failed(reason, message) = late(&source(None, "True", "TokenIssued")) else { panic!() };
        assert_eq!(reason, "Timeout");
        assert!(message.contains("controller is running"));
        let Verdict::Failed(reason, message) = late(&source(None, "False", "TargetWriteFailed")) else {
            panic!()
        };
        assert_eq!(reason, "TargetWriteFailed");
        assert!(message.ends_with(": m"));
        for gone in
            [judge(None, "this", TimeDelta::zero(), true), late(&source(None, "Unknown", "Suspended"))]
        {
            assert!(matches!(gone, Verdict::Failed(..)), "{gone:?}");
        }
    }
}
