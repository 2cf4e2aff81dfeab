//! Secrets that a renamed target left behind: when they are deleted, and what must not wait for that.

use crate::api::{OnRevoked, Probe, Reason};
use crate::decide::fixture::{Scene, at, failure, outage};
use crate::decide::{
    Cause, Failure, Outcome, Plan, ProbeVerdict, Probed, ReferencedSecret, Target, next_follow_up,
    requeue_after,
};
use crate::oauth::Retry;

/// Renamed some time after its token was issued; the new target does not exist yet.
fn renamed() -> Scene {
    Scene::good().renamed()
}

/// Renamed, and the new target has had a token since second 600.
fn complete() -> Scene {
    let mut scene = renamed();
    let publication = scene.publication(Cause::TargetMissing, 600);
    scene.record(&Outcome::Published(publication));
    scene
}

#[test]
fn former_targets_are_deleted_once_the_new_target_holds_a_valid_token() {
    let removes = vec![
        ("the new one holds a valid token", complete()),
        ("the status does not know it yet", complete().with(|s| s.status = renamed().status)),
        ("it was the former one itself until a moment ago (a, b, a)", {
            let mut scene = Scene::good().renamed();
            let former = std::mem::take(&mut scene.former_targets);
            Scene { former_targets: former, ..Scene::good() }
        }),
        ("its token was withdrawn before", complete().with(|s| s.former_targets[0].holds_token = false)),
    ];
    for (name, scene) in removes {
        assert_eq!(scene.plan(), Plan::DeleteFormerTargets, "{name}");
    }
}

#[test]
fn former_targets_stay_while_the_new_target_has_no_valid_token() {
    let credentials = |s: &mut Scene| s.credentials = ReferencedSecret::Missing("client".to_owned());
    let keeps = vec![
        ("the new one is missing", Plan::Issue(Cause::TargetMissing), renamed()),
        ("its token cannot be issued", Plan::Wait(Some(at(660))), {
            let mut scene = renamed();
            scene.record(&Outcome::Failed(at(600), outage()));
            scene.with(|s| s.status.retry_at = Some(crate::api::to_kubernetes(at(660))))
        }),
        ("it was altered", Plan::Issue(Cause::TargetTampered), {
            complete().when(700).with(|s| s.published().intact = false)
        }),
        ("the token was requested with other inputs", Plan::Issue(Cause::InputsChanged), {
            complete().when(700).with(|s| s.spec.token.scopes.push("more".to_owned()))
        }),
        ("it has expired", Plan::Issue(Cause::RenewalDue), complete().when(600 + 3600)),
        (
            "its metadata is outdated",
            Plan::Rewrite,
            complete().with(|s| s.published().metadata_in_sync = false),
        ),
        ("it is suspended", Plan::Suspend, complete().with(|s| s.spec.suspend = true)),
        ("the object is being deleted", Plan::AwaitDeletion, complete().with(|s| s.deleting = true)),
    ];
    for (name, plan, scene) in keeps {
        assert_eq!(scene.plan(), plan, "{name}");
    }
    let refuses = vec![
        ("the new name is taken", renamed().with(|s| s.target = Target::Foreign("is x's".to_owned()))),
        ("credentials are missing", complete().with(credentials)),
        (
            "there is no provider",
            complete().with(|s| s.provider = Err(Failure::local(Reason::ProviderNotFound, "No."))),
        ),
    ];
    for (name, scene) in refuses {
        assert!(matches!(scene.plan(), Plan::Refuse(_)), "{name}: {:?}", scene.plan());
    }
}

#[test]
fn former_target_causes_no_reconcile_before_the_new_target_holds_a_valid_token() {
    let scene = renamed();
    assert_eq!(next_follow_up(&scene.observed(), &scene.status), None);
    let expired = complete().when(600 + 3600);
    assert_eq!(next_follow_up(&expired.observed(), &expired.status), None);
}

#[test]
fn former_target_stays_while_the_probe_rejects_the_new_token() {
    let mut scene = complete().when(1000);
    scene.spec.renewal.probe = Some(Probe { url: "https://auth.example.com/me".to_owned(), interval: None });
    assert_eq!(scene.plan(), Plan::Probe, "the token is tried first");
    let verdict = |verdict| Some(Probed::following(None, at(600), at(1000), verdict));
    let rejected = scene.clone().with(|s| s.probed = verdict(ProbeVerdict::Rejected));
    assert_ne!(rejected.plan(), Plan::DeleteFormerTargets);
    let accepted = scene.with(|s| s.probed = verdict(ProbeVerdict::Accepted));
    assert_eq!(accepted.plan(), Plan::DeleteFormerTargets);
}

#[test]
fn deletion_follows_the_token_at_once_and_comes_before_the_restart() {
    let mut scene = renamed();
    scene
        .spec
        .target
        .rollout_restart
        .push(crate::api::Workload { kind: crate::api::WorkloadKind::Deployment, name: "app".to_owned() });
    scene.status.restarted_for = scene.status.issued_at.clone();
    let published = Outcome::Published(scene.publication(Cause::TargetMissing, 600));
    scene.record(&published);
    let follow_up = next_follow_up(&scene.observed(), &scene.status);
    let after =
        requeue_after(&Plan::Issue(Cause::TargetMissing), &published, &scene.status, follow_up, scene.now);
    assert!(after.as_secs() < 1, "{after:?}");
    assert_eq!(scene.plan(), Plan::DeleteFormerTargets);
    // A Secret that cannot be deleted is left out for the rest of the reconcile.
    let stuck = scene.clone().with(|s| s.former_targets.clear());
    assert_eq!(stuck.plan(), Plan::Restart);
    scene.record(&Outcome::FormerTargetsDeleted(vec!["source".to_owned()]));
    assert_eq!(scene.plan(), Plan::Restart, "the workload still has the previous token");
    scene.record(&Outcome::Restarted(vec!["Deployment app".to_owned()]));
    assert_eq!(scene.plan(), Plan::Nothing);
    assert_eq!(next_follow_up(&scene.observed(), &scene.status), None);
}

#[test]
fn nothing_follows_a_deletion_if_no_workload_must_be_restarted() {
    let mut scene = complete();
    let follow_up = next_follow_up(&scene.observed(), &scene.status);
    assert_eq!(follow_up, Some(scene.now));
    scene.record(&Outcome::FormerTargetsDeleted(vec!["another".to_owned()]));
    assert_eq!(scene.plan(), Plan::DeleteFormerTargets, "those that are left");
    scene.record(&Outcome::FormerTargetsDeleted(vec!["source".to_owned()]));
    let before = scene.status.clone();
    assert_eq!((scene.plan(), next_follow_up(&scene.observed(), &scene.status)), (Plan::Nothing, None));
    scene.record(&Outcome::Unchanged);
    assert_eq!(scene.status, before, "nothing is written");
}

#[test]
fn refused_token_is_taken_out_of_former_targets_where_the_spec_wants_that() {
    let refused = |reason: Reason, on_revoked: OnRevoked| {
        let mut scene = renamed();
        scene.spec.renewal.on_revoked = on_revoked;
        scene.record(&Outcome::Failed(at(600), failure(reason, Retry::TERMINAL)));
        scene.when(601)
    };
    assert!(matches!(refused(Reason::InvalidClient, OnRevoked::Keep).plan(), Plan::Wait(_)));
    assert!(matches!(refused(Reason::InvalidScope, OnRevoked::Withdraw).plan(), Plan::Wait(_)));
    let mut scene = refused(Reason::InvalidClient, OnRevoked::Withdraw);
    assert_eq!(scene.plan(), Plan::Withdraw);
    scene.record(&Outcome::Withdrawn(Target::Missing));
    assert!(matches!(scene.plan(), Plan::Wait(_)), "once, and it is not deleted before there is a new one");
    // The new target was written before the refusal, and the former one has not been deleted yet.
    let mut scene = complete().when(3300);
    scene.spec.renewal.on_revoked = OnRevoked::Withdraw;
    scene.record(&Outcome::Failed(at(3300), failure(Reason::InvalidClient, Retry::TERMINAL)));
    assert_eq!(scene.plan(), Plan::Withdraw);
    scene.record(&Outcome::Withdrawn(Target::Withdrawn {
        uid: "u".to_owned(),
        resource_version: "1".to_owned(),
    }));
    assert!(scene.former_targets.iter().all(|former| !former.holds_token));
}
