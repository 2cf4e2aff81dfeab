//! The retry schedule: bounds, caps, minimum waits, and which of them takes precedence.

use super::*;
use crate::api::Reason;
use crate::decide::fixture::{at, failure, outage};

/// The next attempt after this number of failures of a single class, with inputs that have worked before.
fn next(
    failure: &Failure,
    failures: i32,
    life_left: TimeDelta,
    uid: &str,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    retry_at(failure, &Attempts { failures, of_class: failures, proven: true, life_left, uid }, now)
}

const NO_LIFE: TimeDelta = TimeDelta::zero();

fn uids() -> impl Iterator<Item = String> {
    (0..200).map(|n| format!("uid-{n}"))
}

/// The shortest and the longest wait over many uids, in seconds.
fn waits(failure: &Failure, failures: i32, life_left: TimeDelta) -> (i64, i64) {
    let waits: Vec<i64> = uids()
        .map(|uid| (next(failure, failures, life_left, &uid, at(0)).unwrap() - at(0)).num_seconds())
        .collect();
    (*waits.iter().min().unwrap(), *waits.iter().max().unwrap())
}

fn asking(retry: Retry, retry_after: u64) -> Failure {
    Failure { retry_after: Some(Duration::from_secs(retry_after)), ..failure(Reason::RateLimited, retry) }
}

fn floor(seconds: u64) -> Retry {
    Retry::Transient { floor: Duration::from_secs(seconds) }
}

#[test]
fn transient_waits_lie_between_half_a_bound_and_the_bound() {
    let bounds = [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 64), (7, 128), (8, 256), (9, 300), (10, 300)];
    for (failures, bound) in bounds.into_iter().chain([(1000, 300), (i32::MAX, 300)]) {
        let (shortest, longest) = waits(&outage(), failures, NO_LIFE);
        assert!(shortest >= bound / 2, "failure {failures}: {shortest}");
        assert!(longest <= bound, "failure {failures}: {longest}");
        assert!(longest > bound * 9 / 10, "failure {failures}: jitter up to {longest} of {bound} only");
        assert!(
            shortest <= (bound * 6 / 10).max(bound / 2 + 1),
            "failure {failures}: jitter from {shortest} of {bound} only"
        );
    }
}

#[test]
fn negative_and_zero_counts_do_not_panic() {
    for failures in [0, -1, i32::MIN] {
        let (shortest, longest) = waits(&outage(), failures, NO_LIFE);
        assert!(shortest >= 1 && longest <= 2, "{failures}: {shortest} to {longest}");
    }
}

#[test]
fn the_remaining_lifetime_caps_the_wait() {
    let cases = [
        ("40 minutes left: five minutes", 2400, 300),
        ("20 minutes left: an eighth", 1200, 150),
        ("four minutes left: 30 s", 240, 30),
        ("a second left: 30 s", 1, 30),
        ("nothing left: five minutes", 0, 300),
        ("long expired: five minutes", -3600, 300),
        ("a day left: five minutes", 86_400, 300),
    ];
    for (name, left, bound) in cases {
        let (shortest, longest) = waits(&outage(), 20, TimeDelta::seconds(left));
        assert!(
            shortest >= bound / 2 && longest <= bound && longest > bound * 9 / 10,
            "{name}: {shortest} to {longest}"
        );
    }
}

#[test]
fn floors_and_retry_after_lengthen_the_wait_and_never_shorten_it() {
    let cases = [
        (
            "a floor applies where the schedule is shorter",
            failure(Reason::ProxyError, floor(300)),
            1,
            300,
            300,
        ),
        ("a floor applies after many failures, too", failure(Reason::ProxyError, floor(300)), 9, 300, 300),
        ("a floor does not shorten the schedule", failure(Reason::RateLimited, floor(60)), 9, 60, 300),
        ("Retry-After applies where the schedule is shorter", asking(Retry::TRANSIENT, 1800), 1, 1800, 1800),
        ("Retry-After does not shorten a floor", asking(floor(60), 10), 1, 60, 60),
        ("Retry-After does not shorten the schedule", asking(Retry::TRANSIENT, 1), 8, 128, 256),
        ("Retry-After applies to wasted tokens, too", asking(Retry::Wasteful, 3600), 4, 3600, 3600),
        ("Retry-After applies to a terminal refusal, too", asking(Retry::TERMINAL, 3600), 1, 3600, 3600),
        ("nothing waits longer than an hour", asking(Retry::TRANSIENT, 7200), 1, 3600, 3600),
    ];
    for (name, failure, failures, at_least, at_most) in cases {
        let (shortest, longest) = waits(&failure, failures, NO_LIFE);
        assert!(shortest >= at_least && longest <= at_most, "{name}: {shortest} to {longest}");
    }
    let (shortest, _) = waits(&failure(Reason::ProxyError, floor(300)), 9, TimeDelta::seconds(60));
    assert_eq!(shortest, 300, "a floor wins over the cap by the remaining lifetime");
}

#[test]
fn each_retry_class_has_waits_of_its_own() {
    let assertion = Retry::Assertion { attempts: 3 };
    let (half_hour, hour) = (1800, 3600);
    let cases = [
        ("the first unusable answer is retried like an outage", Retry::Wasteful, 1, 1, 2),
        ("the second, too", Retry::Wasteful, 2, 2, 4),
        ("from the third on, 20 minutes at least", Retry::Wasteful, 3, 1200, 1200),
        ("also much later", Retry::Wasteful, 30, 1200, 1200),
        ("a refused assertion is tried again", assertion, 1, 1, 2),
        ("twice", assertion, 2, 2, 4),
        ("then tried once an hour", assertion, 3, half_hour, hour),
        ("a terminal refusal is tried once an hour", Retry::TERMINAL, 1, half_hour, hour),
        ("however often", Retry::TERMINAL, 50, half_hour, hour),
        (
            "also of inputs that a provider may not know yet, once they have worked",
            Retry::REFUSED,
            1,
            half_hour,
            hour,
        ),
    ];
    for (name, retry, failures, at_least, at_most) in cases {
        let (shortest, longest) = waits(&failure(Reason::MalformedResponse, retry), failures, NO_LIFE);
        assert!(shortest >= at_least && longest <= at_most, "{name}: {shortest} to {longest}");
    }
}

#[test]
fn a_refusal_that_could_lock_an_account_is_never_retried() {
    let locked = asking(Retry::Terminal { repeat: Repeat::Never }, 10);
    for failures in [1, 2, 100] {
        assert_eq!(next(&locked, failures, TimeDelta::hours(1), "uid", at(0)), None);
    }
}

#[test]
fn the_retry_is_at_a_whole_second_and_never_earlier_than_asked() {
    let asked = asking(Retry::TRANSIENT, 60);
    for millis in [0, 1, 499, 999] {
        let sent_at = at(0) + TimeDelta::milliseconds(millis);
        let instant = next(&asked, 1, NO_LIFE, "uid", sent_at).unwrap();
        assert_eq!(instant.timestamp_subsec_nanos(), 0, "after {millis} ms");
        assert!(instant - sent_at >= TimeDelta::seconds(60), "after {millis} ms: {instant}");
        assert!(instant - sent_at < TimeDelta::seconds(61), "after {millis} ms: {instant}");
    }
}

#[test]
fn the_same_failure_of_the_same_object_waits_the_same() {
    let first = next(&outage(), 7, NO_LIFE, "uid-1", at(0));
    assert_eq!(first, next(&outage(), 7, NO_LIFE, "uid-1", at(0)));
    let others = uids().filter(|uid| next(&outage(), 7, NO_LIFE, uid, at(0)) != first);
    assert!(others.count() > 150, "a thousand objects must not be retried at the same time");
}

#[test]
fn calls_to_the_api_server_are_retried_sooner_if_the_remaining_lifetime_is_short() {
    let within = |errors, life_left, least: f64, most: f64| {
        let wait = retry_after_error(errors, TimeDelta::seconds(life_left), "6f0c6f3a-0001").as_secs_f64();
        assert!((least..=most).contains(&wait), "{errors} errors, {life_left} s left: {wait} s");
    };
    within(1, 3600, 0.25, 0.5);
    within(2, 3600, 0.5, 1.0);
    within(5, 3600, 4.0, 8.0);
    within(40, 3600, 30.0, 60.0);
    within(40, 40, 2.5, 5.0);
    within(40, 4, 0.5, 1.0);
    within(1, 4, 0.25, 0.5);
    within(u32::MAX, 0, 30.0, 60.0);
}
