//! Instants recorded with a clock that was hours or years ahead for a moment and is right again: no wait depends on them.

use chrono::TimeDelta;

use super::*;
use crate::decide::readiness::due;
use crate::decide::{Cause, ProbeVerdict, Probed};

const AHEAD: [i64; 3] = [6 * 3600, 400 * 24 * 3600, 100 * 365 * 24 * 3600];

fn failed_at(seconds: i64, retry: Retry) -> Scene {
    let mut scene = Scene::good().when(2700);
    scene.record(&Outcome::Failed(at(seconds), failure(Reason::ProviderUnavailable, retry)));
    scene
}

#[test]
fn wait_that_another_clock_has_set_is_over() {
    for ahead in AHEAD {
        for retry in [Retry::TRANSIENT, Retry::TERMINAL, Retry::Wasteful] {
            let scene = failed_at(2700 + ahead, retry);
            assert_eq!(scene.clone().when(2712).plan(), Plan::Issue(Cause::RenewalDue), "{ahead} {retry:?}");
            // The next failure sets a wait by the right clock.
            let mut again = scene.when(2712);
            again.record(&Outcome::Failed(at(2712), failure(Reason::ProviderUnavailable, retry)));
            let Plan::Wait(Some(until)) = again.when(2713).plan() else { panic!("{ahead} {retry:?}") };
            assert!(until - at(2712) <= LONGEST_WAIT, "{ahead} {retry:?} {until}");
        }
    }
}

#[test]
fn longest_wait_that_is_legal_is_waited_out() {
    let mut scene = failed_at(2700, Retry::TERMINAL);
    scene.status.retry_at = Some(to_kubernetes(at(2700) + LONGEST_WAIT));
    assert!(matches!(scene.clone().when(2706).plan(), Plan::Wait(Some(_))));
    scene.status.retry_at = Some(to_kubernetes(at(2707) + LONGEST_WAIT));
    assert_eq!(scene.when(2706).plan(), Plan::Issue(Cause::RenewalDue));
}

#[test]
fn refusal_that_only_a_change_can_end_is_still_not_tried_again() {
    for ahead in AHEAD {
        let scene = failed_at(2700 + ahead, Retry::Terminal { repeat: Repeat::Never });
        assert_eq!(scene.when(2712).plan(), Plan::Wait(None), "{ahead}");
    }
}

#[test]
fn token_of_another_clock_is_replaced_once() {
    for ahead in AHEAD {
        let mut scene = Scene::good().when(600);
        let publication = scene.publication(Cause::RenewalDue, 600 + ahead);
        scene.record(&Outcome::Published(publication));
        assert_eq!(scene.plan(), Plan::Issue(Cause::RenewalDue), "{ahead}");
        let publication = scene.publication(Cause::RenewalDue, 600);
        scene.record(&Outcome::Published(publication));
        assert_eq!(scene.when(601).plan(), Plan::Nothing, "{ahead}");
    }
}

#[test]
fn repetition_by_another_clock_does_not_postpone_the_renewal() {
    for ahead in AHEAD {
        let mut scene = Scene::good();
        scene.status.last_unchanged_time = Some(to_kubernetes(at(600 + ahead)));
        let observed = scene.observed();
        let expected = due(&observed, observed.published().unwrap(), None);
        assert_eq!(from_kubernetes(scene.status.renew_at.as_ref().unwrap()), expected);
        let past = scene.clone().when((expected - at(0)).num_seconds());
        assert_eq!(past.plan(), Plan::Issue(Cause::RenewalDue), "{ahead}");
        scene.record(&Outcome::Unchanged);
        assert_eq!(from_kubernetes(scene.status.renew_at.as_ref().unwrap()), expected, "{ahead}");
    }
}

#[test]
fn success_after_a_failure_of_another_clock_is_a_success() {
    for ahead in AHEAD {
        let scene = failed_at(2700 + ahead, Retry::Terminal { repeat: Repeat::Never });
        // A token was issued, and the status that would record it was lost.
        let published = scene.publication(Cause::RenewalDue, 2712).published;
        let scene = scene.with(|scene| scene.target = Target::Ours(published)).when(2713);
        assert_eq!(scene.plan(), Plan::Nothing, "{ahead}");
    }
}

#[test]
fn probe_by_another_clock_does_not_keep_the_token_from_being_probed() {
    let probing = || {
        Scene::good().with(|scene| {
            let probe = serde_json::json!({"url": "https://auth.example.com/me", "interval": "60s"});
            scene.spec.renewal.probe = Some(serde_json::from_value(probe).unwrap());
        })
    };
    assert_eq!(probing().plan(), Plan::Probe);
    for ahead in AHEAD {
        for verdict in [ProbeVerdict::Accepted, ProbeVerdict::Rejected, ProbeVerdict::Unclear] {
            let probed = Probed { issued_at: at(0), at: at(600 + ahead), verdict, unclear: 0 };
            let scene = probing().with(|scene| scene.probed = Some(probed));
            assert_eq!(scene.plan(), Plan::Probe, "{ahead} {verdict:?}");
        }
    }
}

#[test]
fn rejected_token_is_renewed_though_another_clock_repeated_it() {
    for ahead in AHEAD {
        let scene = Scene::good().with(|scene| {
            let probe = serde_json::json!({"url": "https://auth.example.com/me", "interval": "60s"});
            scene.spec.renewal.probe = Some(serde_json::from_value(probe).unwrap());
            scene.status.probe_rejections = 1;
            scene.status.last_unchanged_time = Some(to_kubernetes(at(600 + ahead)));
            let verdict = ProbeVerdict::Rejected;
            scene.probed = Some(Probed { issued_at: at(0), at: at(600), verdict, unclear: 0 });
        });
        let late = at(600) + TimeDelta::minutes(3);
        assert_eq!(
            scene.when((late - at(0)).num_seconds()).plan(),
            Plan::Issue(Cause::ProbeRejected),
            "{ahead}"
        );
    }
}
