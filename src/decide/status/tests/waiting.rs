//! The status of a TokenSource that waits for its limiter, and the changes that are not worth a write.

use super::*;

#[test]
fn a_wait_is_not_written_until_it_is_to_be_reported() {
    let rotated = || {
        let mut scene = Scene::good().when(100);
        other_inputs(&mut scene);
        scene
    };
    for (name, mut scene) in [("its first token", Scene::fresh()), ("with other credentials", rotated())] {
        for failure in [None, Some(outage())] {
            let before = scene.status.clone();
            scene.record(&waits(false, failure));
            assert_eq!(scene.status, before, "{name}");
        }
        scene.record(&waits(true, None));
        let ready = condition(&scene, ConditionType::Ready).map(|(status, _)| status);
        assert_eq!(ready, Some("False"), "{name}, at last");
    }
}

#[test]
fn a_change_of_ready_and_the_end_of_stalled_are_written_at_once() {
    let ready = |scene: &Scene| condition(scene, ConditionType::Ready).map(|(status, _)| status.to_owned());
    let mut behind_open_breaker = Scene::fresh();
    behind_open_breaker.record(&waits(true, Some(outage())));
    assert_eq!(
        condition(&behind_open_breaker, ConditionType::Renewed),
        Some(("False", "ProviderUnavailable"))
    );
    let mut expired = Scene::good().when(3600);
    expired.record(&waits(false, Some(outage())));
    assert_eq!(ready(&expired).as_deref(), Some("False"), "a token that has expired");
    assert_eq!(condition(&expired, ConditionType::Reconciling), Some(("True", "ProviderUnavailable")));
    let mut rotated = Scene::good().when(3600);
    other_inputs(&mut rotated);
    rotated.record(&waits(false, None));
    assert_eq!(
        ready(&rotated).as_deref(),
        Some("False"),
        "a token that has expired and was requested with other inputs"
    );
    let mut deleted = Scene::good().when(3700).with(|scene| scene.record(&waits(false, None)));
    deleted.target = Target::Missing;
    deleted.record(&waits(false, None));
    assert_eq!(condition(&deleted, ConditionType::Ready), Some(("False", "TargetMissing")));
    let mut mended = Scene::good().when(100);
    other_inputs(&mut mended);
    mended.record(&Outcome::Failed(mended.now, failure(Reason::InvalidClient, Retry::TERMINAL)));
    assert!(ConditionType::Stalled.is_true(&mended.status.conditions));
    other_inputs(&mut mended);
    mended.record(&waits(false, None));
    assert!(!ConditionType::Stalled.is_true(&mended.status.conditions));
}

#[test]
fn the_end_of_an_outage_is_not_written_to_those_that_wait_on() {
    let expired = Scene::good().when(3700).with(|scene| scene.record(&waits(false, Some(outage()))));
    let first = Scene::fresh().with(|scene| scene.record(&waits(true, Some(outage()))));
    for (name, mut scene) in [("expired", expired), ("never there", first)] {
        let before = scene.status.clone();
        scene.record(&waits(false, None));
        assert_eq!(scene.status, before, "{name}");
        scene.record(&waits(true, None));
        assert_ne!(scene.status, before, "{name}, at last");
    }
}

#[test]
fn ended_failure_of_others_is_no_failure() {
    let mut scene = Scene::good().when(3700);
    scene.record(&waits(true, Some(outage())));
    assert_eq!(condition(&scene, ConditionType::Renewed), Some(("False", "ProviderUnavailable")));
    scene.record(&waits(true, None));
    assert_eq!(condition(&scene, ConditionType::Renewed), Some(("Unknown", "TokenPending")));
    // A failure of its own is reported until the next answer.
    scene.record(&failed(3700));
    scene.record(&waits(true, None));
    assert_eq!(condition(&scene, ConditionType::Renewed), Some(("False", "ProviderUnavailable")));
}

#[test]
fn a_corrected_refusal_is_not_reported_while_the_request_has_to_wait() {
    let refused =
        Outcome::Refused(Failure::local(Reason::CredentialsNotFound, "Secret client does not exist."));
    for outcome in [Outcome::Waiting, waits(true, None)] {
        let mut scene = Scene::fresh();
        scene.record(&refused);
        assert_eq!(condition(&scene, ConditionType::Renewed), Some(("False", "CredentialsNotFound")));
        scene.record(&outcome);
        assert_eq!(condition(&scene, ConditionType::Renewed), Some(("Unknown", "TokenPending")));
    }
    // The refusal hid the failure of the last request, which is still what the wait is about.
    let mut failing = Scene::good().when(3700);
    failing.record(&failed(3700));
    failing.record(&refused);
    failing.record(&Outcome::Waiting);
    assert_eq!(condition(&failing, ConditionType::Renewed), Some(("False", "ProviderUnavailable")));
    // With other inputs, that failure explains nothing either.
    failing.record(&refused);
    other_inputs(&mut failing);
    failing.record(&Outcome::Waiting);
    assert_eq!(condition(&failing, ConditionType::Renewed), Some(("Unknown", "TokenPending")));
}
