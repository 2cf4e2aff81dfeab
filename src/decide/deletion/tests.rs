//! When revoking is tried, and that a deletion ends within two minutes.

use std::time::Duration;

use super::*;
use crate::api::Reason;
use crate::decide::fixture::{at, failure, outage};

fn deleted(tries: RevocationTries) -> Deletion {
    Deletion { finalizer: true, since: Some(at(0)), tries, ..Deletion::default() }
}

#[test]
fn first_try_is_made_at_once_and_the_next_ones_after_pauses() {
    let deletion = deleted(RevocationTries::default());
    assert_eq!(deletion.next(at(1)), DeletionStep::Revoke);
    let once = deleted(deletion.tries.failed(outage(), at(2)));
    assert_eq!(once.next(at(3)), DeletionStep::Wait(at(12)));
    assert_eq!(once.next(at(12)), DeletionStep::Revoke);
    let twice = deleted(once.tries.failed(outage(), at(13)));
    assert_eq!(twice.next(at(14)), DeletionStep::Wait(at(33)));
    assert_eq!(twice.next(at(33)), DeletionStep::Revoke);
    let thrice = deleted(twice.tries.failed(outage(), at(34)));
    assert_eq!(thrice.next(at(34)), DeletionStep::RemoveFinalizer(Some(outage())), "three tries are enough");
}

#[test]
fn refusal_is_final() {
    let refusal = failure(Reason::InvalidClient, Retry::REFUSED);
    let refused = deleted(RevocationTries::default().failed(refusal.clone(), at(1)));
    assert_eq!(refused.next(at(1)), DeletionStep::RemoveFinalizer(Some(refusal)));
}

#[test]
fn longer_wait_of_the_provider_is_obeyed_until_the_deadline() {
    let busy = |seconds| Failure { retry_after: Some(Duration::from_secs(seconds)), ..outage() };
    let soon = deleted(RevocationTries::default().failed(busy(60), at(1)));
    assert_eq!(soon.next(at(2)), DeletionStep::Wait(at(61)));
    let late = deleted(RevocationTries::default().failed(busy(3600), at(1)));
    assert_eq!(late.next(at(2)), DeletionStep::Wait(at(120)));
    assert_eq!(late.next(at(120)), DeletionStep::RemoveFinalizer(Some(busy(3600))));
}

#[test]
fn limiter_keeps_a_deletion_for_two_minutes_at_the_most() {
    let waiting = deleted(RevocationTries::default().waiting(at(1)).waiting(at(90)));
    assert_eq!(waiting.next(at(119)), DeletionStep::Revoke, "it asks the limiter again");
    assert_eq!(waiting.allowance(at(119)), TimeDelta::seconds(1), "a request does not outlast the deadline");
    let DeletionStep::RemoveFinalizer(Some(failure)) = waiting.next(at(120)) else { panic!("not released") };
    assert_eq!(failure.reason, Reason::RevocationFailed);
}

#[test]
fn confirmed_revocation_is_not_repeated_if_the_finalizer_cannot_be_removed() {
    let once = RevocationTries::default().failed(outage(), at(2)).succeeded();
    for now in [at(3), at(12), at(500)] {
        assert_eq!(deleted(once.clone()).next(now), DeletionStep::RemoveFinalizer(None));
    }
}

/// Whatever the provider does, and however long each try takes.
#[test]
fn deletion_ends_within_two_minutes() {
    let (mut now, mut deletion, mut tries) = (at(0), deleted(RevocationTries::default()), 0);
    loop {
        match deletion.next(now) {
            DeletionStep::Revoke => {
                tries += 1;
                let allowance = deletion.allowance(now);
                assert!(allowance > TimeDelta::zero());
                now += allowance;
                deletion = deleted(deletion.tries.failed(outage(), now));
            }
            DeletionStep::Wait(until) => now = until,
            DeletionStep::RemoveFinalizer(_) => break,
        }
    }
    assert!(now <= at(120), "{now}");
    assert_eq!(tries, 3);
}

#[test]
fn controller_that_was_down_or_has_another_clock_tries_once() {
    for since in [-86_400, 3600] {
        let deletion = Deletion { since: Some(at(since)), ..deleted(RevocationTries::default()) };
        assert_eq!(deletion.next(at(0)), DeletionStep::Revoke, "{since}");
        assert_eq!(deletion.allowance(at(0)), TRY, "{since}");
    }
    let late =
        Deletion { since: Some(at(-86_400)), ..deleted(RevocationTries::default().failed(outage(), at(1))) };
    assert_eq!(late.next(at(1)), DeletionStep::RemoveFinalizer(Some(outage())));
    let ahead =
        Deletion { since: Some(at(3600)), ..deleted(RevocationTries::default().failed(outage(), at(1))) };
    assert!(matches!(ahead.next(at(200)), DeletionStep::RemoveFinalizer(_)), "it counts from the first try");
}
