//! Events report transitions: the first of a kind, but neither its repetition nor a routine renewal.

use super::*;
use crate::decide::fixture::{Scene, at, failure, outage};
use crate::decide::{Cause, Failure, Target};
use crate::oauth::Retry;

fn refused(reason: Reason) -> Outcome {
    Outcome::Refused(Failure::local(reason, "No."))
}

fn failed(seconds: i64) -> Outcome {
    Outcome::Failed(at(seconds), outage())
}

/// Records the outcome, and returns the reason of the resulting Event and whether it is a warning.
fn event(scene: &mut Scene, outcome: &Outcome) -> Option<(bool, Reason)> {
    let before = scene.status.clone();
    scene.record(outcome);
    transition(&before, &scene.status, outcome).map(|event| {
        assert!(!event.note.is_empty());
        (event.warning, event.reason)
    })
}

#[test]
fn each_transition_is_an_event_and_a_routine_renewal_is_none() {
    let mut scene = Scene::fresh();
    let published = |cause, seconds| Outcome::Published(Scene::fresh().publication(cause, seconds));
    let terminal = |seconds| Outcome::Failed(at(seconds), failure(Reason::InvalidClient, Retry::TERMINAL));
    let steps = [
        (
            "the Secret is not there yet",
            0,
            refused(Reason::CredentialsNotFound),
            Some((true, Reason::CredentialsNotFound)),
        ),
        ("another reconcile with the same", 10, refused(Reason::CredentialsNotFound), None),
        (
            "it is there, but not bound",
            20,
            refused(Reason::CredentialsNotBound),
            Some((true, Reason::CredentialsNotBound)),
        ),
        ("the first token", 30, published(Cause::TokenPending, 30), Some((false, Reason::TokenIssued))),
        ("a resync", 40, Outcome::Unchanged, None),
        ("a routine renewal", 2740, published(Cause::RenewalDue, 2740), None),
        ("another", 5440, published(Cause::RenewalDue, 5440), None),
        ("an outage", 8140, failed(8140), Some((true, Reason::ProviderUnavailable))),
        ("waiting", 8141, Outcome::Waiting, None),
        ("the same outage", 8145, failed(8145), None),
        ("another failure", 8160, terminal(8160), Some((true, Reason::InvalidClient))),
        ("the token expires", 9040, Outcome::Waiting, Some((true, Reason::TokenExpired))),
        ("and stays expired", 9050, Outcome::Waiting, None),
        ("the hourly attempt fails alike", 11_760, terminal(11_760), None),
        ("it recovers", 15_360, published(Cause::RenewalDue, 15_360), Some((false, Reason::TokenRenewed))),
        (
            "somebody requests a renewal",
            15_500,
            published(Cause::RenewalRequested, 15_500),
            Some((false, Reason::TokenRenewed)),
        ),
        (
            "credentials are rotated",
            15_600,
            published(Cause::InputsChanged, 15_600),
            Some((false, Reason::TokenIssued)),
        ),
        (
            "somebody deleted the target",
            15_700,
            published(Cause::TargetMissing, 15_700),
            Some((false, Reason::TokenIssued)),
        ),
        ("it is suspended", 15_800, Outcome::Suspended, None),
        ("and resumed", 15_900, Outcome::Unchanged, None),
    ];
    for (name, seconds, outcome, expected) in steps {
        scene.now = at(seconds);
        assert_eq!(event(&mut scene, &outcome), expected, "{name}");
    }
}

#[test]
fn expiry_is_reported_once_even_if_the_attempt_fails_at_that_instant() {
    let mut scene = Scene::good().when(3600);
    assert_eq!(event(&mut scene, &failed(3600)), Some((true, Reason::TokenExpired)), "the more severe event");
    assert_eq!(event(&mut scene, &failed(3602)), None);
}

#[test]
fn an_unwritten_token_is_reported_and_so_is_its_later_write() {
    let mut scene = Scene::good().when(2700);
    let unwritten = Outcome::Unwritten(Some(at(2700)), failure(Reason::TargetWriteFailed, Retry::TRANSIENT));
    assert_eq!(event(&mut scene, &unwritten), Some((true, Reason::TargetWriteFailed)));
    assert_eq!(event(&mut scene, &unwritten), None);
    let written = Outcome::Published(scene.publication(Cause::RenewalDue, 2700));
    assert_eq!(event(&mut scene, &written), Some((false, Reason::TokenRenewed)));
}

#[test]
fn a_conflict_is_reported_once() {
    let mut scene = Scene::good().with(|scene| scene.target = Target::Foreign("belongs to x".to_owned()));
    assert_eq!(event(&mut scene, &refused(Reason::TargetConflict)), Some((true, Reason::TargetConflict)));
    assert_eq!(event(&mut scene, &refused(Reason::TargetConflict)), None);
}

#[test]
fn new_metadata_of_the_target_is_no_event() {
    let mut scene = Scene::good();
    let rewritten = Outcome::Rewritten(scene.published().clone());
    assert_eq!(event(&mut scene, &rewritten), None);
}
