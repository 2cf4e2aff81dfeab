//! Every rule, in order; and above all the cases in which no token may be requested.

use super::*;
use crate::api::{ShortText, TokenSourceStatus, to_kubernetes};
use crate::decide::fixture::{Scene, at, failure, outage};
use crate::decide::{Cause, Outcome, ReferencedSecret, UnwrittenToken};
use crate::oauth::{Repeat, Retry};

mod clock;
mod interval;
mod property;

fn missing_credentials() -> ReferencedSecret {
    ReferencedSecret::Missing("client".to_owned())
}

fn unbound() -> ReferencedSecret {
    ReferencedSecret::Present {
        name: "client".to_owned(),
        uid: "secret-uid".to_owned(),
        resource_version: "7".to_owned(),
        allowed_hosts: None,
    }
}

fn refusal(plan: &Plan) -> Reason {
    match plan {
        Plan::Refuse(failure) => failure.reason,
        other => panic!("not refused: {other:?}"),
    }
}

/// An unwritten token for these inputs, valid until this second.
fn unwritten(scene: &Scene, until: i64) -> UnwrittenToken {
    UnwrittenToken { inputs_fingerprint: scene.fingerprints().unwrap().token, expires_at: at(until) }
}

/// A valid token that was due, and whose renewal failed at second 2700.
fn failing(retry: Retry) -> Scene {
    let mut scene = Scene::good().when(2700);
    scene.record(&Outcome::Failed(at(2700), failure(Reason::InvalidClient, retry)));
    scene
}

fn requested(value: &str) -> impl FnOnce(&mut Scene) {
    let value = value.to_owned();
    |scene| scene.renew_request = Some(value)
}

fn wait(seconds: i64) -> Plan {
    Plan::Wait(Some(at(seconds)))
}

#[test]
fn the_first_rule_that_applies_decides() {
    let foreign = |s: &mut Scene| s.target = Target::Foreign("belongs to ConfigMap x".to_owned());
    let cases = vec![
        (
            "an object that is being deleted is left, in every other state",
            Plan::AwaitDeletion,
            Scene::good().with(foreign).with(|s| {
                s.deleting = true;
                s.spec.suspend = true;
            }),
        ),
        (
            "suspension precedes everything that writes",
            Plan::Suspend,
            Scene::good().with(foreign).with(|s| {
                s.spec.suspend = true;
            }),
        ),
        (
            "an unwritten token is written before another is requested",
            Plan::Publish,
            failing(Retry::TRANSIENT).with(|s| {
                s.unwritten_token = Some(unwritten(s, 9000));
                s.target = Target::Missing;
            }),
        ),
        (
            "an unwritten token is written although its inputs have failed since",
            Plan::Publish,
            failing(Retry::TRANSIENT).with(|s| {
                s.unwritten_token = Some(unwritten(s, 9000));
            }),
        ),
        (
            "a missing target waits like any other cause",
            Plan::Wait(None),
            failing(Retry::Terminal { repeat: Repeat::Never }).with(|s| {
                s.target = Target::Missing;
            }),
        ),
        (
            "a due token is requested, and the metadata is updated with it",
            Plan::Issue(Cause::RenewalDue),
            Scene::good().when(2700).with(|s| {
                s.published().metadata_in_sync = false;
            }),
        ),
        (
            "outdated metadata of a good token is updated",
            Plan::Rewrite,
            Scene::good().with(|s| {
                s.published().metadata_in_sync = false;
            }),
        ),
        ("a good token is kept", Plan::Nothing, Scene::good()),
    ];
    for (name, plan, scene) in cases {
        assert_eq!(scene.plan(), plan, "{name}");
    }
}

#[test]
fn the_first_refusal_that_applies_is_reported() {
    let foreign = |s: &mut Scene| s.target = Target::Foreign("belongs to ConfigMap x".to_owned());
    let provider = |s: &mut Scene| s.provider = Err(Failure::local(Reason::ProviderNotFound, "No."));
    let refused = vec![
        (
            "a conflict precedes the provider",
            Reason::TargetConflict,
            Scene::good().with(foreign).with(provider),
        ),
        (
            "a Secret of another owner in the place of the refresh token's is a conflict, too",
            Reason::TargetConflict,
            Scene::good().with(|s| s.refresh_conflict = Some("belongs to ConfigMap x".to_owned())),
        ),
        (
            "a conflicting source precedes the provider",
            Reason::TargetConflict,
            Scene::fresh().with(provider).with(|s| {
                s.conflicting_source = Some("older".to_owned());
            }),
        ),
        (
            "the provider precedes the credentials",
            Reason::ProviderNotFound,
            Scene::good().with(provider).with(|s| {
                s.credentials = missing_credentials();
            }),
        ),
        (
            "the spec precedes the credentials",
            Reason::InvalidSpec,
            Scene::good().with(|s| {
                s.provider().token_endpoint = None;
                s.credentials = missing_credentials();
            }),
        ),
        (
            "missing credentials show while the token is good",
            Reason::CredentialsNotFound,
            Scene::good().with(|s| {
                s.credentials = missing_credentials();
            }),
        ),
        (
            "unbound credentials show while the token is good",
            Reason::CredentialsNotBound,
            Scene::good().with(|s| {
                s.credentials = unbound();
            }),
        ),
        (
            "unbound credentials precede an unwritten token",
            Reason::CredentialsNotBound,
            Scene::fresh().with(|s| {
                s.unwritten_token = Some(unwritten(s, 9000));
                s.credentials = unbound();
            }),
        ),
        (
            "unbound credentials precede a due token",
            Reason::CredentialsNotBound,
            Scene::good().when(3000).with(|s| {
                s.credentials = unbound();
            }),
        ),
    ];
    for (name, reason, scene) in refused {
        assert_eq!(refusal(&scene.plan()), reason, "{name}");
    }
}

#[test]
fn an_older_source_matters_only_until_this_source_owns_the_target() {
    let scene = Scene::good().with(|s| s.conflicting_source = Some("older".to_owned()));
    assert_eq!(scene.plan(), Plan::Nothing);
}

#[test]
fn a_conflict_names_the_secret_its_owner_and_the_way_out() {
    let foreign = Scene::fresh().with(|s| s.target = Target::Foreign("belongs to ConfigMap x".to_owned()));
    let conflicting = Scene::fresh().with(|s| s.conflicting_source = Some("older".to_owned()));
    for (scene, who) in [(foreign, "belongs to ConfigMap x"), (conflicting, "TokenSource older")] {
        let Plan::Refuse(failure) = scene.plan() else { panic!("not refused") };
        for part in [who, "Secret source", "target.name"] {
            assert!(failure.message.contains(part), "{part} is missing: {}", failure.message);
        }
    }
}

#[test]
fn states_that_request_a_token() {
    let cases = vec![
        ("there was none yet", Cause::TokenPending, Scene::fresh()),
        ("it is gone", Cause::TargetMissing, Scene::good().with(|s| s.target = Target::Missing)),
        ("it was altered", Cause::TargetTampered, Scene::good().with(|s| s.published().intact = false)),
        (
            "the scopes changed",
            Cause::InputsChanged,
            Scene::good().with(|s| s.spec.token.scopes.push("a".to_owned())),
        ),
        ("it is due", Cause::RenewalDue, Scene::good().when(2700)),
        ("it has expired", Cause::RenewalDue, Scene::good().when(999_999)),
        ("somebody requested a renewal", Cause::RenewalRequested, Scene::good().with(requested("1"))),
        (
            "an unwritten token has expired",
            Cause::TokenPending,
            Scene::fresh().with(|s| s.unwritten_token = Some(unwritten(s, 0))),
        ),
        (
            "an unwritten token was requested with other inputs",
            Cause::TokenPending,
            Scene::fresh().with(|s| {
                s.unwritten_token =
                    Some(UnwrittenToken { inputs_fingerprint: "else".to_owned(), expires_at: at(9000) });
            }),
        ),
        (
            "a failed attempt was made with something else",
            Cause::RenewalDue,
            failing(Retry::TERMINAL).when(2760).with(|s| {
                s.generation += 1;
            }),
        ),
        ("the time to try again has come", Cause::RenewalDue, failing(Retry::TERMINAL).when(2700 + 3600)),
        (
            "an alteration puts the last attempt in the future",
            Cause::TargetTampered,
            Scene::good().with(|s| {
                s.published().intact = false;
                s.published().issued_at = at(1_000_000_000);
            }),
        ),
        (
            "the clock was set back",
            Cause::InputsChanged,
            Scene::good().with(|s| {
                s.status.last_failure_time = Some(to_kubernetes(at(1_000_000)));
                s.spec.token.scopes.push("a".to_owned());
            }),
        ),
    ];
    for (name, cause, scene) in cases {
        assert_eq!(scene.plan(), Plan::Issue(cause), "{name}");
    }
}

#[test]
fn states_that_request_no_token() {
    let due = 2610; // the earliest that jitter allows for an hour
    let cases = vec![
        ("a restart: the same is observed again", Scene::good()),
        ("the status is lost", Scene::good().with(|s| s.status = TokenSourceStatus::default())),
        (
            "the status is the one from before the token",
            Scene::good().with(|s| s.status = Scene::fresh().status),
        ),
        ("a resync just before the token is due", Scene::good().when(due - 1)),
        (
            "a new resourceVersion of the target",
            Scene::good().with(|s| s.published().resource_version = "200".to_owned()),
        ),
        ("a new generation without a relevant change", Scene::good().with(|s| s.generation += 1)),
        ("another controller's clock is behind", Scene::good().when(-30)),
        (
            "a request that was dealt with",
            Scene::good().with(requested("1")).with(|s| {
                s.status.last_handled_renew_request = Some("1".to_owned());
            }),
        ),
        (
            "a failure of other inputs while the token is good",
            Scene::good().with(|s| {
                s.status.failures = 3;
                s.status.failed_inputs = Some("else".to_owned());
            }),
        ),
    ];
    for (name, scene) in cases {
        assert_eq!(scene.plan(), Plan::Nothing, "{name}");
    }
    let relabelled = Scene::good().with(|s| {
        s.spec.target.labels.insert("team".to_owned(), ShortText("a".to_owned()));
        s.published().metadata_in_sync = false;
    });
    assert_eq!(relabelled.plan(), Plan::Rewrite, "labels are written without a token request");
}

#[test]
fn no_message_suggests_deleting_a_secret() {
    let foreign = Target::Foreign("does not belong to any TokenSource".to_owned());
    let message = |scene: &Scene| match decide(&scene.observed()) {
        Plan::Refuse(failure) => failure.message,
        other => panic!("{other:?}"),
    };
    let scene = Scene::fresh().with(|scene| scene.target = foreign.clone());
    assert!(!message(&scene).contains("elete"), "{}", message(&scene));
    // The credentials Secret has the name of the TokenSource, which is also the name of the target.
    let scene = scene.with(|scene| scene.spec.target.name = Some("client".to_owned()));
    assert!(
        message(&scene).ends_with("holds credentials or another input of this TokenSource."),
        "{}",
        message(&scene)
    );
    let scene = Scene::fresh().with(|scene| scene.refresh_conflict = Some("is somebody's".to_owned()));
    assert!(!message(&scene).contains("elete"), "{}", message(&scene));
    assert!(!Reason::TargetConflict.advice().contains("delete"));
}
