//! Tables of users, each with the status of their provider. Times are seconds after the fixture's first instant.

use super::*;
use crate::decide::fixture::at;

const NOW: i64 = 10_000;

fn user(namespace: &str) -> ProviderUse<'_> {
    ProviderUse { namespace, succeeded_at: None, answered_at: None, failed: None }
}

fn succeeded(namespace: &str, seconds: i64) -> ProviderUse<'_> {
    ProviderUse { succeeded_at: Some(at(seconds)), ..user(namespace) }
}

fn failed(namespace: &str, since: i64, times: i32) -> ProviderUse<'_> {
    let failed = Failed { since: at(since), reason: Reason::EndpointUnreachable, times };
    ProviderUse { failed: Some(failed), ..user(namespace) }
}

/// A failure of a TokenSource that has had a token.
fn failed_after(namespace: &str, succeeded: i64, since: i64, times: i32) -> ProviderUse<'_> {
    ProviderUse { succeeded_at: Some(at(succeeded)), ..failed(namespace, since, times) }
}

fn with_reason(user: ProviderUse<'_>, reason: Reason) -> ProviderUse<'_> {
    ProviderUse { failed: user.failed.map(|failed| Failed { reason, ..failed }), ..user }
}

fn answered(namespace: &str, seconds: i64) -> ProviderUse<'_> {
    ProviderUse { answered_at: Some(at(seconds)), ..user(namespace) }
}

/// The first status of these users.
fn first(users: &[ProviderUse<'_>]) -> TokenProviderStatus {
    next(users, 1, None, at(NOW))
}

/// `Ready` in a word, with the reason if it is False.
fn ready(status: &TokenProviderStatus) -> String {
    match ConditionType::Ready.find(&status.conditions) {
        Some(ready) if ready.status == "False" => ready.reason.clone(),
        Some(ready) => ready.status.clone(),
        None => "absent".to_owned(),
    }
}

#[test]
fn ready_follows_the_last_requests_of_all_users() {
    let (a, b) = ("a", "b");
    for (case, users, expected) in [
        ("nobody uses it", vec![], "absent"),
        ("no request was sent", vec![user(a)], "absent"),
        ("clients are refused", vec![answered(a, 5)], "absent"),
        ("one got a token", vec![user(a), succeeded(a, 5)], "True"),
        ("one got a token and another is refused", vec![succeeded(a, 5), answered(a, 90)], "True"),
        ("one request was lost", vec![failed_after(a, 5, 90, 1)], "True"),
        ("one request was lost, and none has succeeded", vec![failed(a, 90, 1)], "absent"),
        ("a request was lost twice", vec![failed_after(a, 5, 90, 2)], "EndpointUnreachable"),
        ("two requests were lost", vec![failed(a, 90, 1), failed(a, 91, 1)], "EndpointUnreachable"),
        (
            "a certificate is not trusted",
            vec![with_reason(failed(a, 90, 1), Reason::TLSVerificationFailed)],
            "TLSVerificationFailed",
        ),
        ("failures were followed by a success", vec![failed(a, 90, 9), succeeded(a, 91)], "True"),
        (
            "one namespace fails, and another has just succeeded",
            vec![failed(a, 9000, 9), failed(a, 9001, 9), succeeded(b, 8000)],
            "True",
        ),
        (
            "one namespace fails, and the last success of another is long ago",
            vec![failed_after(a, 5, 9000, 9), succeeded(b, 10)],
            "EndpointUnreachable",
        ),
        (
            "two namespaces fail after a success",
            vec![failed_after(a, 5, 9000, 1), failed_after(b, 6, 9001, 1), succeeded(b, 8000)],
            "EndpointUnreachable",
        ),
        (
            "TokenSources of two namespaces that never had a token fail after a success",
            vec![failed(a, 9000, 9), failed(b, 9001, 9), succeeded("c", 8000)],
            "True",
        ),
        (
            "TokenSources that never had a token fail, and the last success is long ago",
            vec![failed(a, 9000, 9), failed(b, 9001, 9), succeeded("c", 10)],
            "EndpointUnreachable",
        ),
        (
            "the reason of most counts",
            vec![
                failed(a, 90, 1),
                with_reason(failed(a, 91, 1), Reason::ProviderUnavailable),
                failed(a, 92, 1),
            ],
            "EndpointUnreachable",
        ),
    ] {
        let status = first(&users);
        assert_eq!(ready(&status), expected, "{case}");
        let observed = (expected != "absent").then_some(1);
        assert_eq!(status.observed_generation, observed, "{case}");
        assert_eq!(status.token_sources, count(users.len()), "{case}");
    }
}

#[test]
fn ready_stays_false_until_the_endpoint_answers() {
    let down = next(&[succeeded("a", 5), failed_after("a", 4, 90, 2)], 1, None, at(100));
    for (case, users, expected) in [
        ("the failing one was changed", vec![succeeded("a", 5), user("a")], "EndpointUnreachable"),
        ("another one fails once", vec![user("a"), failed("a", 95, 1)], "EndpointUnreachable"),
        ("a client is refused, as before", vec![answered("a", 99)], "EndpointUnreachable"),
        ("a client is refused now", vec![answered("a", 101)], "True"),
        ("a request succeeds", vec![succeeded("a", 101), failed("a", 90, 3)], "True"),
        ("nobody uses it any more", vec![], "absent"),
    ] {
        let status = next(&users, 1, Some(&down), at(NOW));
        assert_eq!(ready(&status), expected, "{case}");
        let since = ConditionType::Ready.find(&status.conditions).map(|ready| &ready.last_transition_time);
        let turned = if expected == "EndpointUnreachable" { at(100) } else { at(NOW) };
        assert!(since.is_none_or(|since| from_kubernetes(since) == turned), "{case}");
        assert!(status.last_success_time.is_some(), "{case}");
    }
    // A new spec has yet to fail.
    assert_eq!(ready(&next(&[user("a")], 2, Some(&down), at(NOW))), "absent");
}

#[test]
fn messages_are_made_of_counts() {
    let message = |status: &TokenProviderStatus| status.conditions[0].message.clone();
    let users = [succeeded("secret-team", 5), failed_after("secret-team", 4, 90, 2), user("other")];
    let down = message(&first(&users));
    let words = "No request has succeeded since 2026-01-01T00:00:05Z; the last requests of 1 of 3 TokenSources failed";
    assert!(down.contains(words) && down.ends_with(Reason::EndpointUnreachable.advice()), "{down}");
    assert!(!down.contains("team"), "{down}");
    let mixed = message(&first(&[succeeded("a", 95), failed("a", 90, 2)]));
    assert!(mixed.contains("1 of 2 TokenSources"), "{mixed}");
    assert_eq!(message(&first(&[succeeded("a", 95)])), Reason::EndpointReachable.sentence());
}

#[test]
fn a_status_is_written_for_a_reason_and_not_soon_after_the_last_write() {
    let users = |successes: i64| vec![succeeded("a", successes), user("a")];
    let before = first(&users(5));
    let refused = {
        let mut users = users(5);
        users.push(answered("a", 50));
        users
    };
    let down = vec![succeeded("a", 5), failed_after("a", 4, 90, 2)];
    for (case, users, since, written) in [
        ("nothing has changed", users(5), None, false),
        ("a success of a moment later", users(600), None, false),
        ("a success of ten minutes later", users(605), None, true),
        ("a success of ten minutes later, after a write", users(605), Some(59), false),
        ("another count", refused.clone(), None, true),
        ("another count, a minute after a write", refused.clone(), Some(60), true),
        ("another count, soon after a write", refused, Some(59), false),
        ("a transition, soon after a write", down, Some(1), true),
    ] {
        let status = provider_status(&users, 1, Some(&before), since.map(TimeDelta::seconds), at(NOW));
        assert_eq!(status.is_some(), written, "{case}");
    }
    assert!(provider_status(&[], 1, None, None, at(NOW)).is_some_and(|status| status.token_sources == 0));
    let unused = first(&[]);
    assert_eq!(
        provider_status(&[], 2, Some(&unused), None, at(NOW)),
        None,
        "a changed spec that nobody uses"
    );
}

/// A record of another clock, or one that an earlier version took from a target, must not keep `Ready` as it is.
#[test]
fn recorded_times_in_the_future_are_replaced() {
    let down = [failed_after("a", 5, 90, 2), failed_after("b", 5, 90, 2)];
    let mut frozen = first(&[succeeded("a", 5)]);
    frozen.last_success_time = Some(to_kubernetes(at(2_000_000_000)));
    let status = next(&down, 1, Some(&frozen), at(NOW));
    assert_eq!(ready(&status), "EndpointUnreachable");
    assert_eq!(status.last_success_time, Some(to_kubernetes(at(5))));
    let good = [succeeded("a", 5)];
    let status = provider_status(&good, 1, Some(&frozen), None, at(NOW));
    assert_eq!(status.and_then(|status| status.last_success_time), Some(to_kubernetes(at(5))));

    let mut turned = first(&down);
    for condition in &mut turned.conditions {
        condition.last_transition_time = to_kubernetes(at(2_000_000_000));
    }
    assert_eq!(ready(&next(&[succeeded("a", 5), answered("b", 101)], 1, Some(&turned), at(NOW))), "True");
}
