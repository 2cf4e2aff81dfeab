//! Which tokens require a restart, shown as sequences of events of a `TokenSource` with a workload.

use super::*;
use crate::api::{Reason, Workload, WorkloadKind};
use crate::decide::fixture::{Scene, at, failure, outage};
use crate::decide::{Cause, Failure, Plan, Publication, Published, requeue_after};
use crate::oauth::Retry;

fn naming(scene: &mut Scene) {
    scene.spec.target.rollout_restart =
        vec![Workload { kind: WorkloadKind::Deployment, name: "app".to_owned() }];
}

/// A valid token, and a workload that started with it.
fn good() -> Scene {
    let mut scene = Scene::good().with(naming);
    assert_eq!(scene.plan(), Plan::Nothing);
    scene.record(&Outcome::Unchanged);
    scene
}

fn publish(scene: &mut Scene, cause: Cause, seconds: i64) {
    scene.now = at(seconds);
    let publication = scene.publication(cause, seconds);
    scene.record(&Outcome::Published(publication));
}

fn restarted(scene: &mut Scene) {
    assert_eq!(scene.plan(), Plan::Restart);
    scene.record(&Outcome::Restarted(vec!["Deployment app".to_owned()]));
    assert_eq!(scene.plan(), Plan::Nothing, "once");
}

fn not_restarted() -> Failure {
    failure(Reason::RestartFailed, Retry::TRANSIENT)
}

fn message(scene: &Scene) -> String {
    let renewed = scene.status.conditions.iter().find(|condition| condition.type_ == "Renewed").unwrap();
    assert_eq!(renewed.status, "True");
    renewed.message.clone()
}

#[test]
fn each_other_token_restarts_once_and_the_first_never() {
    let mut scene = Scene::fresh().with(naming);
    publish(&mut scene, Cause::TokenPending, 0);
    assert_eq!(scene.plan(), Plan::Nothing, "the first");
    for (cause, seconds) in
        [(Cause::RenewalDue, 2700), (Cause::InputsChanged, 3000), (Cause::TargetMissing, 3100)]
    {
        publish(&mut scene, cause, seconds);
        restarted(&mut scene);
    }
}

type Case = (&'static str, fn(&mut Scene));

#[test]
fn nothing_but_another_token_restarts() {
    let cases: [Case; 5] = [
        ("no workload is named", |scene| {
            scene.spec.target.rollout_restart.clear();
            publish(scene, Cause::RenewalDue, 2700);
        }),
        ("a workload is named later", |scene| {
            scene.spec.target.rollout_restart.clear();
            publish(scene, Cause::RenewalDue, 2700);
            naming(scene);
            scene.record(&Outcome::Unchanged);
        }),
        ("new labels", |scene| {
            let published = scene.published().clone();
            scene.record(&Outcome::Rewritten(published));
        }),
        ("the same token with a longer lifetime", |scene| {
            let publication = scene.publication(Cause::RenewalDue, 2700);
            let published = Published { since: at(0), ..publication.published.clone() };
            scene.now = at(2700);
            scene.record(&Outcome::Published(Publication { published, ..publication }));
        }),
        ("an altered target", |scene| scene.published().intact = false),
    ];
    for (name, change) in cases {
        let scene = good().with(change);
        assert_ne!(scene.plan(), Plan::Restart, "{name}");
        assert!(!is_needed(&scene.observed(), &scene.status), "{name}");
    }
}

#[test]
fn a_workload_that_is_added_as_the_token_changes_has_the_previous_token() {
    let mut scene = Scene::good().with(naming);
    publish(&mut scene, Cause::RenewalDue, 2700);
    restarted(&mut scene);
}

#[test]
fn a_crash_between_token_and_restart_forgets_nothing() {
    let mut scene = good();
    let status = scene.status.clone();
    publish(&mut scene, Cause::RenewalDue, 2700);
    // The status was never written.
    scene.status = status;
    assert_eq!(scene.plan(), Plan::Restart);
}

#[test]
fn a_restart_is_due_immediately_and_its_annotation_depends_on_the_token() {
    let mut scene = good();
    publish(&mut scene, Cause::RenewalDue, 2700);
    let observed = scene.observed();
    let after = requeue_after(
        &Plan::Issue(Cause::RenewalDue),
        &Outcome::Published(scene.publication(Cause::RenewalDue, 2700)),
        &scene.status,
        next_follow_up(&observed, &scene.status),
        scene.now,
    );
    assert!(after.as_secs() < 1, "{after:?}");
    let expected = ("restarted-for.tokensource.dev/source".to_owned(), "2026-01-01T00:45:00Z".to_owned());
    assert_eq!(restart_annotation(&observed), Some(expected));
    let name = "n".repeat(64);
    let long = Observed { name: &name, ..observed };
    assert_eq!(restart_annotation(&long).unwrap().0, "restarted-for.tokensource.dev/6f0c6f3a-0001");
}

#[test]
fn a_failed_restart_is_reported_beside_the_valid_token_and_stays_due() {
    let mut scene = good();
    publish(&mut scene, Cause::RenewalDue, 2700);
    for _ in 0..2 {
        assert_eq!(scene.plan(), Plan::Restart);
        scene.record(&Outcome::NotRestarted(not_restarted()));
        assert_eq!(message(&scene).matches("RestartFailed").count(), 1, "{}", message(&scene));
    }
    assert!(matches!(scene.clone().when(5400).plan(), Plan::Issue(_)), "renewal comes first");
    let mut unnamed = scene.clone().with(|scene| scene.spec.target.rollout_restart.clear());
    unnamed.record(&Outcome::Unchanged);
    restarted(&mut scene);
    for text in [message(&unnamed), message(&scene)] {
        assert!(!text.contains("RestartFailed"), "{text}");
    }
}

#[test]
fn a_restart_that_fails_is_tried_again_in_a_minute_and_not_at_once() {
    let mut scene = good();
    publish(&mut scene, Cause::RenewalDue, 2700);
    let outcome = Outcome::NotRestarted(not_restarted());
    scene.record(&outcome);
    let follow_up = next_follow_up(&scene.observed(), &scene.status);
    assert_eq!(follow_up, Some(scene.now), "it is due");
    let after = requeue_after(&Plan::Restart, &outcome, &scene.status, follow_up, scene.now);
    assert!((59..=61).contains(&after.as_secs()), "{after:?}");
}

#[test]
fn a_failed_renewal_does_not_restart() {
    let mut scene = good().when(2700);
    scene.record(&Outcome::Failed(at(2700), outage()));
    assert!(!is_needed(&scene.observed(), &scene.status));
}
