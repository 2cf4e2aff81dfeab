//! What is written of who stands in line, and what is not worth it.

use super::*;
use crate::decide::Credentials;

#[test]
fn who_stands_in_line_is_not_written_until_it_is_worth_telling() {
    let rotated = || {
        let mut scene = Scene::good().when(100);
        other_inputs(&mut scene);
        scene
    };
    for (name, mut scene) in [("its first token", Scene::fresh()), ("with other credentials", rotated())] {
        let before = scene.status.clone();
        scene.record(&in_line(false, None));
        assert_eq!(scene.status, before, "{name}");
        scene.record(&in_line(true, None));
        let ready = condition(&scene, ConditionType::Ready).map(|(status, _)| status);
        assert_eq!(ready, Some("False"), "{name}, at last");
    }
}

#[test]
fn what_is_wrong_is_written_at_once_whoever_stands_in_line() {
    let ready = |scene: &Scene| condition(scene, ConditionType::Ready).map(|(status, _)| status.to_owned());
    let mut in_trouble = Scene::fresh();
    in_trouble.record(&in_line(false, Some(outage())));
    assert_eq!(ready(&in_trouble).as_deref(), Some("False"), "a provider in trouble");
    let mut expired = Scene::good().when(3600);
    expired.record(&in_line(false, None));
    assert_eq!(ready(&expired).as_deref(), Some("False"), "a token that has expired");
    let mut rotated = Scene::good().when(3600);
    other_inputs(&mut rotated);
    rotated.record(&in_line(false, None));
    assert_eq!(ready(&rotated).as_deref(), Some("False"), "one that has expired and was asked for otherwise");
    // What was wrong is wrong no more: that is news, too.
    let mut mended = Scene::good().when(100);
    other_inputs(&mut mended);
    mended.record(&Outcome::Failed(
        mended.now,
        failure(Reason::InvalidClient, Retry::Terminal { reprobe: true }),
    ));
    assert!(is_true(&mended.status.conditions, ConditionType::Stalled));
    other_inputs(&mut mended);
    mended.record(&in_line(false, None));
    assert!(!is_true(&mended.status.conditions, ConditionType::Stalled));
}

#[test]
fn after_an_outage_nobody_is_told_again_what_they_know() {
    let expired = || {
        let mut scene = Scene::good().when(3700);
        scene.record(&in_line(false, Some(outage())));
        assert_eq!(condition(&scene, ConditionType::Ready), Some(("False", "TokenExpired")));
        assert_eq!(condition(&scene, ConditionType::Reconciling), Some(("True", "ProviderUnavailable")));
        scene
    };
    let first = || {
        let mut scene = Scene::fresh();
        scene.record(&in_line(false, Some(outage())));
        assert_eq!(condition(&scene, ConditionType::Ready), Some(("False", "TokenPending")));
        scene
    };
    for (name, mut scene) in [("expired", expired()), ("never there", first())] {
        let told = scene.status.clone();
        scene.record(&in_line(false, None));
        assert_eq!(scene.status, told, "{name}");
        scene.record(&in_line(true, None));
        assert_ne!(scene.status, told, "{name}, at last");
    }
}

/// Each for one reason alone.
#[test]
fn what_only_looks_like_what_is_known_is_told_at_once() {
    let expired = || Scene::good().when(3700).with(|scene| scene.record(&in_line(false, Some(outage()))));
    let first = || Scene::fresh().with(|scene| scene.record(&in_line(false, Some(outage()))));
    let missing = Outcome::Refused(Failure::local(Reason::CredentialsNotFound, "No."));
    let refused = || Scene::fresh().with(|scene| scene.record(&missing));
    let unwritten = |scene: &mut Scene| {
        let failure = failure(Reason::TargetWriteFailed, Retry::TRANSIENT);
        scene.record(&Outcome::Unwritten(scene.now, failure));
    };
    let other_secret = |scene: &mut Scene| {
        if let Credentials::Present { resource_version, .. } = &mut scene.credentials {
            "8".clone_into(resource_version);
        }
    };
    let is_told = |name: &str, mut scene: Scene| {
        let recorded = scene.status.clone();
        scene.record(&in_line(false, None));
        assert_ne!(scene.status, recorded, "{name}");
        let written = scene.status.clone();
        scene.record(&in_line(false, None));
        assert_eq!(scene.status, written, "{name}: once");
    };
    is_told("another spec, and no token before and after", first().with(other_inputs));
    is_told("the Secret was deleted", expired().with(|scene| scene.target = Target::Missing));
    is_told("nobody has to do anything any more", refused());
    is_told("its own failure is mended", first().with(|scene| scene.record(&failed(0))).with(other_secret));
    is_told("its last token could not be written", first().with(unwritten));
    is_told(
        "the Secret was labelled",
        expired().with(|scene| scene.published().resource_version = "101".to_owned()),
    );
    is_told("the old token is good again", expired().when(3000));
}

#[test]
fn trouble_of_others_that_is_over_is_nobodys_failure() {
    let mut scene = Scene::good().when(3700);
    scene.record(&in_line(true, Some(outage())));
    assert_eq!(condition(&scene, ConditionType::Renewed), Some(("False", "ProviderUnavailable")));
    scene.record(&in_line(true, None));
    assert_eq!(condition(&scene, ConditionType::Renewed), Some(("Unknown", "TokenPending")));
    // But its own is what there is to tell, until it has another answer.
    scene.record(&failed(3700));
    scene.record(&in_line(true, None));
    assert_eq!(condition(&scene, ConditionType::Renewed), Some(("False", "ProviderUnavailable")));
}
