//! How often and how soon failures are retried, with the recorded status carried from one failure to the next.

use chrono::TimeDelta;

use super::*;
use crate::oauth::{Repeat, Retry};

const REFUSED: Retry = Retry::Terminal { repeat: Repeat::WhileNew };
const MINUTE: i64 = 60;
const HALF_HOUR: i64 = 30 * MINUTE;

/// The shortest and the longest wait after the last of these failures, over many uids. Each failure occurs at the retry
/// time of the previous one.
fn last_wait(scene: &Scene, failures: &[Failure]) -> (i64, i64) {
    let waits: Vec<i64> =
        (0..50).map(|n| waits(scene, failures, &format!("uid-{n}")).pop().unwrap()).collect();
    (*waits.iter().min().unwrap(), *waits.iter().max().unwrap())
}

/// The wait after each of these failures.
fn waits(scene: &Scene, failures: &[Failure], uid: &str) -> Vec<i64> {
    let mut scene = scene.clone().with(|scene| scene.uid = uid.to_owned());
    let mut waits = Vec::new();
    for failure in failures {
        scene.record(&Outcome::Failed(scene.now, failure.clone()));
        let retry_at = from_kubernetes(scene.status.retry_at.as_ref().unwrap());
        waits.push((retry_at - scene.now).num_seconds());
        scene.now = retry_at;
    }
    waits
}

fn unusable() -> Failure {
    failure(Reason::MalformedResponse, Retry::Wasteful)
}

fn refused() -> Failure {
    failure(Reason::InvalidClient, REFUSED)
}

fn assertion() -> Failure {
    failure(Reason::AssertionRejected, Retry::Assertion { attempts: 3 })
}

/// The token in the target was requested with the same inputs, and expires in this number of seconds.
fn proven(life_left: i64) -> Scene {
    Scene::good().when(3600 - life_left)
}

#[test]
fn patience_is_counted_in_a_row_and_for_each_class_by_itself() {
    let another_unusable = failure(Reason::TokenAlreadyExpired, Retry::Wasteful);
    let cases = [
        ("the first unusable answer after an outage", vec![outage(), outage(), unusable()], 0, MINUTE),
        ("the second", vec![outage(), outage(), unusable(), unusable()], 0, MINUTE),
        ("the third in a row", vec![unusable(), unusable(), another_unusable], 20 * MINUTE, 20 * MINUTE),
        (
            "the count begins again after an outage",
            vec![unusable(), unusable(), outage(), unusable()],
            0,
            MINUTE,
        ),
        ("the first refused assertion after an outage", vec![outage(), outage(), assertion()], 0, MINUTE),
        ("the third in a row", vec![assertion(), assertion(), assertion()], HALF_HOUR, 2 * HALF_HOUR),
    ];
    // The remaining lifetime is zero, so it cannot shorten a wait.
    let scene = proven(0);
    for (name, failures, least, most) in cases {
        let (shortest, longest) = last_wait(&scene, &failures);
        assert!(least <= shortest && longest <= most, "{name}: {shortest} to {longest} s");
    }
}

#[test]
fn refused_inputs_that_have_worked_are_tried_once_more_before_the_token_ends() {
    let cases = [
        ("an hour's token at three quarters: in time for every mount", 900, 1, 720, 720),
        ("less than two mounts' delay left: half of it", 300, 1, 150, 150),
        ("a minute left", 60, 1, 30, 30),
        ("too little left to ask twice", 8, 1, HALF_HOUR, 2 * HALF_HOUR),
        ("nothing left", 0, 1, HALF_HOUR, 2 * HALF_HOUR),
        ("the attempt before the end was refused, too", 900, 2, HALF_HOUR, 2 * HALF_HOUR),
        ("half of the remaining lifetime is waited for once only", 60, 2, HALF_HOUR, 2 * HALF_HOUR),
    ];
    for (name, life_left, times, least, most) in cases {
        for class in [refused(), assertion_refused_before()] {
            let (shortest, longest) = last_wait(&proven(life_left), &vec![class.clone(); times]);
            assert!(
                least <= shortest && longest <= most,
                "{name}, {}: {shortest} to {longest} s",
                class.reason
            );
        }
    }
    // With hours left, the hourly attempt comes first, and the last attempt is still in time.
    let mut scene = proven(0);
    scene.published().expires_at = scene.now + TimeDelta::hours(3);
    let waits = waits(&scene, &vec![refused(); 8], "uid");
    let tries: Vec<i64> = waits
        .iter()
        .scan(0, |at, wait| {
            *at += wait;
            Some(*at)
        })
        .collect();
    assert!(waits.iter().all(|wait| *wait <= 3600), "{waits:?}");
    assert!(tries.contains(&(3 * 3600 - 180)), "{tries:?}");
}

/// A refusal after the permitted number of attempts.
fn assertion_refused_before() -> Failure {
    failure(Reason::AssertionRejected, Retry::Assertion { attempts: 1 })
}

#[test]
fn an_unusable_answer_is_tried_once_more_before_the_token_ends() {
    let (shortest, longest) = last_wait(&proven(900), &[unusable(), unusable(), unusable()]);
    assert!(shortest > 10 * MINUTE && longest <= 720, "{shortest} to {longest} s");
}

#[test]
fn refused_inputs_that_have_never_worked_are_given_three_minutes() {
    let changed = || proven(900).with(other_inputs);
    for (name, scene) in [("none yet", Scene::fresh()), ("the credentials were rotated", changed())] {
        for class in [refused(), assertion()] {
            for uid in 0..50 {
                let waits = waits(&scene, &vec![class.clone(); 7], &format!("uid-{uid}"));
                let (new, later) = waits.split_at(4);
                assert!(new.iter().all(|wait| (10..=90).contains(wait)), "{name}: {waits:?}");
                assert!((100..=220).contains(&new.iter().sum::<i64>()), "{name}: {waits:?}");
                let last = later.last().unwrap();
                assert!((HALF_HOUR..=2 * HALF_HOUR).contains(last), "{name}: {waits:?}");
            }
        }
    }
    // The old token had a quarter of an hour left: the sixth attempt is made before it expires.
    let waits = waits(&changed(), &vec![refused(); 6], "uid");
    let sixth: i64 = waits.iter().take(5).sum();
    assert!((600..900).contains(&sixth), "{waits:?}");
}

#[test]
fn a_password_is_not_sent_more_often_if_it_is_new_or_the_token_expires_soon() {
    let hourly = failure(Reason::InvalidClient, Retry::Terminal { repeat: Repeat::Hourly });
    for scene in [Scene::fresh(), proven(900)] {
        let (shortest, longest) = last_wait(&scene, std::slice::from_ref(&hourly));
        assert!(HALF_HOUR <= shortest && longest <= 2 * HALF_HOUR, "{shortest} to {longest} s");
    }
    let mut scene = Scene::fresh();
    let never = Retry::Terminal { repeat: Repeat::Never };
    scene.record(&Outcome::Failed(scene.now, failure(Reason::InvalidGrant, never)));
    assert_eq!(scene.status.retry_at, None);
}
