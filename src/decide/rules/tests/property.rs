//! Properties of any observation: an intact, unexpired token that is not due is not replaced, and deciding, making the
//! status and requeuing do not panic.

use std::time::Duration;

use proptest::option;
use proptest::prelude::*;

use crate::api::{OnRevoked, Reason, Renewal, TokenSourceStatus, to_kubernetes};
use crate::decide::fixture::{HOST, Scene, at, failure};
use crate::decide::readiness::due;
use crate::decide::{
    Cause, Failure, ObservedAfter, Outcome, Plan, ProbeVerdict, Probed, ReferencedSecret, Target,
    UnwrittenToken, next_probe, next_status, requeue_after,
};
use crate::oauth::{Repeat, Retry};

const REPEATS: [Repeat; 4] = [Repeat::Never, Repeat::Hourly, Repeat::BeforeExpiry, Repeat::WhileNew];

/// Seconds around the instants of the fixture, mostly close to them.
fn seconds() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -10_000..100_000_i64, 1 => -60_000_000_000..250_000_000_000_i64]
}

fn status() -> impl Strategy<Value = TokenSourceStatus> {
    let times = (option::of(seconds()), option::of(seconds()), option::of(seconds()), option::of(seconds()));
    (times, -1..20_i32, option::of("[ab]"), option::of("[ab]")).prop_map(
        |(times, failures, inputs, handled)| {
            let time = |seconds: Option<i64>| seconds.map(|seconds| to_kubernetes(at(seconds)));
            TokenSourceStatus {
                issued_at: time(times.0),
                last_failure_time: time(times.1),
                retry_at: time(times.2),
                last_unchanged_time: time(times.3),
                failures,
                failures_of_class: failures,
                failed_inputs: inputs,
                last_handled_renew_request: handled,
                ..TokenSourceStatus::default()
            }
        },
    )
}

fn credentials() -> impl Strategy<Value = ReferencedSecret> {
    let present = option::of(Just(HOST.to_owned())).prop_map(|allowed_hosts| ReferencedSecret::Present {
        name: "client".to_owned(),
        uid: "secret-uid".to_owned(),
        resource_version: "7".to_owned(),
        allowed_hosts,
    });
    prop_oneof![1 => Just(ReferencedSecret::Unnamed), 1 => Just(ReferencedSecret::Missing("client".to_owned())), 6 => present]
}

fn renewal() -> impl Strategy<Value = Renewal> {
    (option::of(0..=u8::MAX), option::of(0..100_000_u64), any::<bool>()).prop_map(
        |(at_percentage, before, keep)| Renewal {
            at_percentage,
            before: before.map(crate::api::Duration::from_secs),
            probe: None,
            on_revoked: if keep { OnRevoked::Keep } else { OnRevoked::Withdraw },
        },
    )
}

prop_compose! {
    /// Any scene. If `same` is true, the published token has the fingerprint of the current inputs.
    fn scene()(
        status in status(),
        credentials in credentials(),
        renewal in renewal(),
        (now, issued, lifetime, uid) in (seconds(), seconds(), 0..200_000_i64, "[a-f0-9]{8}"),
        (deleting, suspend, missing, foreign) in (weighted(1), weighted(1), weighted(1), weighted(1)),
        (intact, metadata_in_sync, same, provider) in (weighted(8), weighted(8), weighted(8), weighted(9)),
        (request, conflicting) in (option::of("[ab]"), option::of(Just("older".to_owned()))),
        unwritten in option::of((any::<bool>(), seconds())),
        generation in 0..5_i64,
    ) -> Scene {
        let mut scene = Scene::good();
        scene.now = at(now);
        scene.uid = uid;
        scene.generation = generation;
        scene.spec.suspend = suspend;
        scene.spec.renewal = renewal;
        scene.deleting = deleting;
        scene.credentials = credentials;
        scene.renew_request = request;
        scene.conflicting_source = conflicting;
        let mut fingerprints = scene.fingerprints();
        if !provider {
            scene.provider = Err(Failure::local(Reason::ProviderNotFound, "No."));
            fingerprints = None;
        }
        let inputs_fingerprint = fingerprints.as_ref().filter(|_| same).map_or_else(|| "else".to_owned(), |fingerprints| fingerprints.token.clone());
        scene.unwritten_token = unwritten.map(|(_, until)| UnwrittenToken { inputs_fingerprint: "else".to_owned(), expires_at: at(until) });
        if let (Some((true, until)), Some(fingerprints)) = (unwritten, &fingerprints) {
            scene.unwritten_token = Some(UnwrittenToken { inputs_fingerprint: fingerprints.token.clone(), expires_at: at(until) });
        }
        let published = scene.published();
        published.issued_at = at(issued);
        published.expires_at = at(issued + lifetime);
        (published.intact, published.metadata_in_sync, published.inputs_fingerprint) = (intact, metadata_in_sync, inputs_fingerprint);
        if missing { scene.target = Target::Missing; }
        if foreign { scene.target = Target::Foreign("belongs to x".to_owned()); }
        scene.status = status;
        if let (Some("a"), Some(fingerprints)) = (scene.status.failed_inputs.as_deref(), fingerprints) {
            scene.status.failed_inputs = Some(fingerprints.attempt);
        }
        scene
    }
}

/// True in this number of ten cases.
fn weighted(tenths: u32) -> impl Strategy<Value = bool> {
    prop::bool::weighted(f64::from(tenths) / 10.0)
}

fn outcome() -> impl Strategy<Value = (Failure, i64, u8)> {
    let retry = prop_oneof![
        (0..7200_u64).prop_map(|floor| Retry::Transient { floor: Duration::from_secs(floor) }),
        Just(Retry::Wasteful),
        (0..5_u32).prop_map(|attempts| Retry::Assertion { attempts }),
        (0..4_usize).prop_map(|index| Retry::Terminal { repeat: REPEATS[index] }),
    ];
    let failure =
        (retry, option::of(1..=3600_u64), 0..Reason::ALL.len()).prop_map(|(retry, after, reason)| Failure {
            retry_after: after.map(Duration::from_secs),
            ..failure(Reason::ALL[reason], retry)
        });
    (failure, seconds(), 0..11_u8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_usable_token_that_is_not_due_is_never_replaced(
        scene in scene(),
        part_of_life in 0.0..1.0_f64,
    ) {
        let mut scene = scene;
        let Target::Ours(published) = &mut scene.target else { return Ok(()) };
        // Any instant before the token is due, with any other values.
        published.intact = true;
        scene.status.failures = 0;
        scene.status.last_handled_renew_request.clone_from(&scene.renew_request);
        if let Some(fingerprints) = scene.fingerprints() {
            scene.published().inputs_fingerprint = fingerprints.token;
        }
        let published = scene.published().clone();
        let unchanged = scene.status.last_unchanged_time.as_ref().map(crate::api::from_kubernetes);
        let due = due(&scene.observed(), &published, unchanged);
        let wait = (due - published.issued_at).num_seconds();
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // a share of a small number
        let elapsed = (wait as f64 * part_of_life) as i64;
        scene.now = published.issued_at + chrono::TimeDelta::seconds(elapsed);
        // A repetition in the future does not postpone the renewal.
        let believed = scene.observed().last_unchanged(scene.observed().status);
        prop_assume!(scene.now < crate::decide::readiness::due(&scene.observed(), &published, believed));
        let plan = scene.plan();
        prop_assert!(!matches!(plan, Plan::Issue(_) | Plan::Wait(_)), "{plan:?}");
    }

    #[test]
    fn no_observation_makes_this_layer_panic(
        scene in scene(),
        (failure, seconds, kind) in outcome(),
    ) {
        let plan = scene.plan();
        let outcome = match kind {
            0 => Outcome::Unchanged,
            1 => Outcome::Waiting,
            2 => Outcome::Suspended,
            3 => Outcome::Refused(failure),
            4 => Outcome::Failed(at(seconds), failure),
            5 => Outcome::Unwritten(Some(at(seconds)), failure),
            6 => Outcome::Withdrawn(Target::Missing),
            9 => Outcome::Deferred(crate::decide::Deferral { report: true, failure: Some(failure) }),
            7 => Outcome::Probed(Probed::following(None, at(0), at(seconds), ProbeVerdict::Rejected)),
            8 => Outcome::Rewritten(scene.publication(Cause::TokenPending, seconds).published),
            _ => Outcome::Published(scene.publication(Cause::RenewalDue, seconds)),
        };
        let observed_after = ObservedAfter::new(scene.observed(), &outcome);
        let status = next_status(&observed_after, &outcome);
        let after = requeue_after(&plan, &outcome, &status, next_probe(&observed_after), scene.now);
        prop_assert!(after > Duration::ZERO, "a wait of nothing is a busy loop");
        prop_assert!(after <= Duration::from_secs(3601), "{after:?}");
        let written = serde_json::to_value(&status).unwrap();
        prop_assert_eq!(serde_json::from_value::<TokenSourceStatus>(written).unwrap(), status);
    }
}
