//! Every combination of target, outcome and history: the conditions obey kstatus, and an outcome without changes writes
//! nothing. The rules are the rules of Flux (fluxcd/pkg, `runtime/conditions/check`).

use super::*;
use crate::api::TokenSourceStatus;
use crate::decide::{Cause, Published};

type Change = (&'static str, fn(&mut Scene));

const TARGETS: [Change; 8] = [
    ("never there", |s| (s.target, s.status.issued_at) = (Target::Missing, None)),
    ("gone", |s| s.target = Target::Missing),
    ("foreign", |s| s.target = Target::Foreign("belongs to x".to_owned())),
    ("good", |_| {}),
    ("expired", |s| s.published().expires_at = at(10)),
    ("altered", |s| s.published().intact = false),
    ("of other inputs", |s| s.published().inputs_fingerprint = "else".to_owned()),
    ("with outdated metadata", |s| s.published().metadata_in_sync = false),
];

const HISTORIES: [Change; 8] = [
    ("nothing recorded", |s| s.status = TokenSourceStatus::default()),
    ("a success", |_| {}),
    ("an outage", |s| s.record(&failed(500))),
    ("a refusal", |s| s.record(&Outcome::Failed(at(500), failure(Reason::InvalidClient, Retry::TERMINAL)))),
    ("no credentials", |s| s.record(&Outcome::Refused(Failure::local(Reason::CredentialsNotFound, "No.")))),
    ("suspended", |s| {
        s.spec.suspend = true;
        s.record(&Outcome::Suspended);
        s.spec.suspend = false;
    }),
    ("an outage, then suspended", |s| {
        s.record(&failed(500));
        s.spec.suspend = true;
        s.record(&Outcome::Suspended);
        s.spec.suspend = false;
    }),
    ("an earlier generation, stalled", |s| {
        s.target = Target::Missing;
        s.record(&Outcome::Failed(at(500), failure(Reason::InvalidClient, Retry::TERMINAL)));
        *s = Scene { target: Scene::good().target, generation: 2, ..s.clone() };
    }),
];

fn outcomes(scene: &Scene) -> Vec<(&'static str, Outcome)> {
    let terminal = failure(Reason::InvalidClient, Retry::TERMINAL);
    let locked = failure(Reason::InvalidGrant, Retry::Terminal { repeat: Repeat::Never });
    let mut list = vec![
        ("waiting", Outcome::Waiting),
        ("waiting for the limiter", waits(true, None)),
        ("waiting behind an open circuit breaker", waits(true, Some(outage()))),
        ("suspended", Outcome::Suspended),
        ("refused for good", Outcome::Refused(Failure::local(Reason::ProviderNotFound, "No."))),
        ("refused for now", Outcome::Refused(failure(Reason::DiscoveryFailed, Retry::TRANSIENT))),
        ("failed for now", failed(599)),
        ("failed for good", Outcome::Failed(at(599), terminal)),
        ("failed until a change", Outcome::Failed(at(599), locked)),
        (
            "unwritten",
            Outcome::Unwritten(Some(at(599)), failure(Reason::TargetWriteFailed, Retry::TRANSIENT)),
        ),
        ("published", Outcome::Published(scene.publication(Cause::RenewalDue, 599))),
    ];
    if let Target::Ours(published) = &scene.target {
        list.push(("kept", Outcome::Unchanged));
        list.push((
            "rewritten",
            Outcome::Rewritten(Published { metadata_in_sync: true, ..published.clone() }),
        ));
        let failure = failure(Reason::TargetWriteFailed, Retry::TRANSIENT);
        list.push(("not rewritten", Outcome::Unwritten(None, failure)));
    }
    list
}

/// Visits every combination, with the scene before the outcome.
fn each(visit: impl Fn(&str, &Scene, &Outcome)) {
    let mut count = 0;
    for (history, past) in HISTORIES {
        for (target, change) in TARGETS {
            for suspend in [false, true] {
                let mut scene = Scene::good().with(past).with(change);
                scene.spec.suspend = suspend;
                // A suspended spec leads to `Suspended`, and no other spec does.
                let possible = |outcome: &Outcome| suspend == (*outcome == Outcome::Suspended);
                for (name, outcome) in outcomes(&scene).into_iter().filter(|(_, outcome)| possible(outcome)) {
                    visit(&format!("{history}, then {target}, {name}, suspend: {suspend}"), &scene, &outcome);
                    count += 1;
                }
            }
        }
    }
    assert!(count > 500, "{count} combinations only");
}

/// The broken rules, of the seven of Flux and four of this project: when negative conditions are present, why, in which
/// order, and with which texts.
fn violations(status: &TokenSourceStatus, generation: i64) -> Vec<&'static str> {
    let is = |kind: ConditionType| kind.is_true(&status.conditions);
    let (ready, stalled, reconciling) =
        (is(ConditionType::Ready), is(ConditionType::Stalled), is(ConditionType::Reconciling));
    let all = |rule: &dyn Fn(&Condition) -> bool| status.conditions.iter().all(rule);
    let names: Vec<&str> = status.conditions.iter().map(|condition| condition.type_.as_str()).collect();
    let observed = status.observed_generation.unwrap_or_default();
    let explained = |condition: &Condition| {
        let renewed = ConditionType::Renewed.find_false(&status.conditions);
        condition.reason == "TokenPending"
            || renewed.is_some_and(|renewed| renewed.reason == condition.reason)
    };
    let positive = |condition: &Condition| matches!(condition.type_.as_str(), "Ready" | "Renewed");
    let rules = [
        ("no negative condition is True beside Ready", !(ready && (stalled || reconciling))),
        ("Ready is always present", names.contains(&"Ready")),
        ("Reconciling implies that Ready is False", !reconciling || !ready),
        ("Stalled implies that Ready is False", !stalled || !ready),
        ("never both Stalled and Reconciling", !(stalled && reconciling)),
        (
            "observedGeneration is never ahead",
            observed <= generation && all(&|c| c.observed_generation <= Some(generation)),
        ),
        ("Ready is not True while observedGeneration is behind", observed == generation || !ready),
        ("negative conditions stand only while True", all(&|c| positive(c) || c.status == "True")),
        ("negative conditions carry the reason that explains them", all(&|c| positive(c) || explained(c))),
        ("each type once, in one order", names.starts_with(&["Ready", "Renewed"]) && names.len() <= 3),
        (
            "every condition has a reason and a message",
            all(&|c| !c.reason.is_empty() && !c.message.is_empty()),
        ),
    ];
    rules.into_iter().filter(|(_, holds)| !holds).map(|(rule, _)| rule).collect()
}

#[test]
fn the_rules_of_kstatus_hold_in_every_combination() {
    each(|name, scene, outcome| {
        let mut after = scene.clone();
        after.record(outcome);
        let broken = violations(&after.status, scene.generation);
        assert!(broken.is_empty(), "{name}: {broken:?}\n{:#?}", after.status.conditions);
    });
}

/// A status is either unchanged, or written as if a report had been requested.
#[test]
fn the_status_of_a_waiter_is_unchanged_or_complete() {
    each(|name, scene, outcome| {
        if *outcome != waits(true, None) {
            return;
        }
        let (mut quiet, mut reported) = (scene.clone(), scene.clone());
        quiet.record(&waits(false, None));
        reported.record(outcome);
        assert!(quiet.status == scene.status || quiet.status == reported.status, "{name}");
        let ready = |scene: &Scene| ConditionType::Ready.find(&scene.status.conditions).cloned();
        let is_true = |ready: Option<Condition>| ready.is_some_and(|ready| ready.status == "True");
        let outdated = ready(&reported).is_some_and(|ready| ready.reason == "InputsChanged");
        assert!(is_true(ready(&quiet)) == is_true(ready(&reported)) || outdated, "{name}: Ready is wrong");
    });
}

#[test]
fn the_rules_can_be_broken() {
    let mut status = Scene::good().status;
    assert_eq!(violations(&status, 1), Vec::<&str>::new());
    status.conditions.push(Condition { type_: "Stalled".to_owned(), ..status.conditions[0].clone() });
    assert_eq!(violations(&status, 1).len(), 3);
    assert!(violations(&status, 0).contains(&"observedGeneration is never ahead"));
    status.conditions.clear();
    assert!(violations(&status, 1).contains(&"Ready is always present"));
}

#[test]
fn without_a_usable_token_either_stalled_or_reconciling_is_true() {
    each(|name, scene, outcome| {
        let mut after = scene.clone();
        after.record(outcome);
        let conditions = &after.status.conditions;
        let explained =
            ConditionType::Stalled.is_true(conditions) || ConditionType::Reconciling.is_true(conditions);
        let expected = !ConditionType::Ready.is_true(conditions) && !scene.spec.suspend;
        assert_eq!(explained, expected, "{name}");
    });
}

#[test]
fn the_same_outcome_again_changes_nothing() {
    each(|name, scene, outcome| {
        if matches!(outcome, Outcome::Failed(..)) {
            return; // each is one more attempt
        }
        let mut once = scene.clone();
        once.record(outcome);
        let mut twice = once.clone();
        twice.now = at(660);
        twice.record(outcome);
        assert_eq!(twice.status, once.status, "{name}");
    });
}

#[test]
fn a_reconcile_of_a_valid_token_writes_nothing() {
    let scene = Scene::good();
    for seconds in [600, 601, 1000, 2600] {
        let later = scene.clone().when(seconds).with(|scene| scene.record(&Outcome::Unchanged));
        assert_eq!(later.status, scene.status, "after {seconds} s");
    }
}

#[test]
fn a_transition_time_moves_only_with_its_status() {
    each(|name, scene, outcome| {
        let mut after = scene.clone();
        after.record(outcome);
        for condition in &after.status.conditions {
            let before = scene.status.conditions.iter().find(|before| before.type_ == condition.type_);
            let expected = match before.filter(|before| before.status == condition.status) {
                Some(before) => before.last_transition_time.clone(),
                None => to_kubernetes(scene.now),
            };
            assert_eq!(condition.last_transition_time, expected, "{name}: {}", condition.type_);
        }
    });
}
