//! Single cases for the limiter. The directory contains the model, the scenarios, and the fleet that the scenarios use.
//! Time is an argument.

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::decide::fixture::at;

mod limits;
mod model;
mod scenarios;
mod simulation;

/// A first request of this TokenSource, with a client of its own.
fn first(namespace: &str, name: &str) -> Request {
    Request {
        name: (namespace.into(), name.into()),
        credentials: name.into(),
        need: Need::First,
        last_success: None,
        last_failure: None,
    }
}

/// A renewal by a TokenSource whose token expires at this second and was issued an hour before.
fn renewal(namespace: &str, name: &str, expires: i64) -> Request {
    let last_success = Some(at(expires - 3600));
    Request { need: Need::Renewal(at(expires)), last_success, ..first(namespace, name) }
}

fn down() -> Answer {
    Answer::Failed(Reason::ProviderUnavailable)
}

fn answer(limiter: &mut Limiter, request: Request, answer: Answer, now: DateTime<Utc>) {
    let name = request.name.clone();
    assert_eq!(limiter.acquire(request, now), Admission::Granted, "{name:?}");
    limiter.release(&name, answer, now);
}

/// A limiter with an open breaker: three requests of two namespaces have failed, all of TokenSources that had a token
/// before.
fn open(now: DateTime<Utc>) -> Limiter {
    let mut limiter = Limiter::new(4, true, now);
    for (namespace, name) in [("a", "a1"), ("b", "b1"), ("a", "a2")] {
        answer(&mut limiter, renewal(namespace, name, 500), down(), now);
    }
    assert!(limiter.is_open());
    limiter
}

fn waits(limiter: &mut Limiter, request: Request, now: DateTime<Utc>) -> bool {
    limiter.acquire(request, now) != Admission::Granted
}

fn resumed(limiter: &mut Limiter, now: DateTime<Utc>) -> Vec<String> {
    limiter.resume(now).names.into_iter().map(|(_, name)| name.to_string()).collect()
}

#[test]
fn a_permit_that_is_released_resumes_the_next_namespace_and_its_first_deadline() {
    let mut limiter = Limiter::new(1, true, at(0));
    assert!(!waits(&mut limiter, first("a", "a0"), at(0)));
    let waiting = [
        ("a", "a1", 900),
        ("a", "a2", 300),
        ("b", "b1", 800),
        ("b", "b2", 700),
        ("c", "c1", 9000),
        ("a", "a3", 100),
    ];
    for (namespace, name, expires) in waiting {
        assert!(waits(&mut limiter, renewal(namespace, name, expires), at(0)));
    }
    let mut order = Vec::new();
    let mut under_way = first("a", "a0").name;
    while order.len() < 6 {
        limiter.release(&under_way, Answer::Succeeded, at(1));
        let names = limiter.resume(at(1)).names;
        assert_eq!(names.len(), 1, "one permit, one resumption");
        under_way = names[0].clone();
        order.push(under_way.1.to_string());
        assert!(!waits(&mut limiter, first(&under_way.0, &under_way.1), at(1)));
    }
    assert_eq!(order, ["a3", "b2", "c1", "a2", "b1", "a1"]);
}

#[test]
fn the_deadline_depends_on_the_need() {
    let since = at(1000);
    for (need, deadline) in [
        (Need::First, 1060),
        (Need::Renewal(at(1010)), 1010),
        (Need::Retry(at(1010)), 1060),
        (Need::Retry(at(2000)), 2000),
        (Need::Changed(at(90_000)), 4600),
        (Need::Changed(at(1010)), 1010),
    ] {
        assert_eq!(need.deadline(since), at(deadline), "{need:?}");
    }
}

#[test]
fn the_pause_doubles_while_requests_fail_that_succeeded_before() {
    let (mut limiter, mut now) = (open(at(0)), at(0));
    assert!(waits(&mut limiter, renewal("c", "c1", 500), now));
    let mut pauses = Vec::new();
    for round in 0..6 {
        let next = limiter.resume(now).next.unwrap();
        pauses.push((next - now).num_seconds());
        now = next;
        let trial = limiter.resume(now).names;
        assert_eq!(trial.len(), 1, "round {round}");
        assert!(!waits(&mut limiter, renewal("c", "c1", 500), now));
        assert!(waits(&mut limiter, renewal("d", &round.to_string(), 400), now), "one trial at a time");
        limiter.leave(&first("d", &round.to_string()).name, now);
        limiter.release(&trial[0], down(), now);
        assert!(waits(&mut limiter, Request { last_failure: Some(now), ..renewal("c", "c1", 500) }, now));
    }
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
}

#[test]
fn the_trial_is_that_of_the_waiter_whose_same_inputs_succeeded_last() {
    let mut limiter = open(at(0));
    let failed = Request { last_failure: Some(at(0)), ..renewal("a", "failed", 9000) };
    for request in [first("a", "new"), renewal("a", "longer ago", 100), renewal("z", "last", 4000), failed] {
        assert!(waits(&mut limiter, request, at(1)));
    }
    assert_eq!(resumed(&mut limiter, at(4)), [""; 0]);
    assert_eq!(resumed(&mut limiter, at(5)), ["last"]);
    // A failure for its own reason does not change the state of the endpoint: the next waiter is tried immediately.
    limiter.acquire(renewal("z", "last", 4000), at(5));
    limiter.release(&first("z", "last").name, Answer::Unrelated, at(5));
    assert_eq!(resumed(&mut limiter, at(5)), ["longer ago"]);
}

#[test]
fn failures_of_one_tenant_do_not_open_the_breaker_for_another() {
    let mut shared = Limiter::new(4, true, at(0));
    answer(&mut shared, first("other", "healthy"), Answer::Succeeded, at(0));
    for number in 0..10 {
        answer(&mut shared, first("a", &number.to_string()), down(), at(1));
    }
    assert!(!shared.is_open(), "one namespace");
    let of_one = |name: &str| Request { credentials: "the client".into(), ..first("a", name) };
    let mut owned = Limiter::new(4, false, at(0));
    answer(&mut owned, first("a", "healthy"), Answer::Succeeded, at(0));
    for number in 0..10 {
        answer(&mut owned, of_one(&number.to_string()), down(), at(1));
    }
    assert!(!owned.is_open(), "one client");
    answer(&mut owned, first("a", "another"), down(), at(1));
    assert!(owned.is_open(), "two clients");
}

#[test]
fn a_single_tenant_opens_the_breaker_of_an_endpoint_without_other_users() {
    let mut limiter = Limiter::new(4, true, at(0));
    for number in 0..3 {
        answer(&mut limiter, first("a", &number.to_string()), down(), at(0));
    }
    assert!(waits(&mut limiter, first("a", "next"), at(1)));
    assert!(
        !waits(&mut limiter, first("b", "another namespace"), at(1)),
        "immediately: no failure delays it"
    );
    limiter.release(&first("b", "another namespace").name, Answer::Succeeded, at(1));
    assert!(!limiter.is_open());
}

#[test]
fn a_success_between_failures_keeps_the_breaker_closed() {
    let mut limiter = Limiter::new(4, true, at(0));
    for second in 0..20 {
        answer(&mut limiter, first("a", &second.to_string()), down(), at(second));
        answer(&mut limiter, first("b", &second.to_string()), down(), at(second));
        answer(&mut limiter, first("c", &second.to_string()), Answer::Succeeded, at(second));
    }
    assert!(!limiter.is_open());
}

#[test]
fn a_source_that_failed_before_others_succeeded_proves_nothing() {
    let mut limiter = open(at(0));
    assert!(waits(&mut limiter, renewal("c", "healthy", 4000), at(1)));
    limiter.resume(at(5));
    answer(&mut limiter, renewal("c", "healthy", 4000), Answer::Succeeded, at(5));
    assert!(!limiter.is_open());
    for second in 10..70 {
        let (namespace, name) = [("a", "a1"), ("b", "b1"), ("a", "a2")][usize::try_from(second).unwrap() % 3];
        let again = Request { last_failure: Some(at(0)), ..renewal(namespace, name, 500) };
        answer(&mut limiter, again, down(), at(second));
    }
    assert!(!limiter.is_open());
}

#[test]
fn requests_under_way_when_the_breaker_opens_do_not_lengthen_its_pause() {
    let mut limiter = Limiter::new(16, true, at(0));
    let all: Vec<_> = (0..10).map(|number| renewal(&number.to_string(), "one", 500)).collect();
    assert!(all.iter().all(|request| !waits(&mut limiter, request.clone(), at(0))));
    for request in &all {
        limiter.release(&request.name, down(), at(1));
    }
    assert!(waits(&mut limiter, renewal("x", "one", 500), at(1)));
    assert_eq!(limiter.resume(at(1)).next, Some(at(6)));
}

#[test]
fn after_a_recovery_the_rate_doubles_within_each_second() {
    let mut limiter = open(at(0));
    for number in 0..2000 {
        assert!(waits(&mut limiter, renewal("c", &number.to_string(), 500), at(1)));
    }
    let (mut now, mut requests) = (at(5), Vec::new());
    while requests.len() < 500 {
        let resumed = limiter.resume(now);
        for name in resumed.names {
            if !waits(&mut limiter, renewal(&name.0, &name.1, 500), now) {
                requests.push(now);
                limiter.release(&name, Answer::Succeeded, now);
            }
        }
        let none_resumed = limiter.resume(now).names.is_empty();
        now = if none_resumed { resumed.next.unwrap_or(now + TimeDelta::milliseconds(1)) } else { now };
        now += TimeDelta::milliseconds(1);
    }
    let within =
        |from: i64, to: i64| requests.iter().filter(|sent| (at(from)..at(to)).contains(sent)).count();
    assert!(within(5, 6) <= 10, "{} in the first second", within(5, 6));
    assert!(within(7, 8) >= 2 * within(5, 6), "{} in the third second", within(7, 8));
}

#[test]
fn waits_are_reported_after_a_minute_and_ten_a_second() {
    let mut limiter = Limiter::new(1, false, at(0));
    assert!(!waits(&mut limiter, first("a", "under way"), at(0)));
    for number in 0..400 {
        assert_eq!(
            limiter.acquire(first("a", &number.to_string()), at(0)),
            Admission::Waiting { report: false, open_reason: None }
        );
    }
    let reported: Vec<_> = (1..90).map(|second| limiter.resume(at(second)).names.len()).collect();
    assert_eq!((reported[58], reported[59], reported[60], reported[88]), (0, 100, 10, 10));
    assert_eq!(
        limiter.acquire(first("a", "0"), at(90)),
        Admission::Waiting { report: true, open_reason: None }
    );
}

#[test]
fn open_breaker_is_reported_at_once_to_a_hundred_waiters() {
    let mut limiter = open(at(0));
    let reported = |limiter: &mut Limiter, number: u32| {
        matches!(
            limiter.acquire(renewal("c", &number.to_string(), 500), at(1)),
            Admission::Waiting { report: true, open_reason: Some(_) }
        )
    };
    assert_eq!((0..300).filter(|number| reported(&mut limiter, *number)).count(), 100);
}

#[test]
fn a_resumed_source_that_does_not_acquire_its_permit_loses_it_to_the_next() {
    let mut limiter = Limiter::new(1, true, at(0));
    assert!(!waits(&mut limiter, first("a", "under way"), at(0)));
    for name in ["suspended", "lost", "next"] {
        assert!(waits(&mut limiter, first("a", name), at(0)));
    }
    limiter.release(&first("a", "under way").name, Answer::Succeeded, at(1));
    assert_eq!(resumed(&mut limiter, at(1)), ["lost"], "by name where deadlines are the same");
    let next = limiter.resume(at(1)).next.unwrap();
    assert_eq!(limiter.resume(next).names.len(), 1, "after half a minute");
    limiter.leave(&first("a", "next").name, at(32));
    assert_eq!(resumed(&mut limiter, at(32)), ["suspended"]);
}

#[test]
fn one_namespace_leaves_permits_to_the_others_of_a_shared_endpoint() {
    let mut limiter = Limiter::new(16, true, at(0));
    let granted = |limiter: &mut Limiter, namespace: &str| {
        (0..40).filter(|number| !waits(limiter, first(namespace, &number.to_string()), at(0))).count()
    };
    assert_eq!(granted(&mut limiter, "hangs"), 12);
    assert_eq!((granted(&mut limiter, "hangs too"), granted(&mut limiter, "other")), (3, 1));
    assert_eq!(granted(&mut Limiter::new(16, false, at(0)), "its own"), 16);
}
