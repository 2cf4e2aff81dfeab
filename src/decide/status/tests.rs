//! The status: failures are counted and reset, requests acknowledged, and Ready stays True while the token is good.
//! `waiting` tests which waits are written, `product` the rules of kstatus for every combination of target and outcome.

use super::*;
use crate::api::{Renewal, from_kubernetes};
use crate::decide::Cause;
use crate::decide::fixture::{Scene, at, failure, outage};
use crate::oauth::{Notice, Repeat, Retry};

mod patience;
mod product;
mod waiting;

fn condition(scene: &Scene, kind: ConditionType) -> Option<(&str, &str)> {
    kind.find(&scene.status.conditions).map(|found| (found.status.as_str(), found.reason.as_str()))
}

#[allow(clippy::unnecessary_wraps)] // the fields are optional
fn time(seconds: i64) -> Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time> {
    Some(to_kubernetes(at(seconds)))
}

fn other_inputs(scene: &mut Scene) {
    scene.generation += 1;
    scene.spec.token.scopes.push(format!("scope-{}", scene.generation));
}

fn waits(report: bool, failure: Option<Failure>) -> Outcome {
    Outcome::Deferred(Deferral { report, failure })
}

fn failed(seconds: i64) -> Outcome {
    Outcome::Failed(at(seconds), outage())
}

#[test]
fn the_first_token_is_described() {
    let scene = Scene::good();
    let status = &scene.status;
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!((status.issued_at.clone(), status.expires_at.clone()), (time(0), time(3600)));
    let renew_at = from_kubernetes(status.renew_at.as_ref().unwrap());
    assert!(renew_at > at(2600) && renew_at <= at(2700), "{renew_at}");
    assert_eq!(status.token_type.as_deref(), Some("Bearer"));
    let target = TargetStatus { name: "source".to_owned(), resource_version: Some("100".to_owned()) };
    assert_eq!(status.target, Some(target));
    assert_eq!(condition(&scene, ConditionType::Ready), Some(("True", "TokenIssued")));
    assert_eq!(condition(&scene, ConditionType::Renewed), Some(("True", "TokenIssued")));
    assert_eq!(scene.status.conditions.len(), 2);
}

#[test]
fn failures_are_counted_and_forgotten() {
    let mut scene = Scene::good().when(2700);
    for (count, seconds) in [(1, 2700), (2, 2710), (3, 2720)] {
        scene.now = at(seconds);
        scene.record(&failed(seconds));
        assert_eq!(scene.status.failures, count);
        assert_eq!(scene.status.last_failure_time, time(seconds));
        assert_eq!(scene.status.failed_inputs, scene.fingerprints().map(|fingerprints| fingerprints.attempt));
        let retry_at = from_kubernetes(scene.status.retry_at.as_ref().unwrap());
        assert!(
            retry_at > at(seconds) && retry_at <= at(seconds + 2 * i64::from(1 << (count - 1))),
            "{retry_at}"
        );
    }
    let elsewhere = scene.clone().with(|scene| {
        scene.generation += 1;
        scene.record(&failed(2730));
    });
    assert_eq!(elsewhere.status.failures, 1, "other inputs start over");
    for (name, success) in [
        ("a token", Outcome::Published(scene.publication(Cause::RenewalDue, 2730))),
        ("nothing to do", Outcome::Unchanged),
    ] {
        let mended = scene.clone().with(|scene| scene.record(&success));
        assert_eq!(mended.status.failures, 0, "{name}");
        assert_eq!((mended.status.retry_at, mended.status.failed_inputs), (None, None), "{name}");
        assert_eq!(mended.status.last_failure_time, time(2720), "{name}: kept for a person to read");
    }
    for (name, outcome) in [
        ("a wait", Outcome::Waiting),
        ("suspension", Outcome::Suspended),
        ("a refusal", Outcome::Refused(outage())),
    ] {
        let as_before = scene.clone().with(|scene| scene.record(&outcome));
        assert_eq!(as_before.status.failures, 3, "{name} is not an attempt");
        assert_eq!(as_before.status.retry_at, scene.status.retry_at, "{name} does not forget a Retry-After");
    }
}

#[test]
fn where_only_a_change_helps_there_is_no_time_to_try_again() {
    let mut scene = Scene::good().when(2700);
    scene.record(&Outcome::Failed(
        at(2700),
        failure(Reason::InvalidGrant, Retry::Terminal { repeat: Repeat::Never }),
    ));
    assert_eq!(scene.status.failures, 1);
    assert_eq!(scene.status.retry_at, None);
    assert!(scene.status.failed_inputs.is_some());
}

#[test]
fn the_wait_is_capped_by_the_life_that_is_left() {
    let longest = |scene: &Scene| {
        let uids = (0..100).map(|n| {
            let mut scene = scene.clone().with(|scene| scene.uid = format!("uid-{n}"));
            scene.status.failures = 20;
            scene.status.failed_inputs = scene.fingerprints().map(|fingerprints| fingerprints.attempt);
            scene.record(&Outcome::Failed(scene.now, outage()));
            (from_kubernetes(scene.status.retry_at.as_ref().unwrap()) - scene.now).num_seconds()
        });
        uids.max().unwrap()
    };
    assert!(longest(&Scene::good().when(3400)) <= 30, "200 s left");
    assert!(longest(&Scene::good().when(3600)) > 200, "an expired token does not shorten the wait");
    assert!(longest(&Scene::fresh()) > 200, "nothing there yet");
}

#[test]
fn a_request_is_acknowledged_once_it_has_been_tried() {
    let scene = Scene::good().with(|scene| scene.renew_request = Some("1".to_owned()));
    let publication = scene.publication(Cause::RenewalRequested, 600);
    let mut earlier = publication.clone();
    earlier.published.handled_renew_request = None;
    let cases = [
        ("a new token", Outcome::Published(publication), true),
        ("a token requested before the renewal request", Outcome::Published(earlier), false),
        ("a failure", failed(600), true),
        ("a token that could not be written", Outcome::Unwritten(Some(at(600)), outage()), false),
        ("a wait", Outcome::Waiting, false),
        ("suspension", Outcome::Suspended, false),
        ("a refusal", Outcome::Refused(outage()), false),
    ];
    for (name, outcome, acknowledged) in cases {
        let after = scene.clone().with(|scene| scene.record(&outcome));
        assert_eq!(after.status.last_handled_renew_request.is_some(), acknowledged, "{name}");
    }
}

#[test]
fn ready_stays_while_a_renewal_fails_and_goes_at_expiry() {
    let mut scene = Scene::good().when(2700);
    scene.record(&Outcome::Failed(at(2700), failure(Reason::InvalidClient, Retry::TERMINAL)));
    assert_eq!(condition(&scene, ConditionType::Ready), Some(("True", "TokenIssued")));
    assert_eq!(condition(&scene, ConditionType::Renewed), Some(("False", "InvalidClient")));
    assert_eq!(condition(&scene, ConditionType::Stalled), None, "not while the token is good");
    scene.now = at(3599);
    scene.record(&Outcome::Waiting);
    assert_eq!(condition(&scene, ConditionType::Ready), Some(("True", "TokenIssued")));
    scene.now = at(3600);
    scene.record(&Outcome::Waiting);
    assert_eq!(condition(&scene, ConditionType::Ready), Some(("False", "TokenExpired")));
    assert_eq!(condition(&scene, ConditionType::Renewed), Some(("False", "InvalidClient")));
    assert_eq!(condition(&scene, ConditionType::Stalled), Some(("True", "InvalidClient")));
    let publication = scene.publication(Cause::RenewalDue, 4000);
    scene.now = at(4001);
    scene.record(&Outcome::Published(publication));
    assert_eq!(condition(&scene, ConditionType::Ready), Some(("True", "TokenIssued")));
    assert_eq!(condition(&scene, ConditionType::Renewed), Some(("True", "TokenRenewed")));
    assert_eq!(condition(&scene, ConditionType::Stalled), None);
}

#[test]
fn stalled_or_reconciling_depends_on_the_failure() {
    let transient = ("True", "ProviderUnavailable");
    let cases = [
        ("an outage", failed(0), ConditionType::Reconciling, transient),
        ("waiting after it", Outcome::Waiting, ConditionType::Reconciling, transient),
        (
            "a refusal",
            Outcome::Failed(at(1), failure(Reason::InvalidScope, Retry::TERMINAL)),
            ConditionType::Stalled,
            ("True", "InvalidScope"),
        ),
        ("waiting after it", Outcome::Waiting, ConditionType::Stalled, ("True", "InvalidScope")),
        (
            "a conflict",
            Outcome::Refused(Failure::local(Reason::TargetConflict, "No.")),
            ConditionType::Stalled,
            ("True", "TargetConflict"),
        ),
        (
            "a token that cannot be written",
            Outcome::Unwritten(Some(at(2)), failure(Reason::TargetWriteFailed, Retry::TRANSIENT)),
            ConditionType::Reconciling,
            ("True", "TargetWriteFailed"),
        ),
    ];
    let mut scene = Scene::fresh();
    for (name, outcome, kind, expected) in cases {
        scene.record(&outcome);
        assert_eq!(condition(&scene, kind), Some(expected), "{name}");
        assert_eq!(scene.status.conditions.len(), 3, "{name}");
    }
    let mut waiting = Scene::fresh();
    waiting.record(&Outcome::Waiting);
    assert_eq!(condition(&waiting, ConditionType::Reconciling), Some(("True", "TokenPending")));
    assert_eq!(condition(&waiting, ConditionType::Renewed), Some(("Unknown", "TokenPending")));
}

#[test]
fn status_has_the_time_of_the_next_request() {
    let due = Scene::good().status.renew_at;
    let cases = [
        ("a requested renewal failed long before the token is due", 600, true),
        ("a due renewal failed", 2700, true),
    ];
    for (name, seconds, retried) in cases {
        let scene = Scene::good().when(seconds).with(|scene| scene.record(&failed(seconds)));
        assert_eq!(scene.status.renew_at == scene.status.retry_at, retried, "{name}");
        assert_ne!(scene.status.renew_at, due, "{name}");
    }
    let earlier = Scene::good().with(|scene| {
        scene.spec.renewal = Renewal { at_percentage: Some(50), ..Renewal::default() };
        scene.record(&Outcome::Unchanged);
    });
    assert!(from_kubernetes(earlier.status.renew_at.as_ref().unwrap()) <= at(1800), "the user's wish counts");
    let never = |scene: &mut Scene| {
        let never = failure(Reason::InvalidGrant, Retry::Terminal { repeat: Repeat::Never });
        scene.record(&Outcome::Failed(scene.now, never));
    };
    assert_eq!(
        Scene::good().when(2700).with(never).status.renew_at,
        None,
        "refused for good: none is planned"
    );
    let hourly = Scene::fresh().with(|scene| scene.record(&failed(0)));
    assert_eq!(hourly.status.renew_at, hourly.status.retry_at, "without a token, too");
    let suspended = Scene::good().with(|scene| {
        scene.spec.suspend = true;
        scene.record(&Outcome::Suspended);
    });
    assert_eq!(suspended.status.renew_at, None);
    let waiting = Scene::good().when(10).with(|scene| {
        scene.renew_request = Some("1".to_owned());
        scene.record(&Outcome::Waiting);
    });
    assert_eq!(waiting.status.renew_at, time(60), "a request waits for the minimum interval");
    let changed = Scene::good().when(2700).with(|scene| {
        scene.record(&failed(2700));
        other_inputs(scene);
        scene.record(&Outcome::Waiting);
    });
    assert_ne!(changed.status.renew_at, changed.status.retry_at, "the wait belongs to other inputs");
    let gone = Scene::good().with(|scene| {
        scene.target = Target::Missing;
        scene.record(&Outcome::Waiting);
    });
    assert_eq!(gone.status.renew_at, None);
}

#[test]
fn altered_content_is_not_recorded_as_intact() {
    let scene = Scene::good().with(|scene| {
        scene.published().intact = false;
        scene.record(&Outcome::Waiting);
    });
    assert_eq!(scene.status.target.unwrap().resource_version, None);
}

#[test]
fn notices_are_in_status_and_in_the_message_sorted_by_reason() {
    let mut scene = Scene::fresh();
    let mut publication = scene.publication(Cause::TokenPending, 0);
    publication.published.expires_at = at(300);
    publication.unchanged_at = Some(at(60));
    publication.notices.extend([Notice::ScopeReduced, Notice::ClockSkew, Notice::ShortLifetime]);
    scene.record(&Outcome::Published(publication));
    let message = &ConditionType::Renewed.find(&scene.status.conditions).unwrap().message;
    let places: Vec<_> = ["ClockSkew:", "ScopeReduced:", "ShortLifetime:", "StickyToken:"]
        .iter()
        .map(|notice| (message.matches(notice).count(), message.find(notice)))
        .collect();
    assert!(places.iter().all(|(count, _)| *count == 1) && places.is_sorted(), "{message}");
    let reasons: Vec<_> = scene.status.notices.iter().map(|notice| notice.reason.as_str()).collect();
    assert_eq!(reasons, ["ClockSkew", "ScopeReduced", "ShortLifetime", "StickyToken"]);
    assert_eq!(scene.status.last_unchanged_time, time(60));
    let fresh = scene.publication(Cause::RenewalDue, 200);
    scene.record(&Outcome::Published(fresh));
    assert_eq!(scene.status.last_unchanged_time, None, "another token has come");
    assert_eq!(scene.status.notices, []);
}

#[test]
fn a_notice_keeps_its_time_and_returns_to_the_message_after_a_failure() {
    let mut scene = Scene::fresh();
    let mut publication = scene.publication(Cause::TokenPending, 0);
    publication.notices.insert(Notice::ScopeReduced);
    scene.record(&Outcome::Published(publication.clone()));
    let message =
        |scene: &Scene| ConditionType::Renewed.find(&scene.status.conditions).unwrap().message.clone();
    let first = message(&scene);
    let mut scene = scene.when(100);
    scene.record(&Outcome::Refused(Failure::local(Reason::ProviderNotFound, "Gone.")));
    assert_eq!(message(&scene), "Gone.");
    scene.record(&Outcome::Unchanged);
    assert_eq!(message(&scene), first);
    assert_eq!(scene.status.notices[0].since, to_kubernetes(at(0)));
    let mut scene = scene.with(|scene| scene.target = Target::Missing);
    scene.record(&Outcome::Waiting);
    assert_eq!(scene.status.notices, [], "there is no token that they could be about");
}

#[test]
fn a_message_that_was_written_before_notices_were_entries_is_kept_until_the_notices_change() {
    let mut scene = Scene::good();
    scene.record(&Outcome::Unchanged);
    let renewed = scene.status.conditions.iter_mut().find(|condition| condition.type_ == "Renewed").unwrap();
    renewed.message.push_str(" ClockSkew: The clocks differ.");
    let before = scene.status.clone();
    scene.record(&Outcome::Unchanged);
    assert_eq!(scene.status, before, "an upgrade writes no status");
}

#[test]
fn a_write_that_is_repeated_is_no_token_that_the_provider_returned_again() {
    let mut scene = Scene::fresh();
    scene.record(&Outcome::Unwritten(Some(at(0)), failure(Reason::TargetWriteFailed, Retry::TRANSIENT)));
    let mut publication = scene.publication(Cause::TokenPending, 0);
    // The write had succeeded: the target holds the answer to this very request.
    publication.unchanged_at = Some(at(0));
    scene.record(&Outcome::Published(publication));
    assert_eq!(scene.status.last_unchanged_time, None);
    assert_eq!(scene.status.renew_at, Scene::good().status.renew_at, "it is due when any other would be");
    let message = &ConditionType::Renewed.find(&scene.status.conditions).unwrap().message;
    assert!(!message.contains("StickyToken"), "{message}");
}

#[test]
fn a_request_is_recorded_even_if_its_token_was_never_written() {
    let mut scene = Scene::fresh();
    scene.record(&Outcome::Unwritten(Some(at(0)), failure(Reason::TargetWriteFailed, Retry::TRANSIENT)));
    assert_eq!((scene.status.failures, scene.status.last_failure_time.clone()), (0, time(0)));
    assert_eq!(scene.observed().last_attempt(), Some(at(0)));
}

#[test]
fn metadata_that_could_not_be_written_are_no_attempt_to_get_a_token() {
    let mut scene = Scene::good();
    let outcome = Outcome::Unwritten(None, failure(Reason::TargetWriteFailed, Retry::TRANSIENT));
    assert!(!outcome.reports_request());
    scene.record(&outcome);
    let renewed = ConditionType::Renewed.find_false(&scene.status.conditions).unwrap();
    assert_eq!(renewed.reason, "TargetWriteFailed");
    assert_eq!((scene.status.failures, scene.status.last_failure_time.clone()), (0, None));
    assert!(ConditionType::Ready.is_true(&scene.status.conditions));
}
