//! Intervals: failed inputs wait for their time, renewal requests are handled once, and the minimum interval always applies.

use super::*;
use crate::decide::Cause;

#[test]
fn failed_inputs_wait_for_their_time_and_not_a_moment_longer() {
    for retry in [Retry::TRANSIENT, Retry::TERMINAL, Retry::Wasteful] {
        let scene = failing(retry);
        let retry_at = from_kubernetes(scene.status.retry_at.as_ref().unwrap());
        let seconds = (retry_at - at(0)).num_seconds();
        assert_eq!(scene.clone().when(seconds - 1).plan(), wait(seconds), "{retry:?}");
        assert_eq!(scene.when(seconds.max(2705)).plan(), Plan::Issue(Cause::RenewalDue), "{retry:?}");
    }
}

#[test]
fn a_refusal_that_could_lock_an_account_waits_for_a_change() {
    let locked = || failing(Retry::Terminal { repeat: Repeat::Never });
    assert_eq!(locked().when(50_000_000).plan(), Plan::Wait(None), "time changes nothing");
    let restarted = locked().with(|s| s.status = locked().status).when(4000);
    assert_eq!(restarted.plan(), Plan::Wait(None), "a restart changes nothing");
    let rotated = locked().when(2705).with(|s| {
        let ReferencedSecret::Present { resource_version, .. } = &mut s.credentials else {
            panic!("no credentials")
        };
        *resource_version = "8".to_owned();
    });
    assert_eq!(rotated.plan(), Plan::Issue(Cause::InputsChanged), "other credentials do");
    let trusting = locked().when(2705).with(|s| s.provider().tls.ca_bundle = Some("PEM".to_owned()));
    assert_eq!(trusting.plan(), Plan::Issue(Cause::RenewalDue), "so does other trust");
    assert_eq!(
        locked().when(2760).with(requested("1")).plan(),
        Plan::Issue(Cause::RenewalDue),
        "so does a request"
    );
}

/// A token of an hour, issued at second 0 of a clock that is then set back or forward.
#[test]
fn a_clock_that_was_stepped_costs_one_token_and_loses_none() {
    let back = Scene::good().when(-3600);
    assert_eq!(back.plan(), Plan::Issue(Cause::RenewalDue), "it may end an hour before its time");
    let mut renewed = back;
    let publication = renewed.publication(Cause::RenewalDue, -3600);
    renewed.record(&Outcome::Published(publication));
    assert_eq!(renewed.when(-3599).plan(), Plan::Nothing, "once");
    assert_eq!(Scene::good().when(-59).plan(), Plan::Nothing, "clocks of two machines differ by this much");
    assert_eq!(Scene::good().when(3600).plan(), Plan::Issue(Cause::RenewalDue), "forward is merely late");
    let mut failed = Scene::good().when(-3600);
    failed.record(&Outcome::Failed(at(-3600), outage()));
    assert!(
        matches!(failed.when(-3599).plan(), Plan::Wait(Some(_))),
        "and a failing provider receives no request sooner"
    );
}

#[test]
fn a_request_is_dealt_with_once_and_requests_once_a_minute() {
    let mut scene = Scene::good().with(requested("1"));
    assert_eq!(scene.plan(), Plan::Issue(Cause::RenewalRequested));
    let publication = scene.publication(Cause::RenewalRequested, 600);
    scene.record(&Outcome::Published(publication));
    assert_eq!(scene.clone().when(700).plan(), Plan::Nothing, "the same value, a second time");
    assert_eq!(
        scene.clone().when(601).with(requested("2")).plan(),
        wait(660),
        "a new value within the minute"
    );
    assert_eq!(scene.clone().when(660).with(requested("2")).plan(), Plan::Issue(Cause::RenewalRequested));
    assert_eq!(
        scene.when(660).with(requested("")).plan(),
        Plan::Issue(Cause::RenewalRequested),
        "any value will do"
    );
}

#[test]
fn a_request_is_handled_once_even_if_the_status_was_not_written() {
    let mut scene = Scene::good().with(requested("1"));
    // The target was written, the status was not, and the process ended.
    scene.published().handled_renew_request = Some("1".to_owned());
    assert_eq!(scene.clone().plan(), Plan::Nothing, "the target records it");
    assert_eq!(
        scene.clone().with(requested("2")).plan(),
        Plan::Issue(Cause::RenewalRequested),
        "a new value"
    );
    scene.record(&Outcome::Unchanged);
    assert_eq!(scene.status.last_handled_renew_request.as_deref(), Some("1"), "and status after it");
}

#[test]
fn a_success_that_the_status_does_not_record_ends_the_failure() {
    for retry in [Retry::TRANSIENT, Retry::TERMINAL] {
        let mut scene = failing(retry).when(3000);
        // The next attempt brought a token, and the process ended before it could write the status.
        (scene.published().issued_at, scene.published().expires_at) = (at(2990), at(6590));
        assert_eq!(scene.plan(), Plan::Nothing, "{retry:?}");
        scene.record(&Outcome::Unchanged);
        assert_eq!((scene.status.failures, scene.status.retry_at.clone()), (0, None), "{retry:?}");
        let mut suspended = scene.clone().with(|s| s.spec.suspend = true);
        suspended.status = failing(retry).status;
        suspended.record(&Outcome::Suspended);
        assert_eq!(
            suspended.with(|s| s.spec.suspend = false).plan(),
            Plan::Nothing,
            "{retry:?}, suspended before it is reported"
        );
        let forged = failing(retry).when(2705).with(|s| s.published().issued_at = at(9000));
        assert!(
            matches!(forged.plan(), Plan::Wait(_)) || retry == Retry::TRANSIENT,
            "an instant in the future proves nothing"
        );
    }
}

#[test]
fn a_request_ends_a_wait_but_not_more_than_once_a_minute() {
    let long = || failing(Retry::TERMINAL);
    assert_eq!(
        long().when(2710).with(requested("1")).plan(),
        wait(2760),
        "each new value would be an attempt"
    );
    assert_eq!(long().when(2760).with(requested("1")).plan(), Plan::Issue(Cause::RenewalDue));
    let without_a_token = long().when(2710).with(requested("1")).with(|s| s.target = Target::Missing);
    assert_eq!(without_a_token.plan(), wait(2760), "also where there is no token");
    let short = failing(Retry::TRANSIENT).when(2705).with(requested("1"));
    assert_eq!(short.plan(), Plan::Issue(Cause::RenewalDue), "a request never makes a wait longer");
}

#[test]
fn a_requested_renewal_that_failed_stays_due() {
    let mut scene = Scene::good().with(requested("1"));
    scene.record(&Outcome::Failed(at(600), outage()));
    assert_eq!(scene.observed().open_renew_request(), None, "it is acknowledged");
    assert_eq!(scene.when(610).plan(), Plan::Issue(Cause::RenewalRequested));
}

#[test]
fn never_two_requests_within_five_seconds() {
    let just_now = || Scene::good().when(2);
    let cases = vec![
        ("the target was deleted", just_now().with(|s| s.target = Target::Missing)),
        ("the target was altered", just_now().with(|s| s.published().intact = false)),
        ("the inputs changed", just_now().with(|s| s.spec.token.scopes.push("a".to_owned()))),
        (
            "another attempt failed, and the inputs changed",
            Scene::fresh().when(2).with(|s| {
                s.record(&Outcome::Failed(at(0), outage()));
                s.spec.token.scopes.push("a".to_owned());
            }),
        ),
        (
            "a token was issued, could not be written, and is lost",
            Scene::fresh().when(2).with(|s| {
                s.record(&Outcome::Unwritten(
                    Some(at(0)),
                    failure(Reason::TargetWriteFailed, Retry::TRANSIENT),
                ));
            }),
        ),
        (
            "the provider returned the same token, and the inputs changed",
            Scene::good().when(602).with(|s| {
                s.status.last_unchanged_time = Some(to_kubernetes(at(600)));
                s.spec.token.scopes.push("a".to_owned());
            }),
        ),
    ];
    for (name, scene) in cases {
        let earliest = (scene.now - at(2) + at(5).signed_duration_since(at(0))).num_seconds();
        assert_eq!(scene.clone().plan(), wait(earliest), "{name}");
        assert!(matches!(scene.when(earliest).plan(), Plan::Issue(_)), "{name}");
    }
}
