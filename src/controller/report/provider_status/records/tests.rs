//! The order, the number and the end of the writes of sweeps.

use std::collections::BTreeMap;

use super::*;

/// A namespace and a name, which is the uid.
type One = (&'static str, &'static str);

impl Due for One {
    fn uid(&self) -> &str {
        self.1
    }

    fn namespace(&self) -> &str {
        self.0
    }
}

fn answered(code: u16) -> CallError {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        _ => "InternalError",
    };
    let (reason, message) = (reason.to_owned(), "of the API server".to_owned());
    CallError::Kube(kube::Error::Api(Box::new(kube::core::Status {
        code,
        reason,
        message,
        ..Default::default()
    })))
}

fn records(all: &[One]) -> Records {
    let of_objects = all.iter().map(|one| (one.1.to_owned(), Record::default())).collect();
    Records { of_objects, ..Records::default() }
}

/// Makes the writes of one sweep. The writes of the objects in `failing` fail. Returns the objects that were written.
fn sweep(records: &mut Records, all: &[One], failing: &[One], error: &CallError) -> Vec<&'static str> {
    let mut failures = Failures::default();
    let mut written = Vec::new();
    let due = all.iter().copied().filter(|one| records.of_objects[one.1].may_be_written()).collect();
    for one in records.in_turn(due) {
        if failures.exclude(one.0) {
            continue;
        }
        if failing.contains(&one) {
            failures.count(one.0, error);
            records.failed(&one, error);
        } else {
            records.succeeded(&one);
            written.push(one.1);
        }
        if failures.end_the_sweep() {
            break;
        }
    }
    written
}

#[tokio::test(start_paused = true)]
async fn cluster_providers_go_first_then_what_has_waited_longest_and_no_namespace_takes_all() {
    let all = [
        ("a", "a now"),
        ("a", "a before"),
        ("a", "a never"),
        ("", "shared now"),
        ("", "shared before"),
        ("", "shared never"),
        ("b", "b before"),
    ];
    let mut records = records(&all);
    for one in ["b before", "a before", "shared before", "a now", "shared now"] {
        tokio::time::advance(Duration::from_secs(10)).await;
        let one = all.iter().find(|each| each.1 == one).unwrap();
        // A failed write is an attempt, too.
        if one.0 == "a" {
            records.failed(one, &answered(500));
        } else {
            records.succeeded(one);
        }
    }
    let names: Vec<_> = records.in_turn(all.to_vec()).iter().map(|one| one.1).collect();
    let expected = ["shared never", "shared before", "shared now", "b before", "a never", "a before"];
    assert_eq!(names, expected);
}

/// An object in the namespace of this name.
struct OneOf<'a>(&'a str);

impl Due for OneOf<'_> {
    fn uid(&self) -> &'static str {
        "one"
    }

    fn namespace(&self) -> &str {
        self.0
    }
}

#[tokio::test]
async fn a_sweep_has_a_hundred_writes_at_most() {
    let names: Vec<String> = (0..60).map(|namespace| format!("n{namespace}")).collect();
    let all = (0..5).flat_map(|_| names.iter().map(|name| OneOf(name))).collect();
    let mut of_namespaces: BTreeMap<String, usize> = BTreeMap::new();
    for due in Records::default().in_turn(all) {
        *of_namespaces.entry(due.0.to_owned()).or_default() += 1;
    }
    assert_eq!(of_namespaces.values().sum::<usize>(), 100);
    assert!(of_namespaces.len() == 60 && of_namespaces.values().all(|writes| *writes <= 2));
}

#[tokio::test(start_paused = true)]
async fn namespaces_whose_writes_fail_keep_nobody_from_being_written() {
    let failing = [("a", "a1"), ("a", "a2"), ("b", "b1"), ("b", "b2"), ("c", "c1"), ("c", "c2")];
    let good = [("d", "d1"), ("", "shared")];
    let all: Vec<One> = failing.iter().chain(&good).copied().collect();
    // Two namespaces do not end a sweep.
    let (two, mut of_two) = (&failing[..4], records(&all));
    assert_eq!(sweep(&mut of_two, &[two, &good].concat(), two, &answered(500)), ["shared", "d1"]);
    // Three namespaces end it, and come last in the next sweep.
    let mut records = records(&all);
    assert_eq!(sweep(&mut records, &all, &failing, &answered(500)), ["shared"]);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(sweep(&mut records, &all, &failing, &answered(500)), ["shared", "d1"]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_replaces_its_objects_does_not_become_the_first() {
    let all = [("a", "a1"), ("a", "replaced"), ("b", "b1")];
    let mut records = records(&all);
    records.failed(&all[0], &answered(500));
    tokio::time::advance(Duration::from_secs(10)).await;
    records.of_objects.remove("a1");
    records.succeeded(&all[2]);
    let due = vec![all[1], all[2]];
    assert_eq!(records.in_turn(due.clone()), [all[1], all[2]], "it has waited longer");
    tokio::time::advance(Duration::from_secs(10)).await;
    records.failed(&all[1], &answered(500));
    assert_eq!(records.in_turn(due), [all[2], all[1]]);
}

#[tokio::test]
async fn objects_that_have_changed_or_are_gone_are_no_failures() {
    let all = [("a", "a1"), ("b", "b1"), ("c", "c1"), ("d", "d1")];
    for code in [404, 409] {
        let mut records = records(&all);
        assert_eq!(sweep(&mut records, &all, &all[..3], &answered(code)), ["d1"], "{code}");
        assert!(!records.failed(&all[0], &answered(code)), "no line");
    }
}

#[tokio::test]
async fn lasting_failures_are_logged_once_for_each_cause() {
    let all = [("a", "too large"), ("b", "b1"), ("c", "c1")];
    let mut records = records(&all);
    let [large, b, c] = all;
    let (too_large, forbidden) = (answered(500), answered(403));
    assert!(!records.failed(&large, &too_large), "the first failure");
    assert!(records.failed(&large, &too_large));
    assert!(!records.failed(&large, &too_large), "it is known");
    // One object that always fails does not hide a missing right.
    assert!(!records.failed(&b, &forbidden) && records.failed(&b, &forbidden));
    assert!(!records.failed(&c, &forbidden) && !records.failed(&c, &forbidden));
    assert!(!records.ended(), "both failures last");
    records.succeeded(&b);
    assert!(!records.ended(), "the write for the other object still fails");
    records.succeeded(&c);
    assert!(records.ended());
    // The next failure is logged again.
    assert!(!records.failed(&b, &forbidden) && records.failed(&b, &forbidden));
}
