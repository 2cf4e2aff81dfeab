//! When the token is probed, and what a 401 leads to: one renewal for each token, and increasing pauses if the probe rejects
//! every token.

use super::*;
use crate::api::{Duration as ApiDuration, LongText, Probe, Reason};
use crate::decide::fixture::{HOST, Scene, at};
use crate::decide::{Cause, Failure, Outcome, Plan, Target};

fn probing() -> Scene {
    Scene::good().with(|scene| {
        let interval = Some(ApiDuration::from_secs(300));
        scene.spec.renewal.probe = Some(Probe { url: format!("https://{HOST}/echo"), interval });
    })
}

/// The scene after this result of the probe.
fn probed(mut scene: Scene, verdict: ProbeVerdict) -> Scene {
    assert_eq!(scene.plan(), Plan::Probe, "at {}", scene.now);
    let issued_at = scene.published().issued_at;
    let probed = Probed::following(scene.probed.as_ref(), issued_at, scene.now, verdict);
    scene.record(&Outcome::Probed(probed));
    scene
}

/// The scene after another token was issued, `after` seconds after the fixture's first one.
fn renewed(mut scene: Scene, after: i64) -> Scene {
    let scene_at = scene.clone().when(after);
    assert_eq!(scene_at.plan(), Plan::Issue(Cause::ProbeRejected));
    scene.now = at(after);
    let publication = scene.publication(Cause::ProbeRejected, after);
    scene.record(&Outcome::Published(publication));
    scene
}

#[test]
fn only_2xx_403_and_401_are_verdicts_about_the_token() {
    let cases = [
        (200, ProbeVerdict::Accepted),
        (204, ProbeVerdict::Accepted),
        (403, ProbeVerdict::Accepted),
        (401, ProbeVerdict::Rejected),
        (302, ProbeVerdict::Unclear),
        (400, ProbeVerdict::Unclear),
        (404, ProbeVerdict::Unclear),
        (429, ProbeVerdict::Unclear),
        (500, ProbeVerdict::Unclear),
    ];
    for (status, verdict) in cases {
        assert_eq!(ProbeVerdict::of(status), verdict, "{status}");
    }
}

#[test]
fn a_token_is_probed_once_in_each_interval_of_its_lifetime() {
    let scene = probing();
    assert_eq!(scene.clone().when(299).plan(), Plan::Nothing, "a new one waits an interval");
    assert_eq!(scene.clone().when(300).plan(), Plan::Probe);
    let scene = probed(scene.when(310), ProbeVerdict::Accepted);
    assert_eq!(scene.clone().when(599).plan(), Plan::Nothing);
    assert_eq!(next_probe(&scene.clone().when(599).observed()), Some(at(600)));
    assert_eq!(scene.clone().when(601).plan(), Plan::Probe);
    let unasked = Scene::good().when(601);
    assert_eq!((unasked.plan(), next_probe(&unasked.observed())), (Plan::Nothing, None), "without a probe");
}

#[test]
fn only_a_401_renews_and_only_once() {
    for verdict in [ProbeVerdict::Accepted, ProbeVerdict::Unclear] {
        assert_eq!(probed(probing().when(300), verdict).when(400).plan(), Plan::Nothing, "{verdict:?}");
    }
    let rejected = probed(probing().when(300), ProbeVerdict::Rejected);
    assert_eq!(next_probe(&rejected.observed()), Some(at(300)), "immediately");
    let scene = renewed(rejected, 301);
    assert_eq!(scene.status.probe_rejections, 1);
    assert_eq!(scene.clone().when(302).plan(), Plan::Nothing, "the new token is not probed yet");
}

#[test]
fn a_probe_that_rejects_every_token_does_not_cause_a_renewal_in_each_interval() {
    let mut scene = renewed(probed(probing().when(300), ProbeVerdict::Rejected), 301);
    let (mut pauses, mut now) = (Vec::new(), 301);
    while pauses.len() < 3 {
        now += 10;
        scene = scene.when(now);
        match scene.plan() {
            Plan::Nothing => {}
            Plan::Probe => scene = probed(scene, ProbeVerdict::Rejected),
            Plan::Issue(Cause::ProbeRejected) => {
                pauses.push((scene.now - scene.published().issued_at).num_seconds());
                scene = renewed(scene, now);
            }
            plan => panic!("{plan:?} at {now}"),
        }
    }
    assert_eq!(pauses, [600, 1200, 2400]);
}

#[test]
fn only_an_ordinary_renewal_ends_the_pauses() {
    // One of two servers behind the same name may know the token while the other does not.
    let mut scene = renewed(probed(probing().when(300), ProbeVerdict::Rejected), 301);
    scene = probed(scene.when(601), ProbeVerdict::Accepted);
    assert_eq!(scene.status.probe_rejections, 1);
    scene = probed(scene.when(901), ProbeVerdict::Rejected);
    assert_eq!(scene.plan(), Plan::Issue(Cause::ProbeRejected), "ten minutes after its issue");
    let publication = scene.publication(Cause::RenewalDue, 3000);
    scene.now = at(3000);
    scene.record(&Outcome::Published(publication));
    assert_eq!(scene.status.probe_rejections, 0);
}

#[test]
fn a_provider_that_returns_the_same_token_is_not_asked_each_interval() {
    let mut scene = probing();
    scene.published().expires_at = at(86_400);
    let mut asked = 0;
    for second in (0..6 * 3600).step_by(5) {
        scene = scene.when(second);
        match scene.plan() {
            Plan::Probe => scene = probed(scene, ProbeVerdict::Rejected),
            Plan::Issue(Cause::ProbeRejected) => {
                asked += 1;
                let mut publication = scene.publication(Cause::ProbeRejected, 0);
                publication.published = scene.published().clone();
                publication.unchanged_at = Some(scene.now);
                scene.record(&Outcome::Published(publication));
            }
            plan => assert_eq!(plan, Plan::Nothing, "at {second}"),
        }
    }
    assert!((3..=9).contains(&asked), "{asked} requests in six hours");
}

#[test]
fn an_altered_or_missing_target_is_not_probed() {
    for change in [|s: &mut Scene| s.published().intact = false, |s: &mut Scene| s.target = Target::Missing] {
        let scene = probing().when(300).with(change);
        assert!(matches!(scene.plan(), Plan::Issue(_)), "{:?}", scene.plan());
    }
}

#[test]
fn a_rejected_token_is_not_ready_until_the_probe_accepts_it_or_another_comes() {
    let ready = |scene: &Scene| {
        let ready = scene.status.conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
        (ready.status.clone(), ready.reason.clone())
    };
    let is = |status: &str, reason: &str| (status.to_owned(), reason.to_owned());
    let rejected = probed(probing().when(300), ProbeVerdict::Rejected);
    assert_eq!(ready(&rejected), is("False", "ProbeRejected"));
    // An unreachable probe, time, or a restart does not end a rejection.
    let unclear = probed(
        rejected.clone().with(|scene| scene.status.probe_rejections = 3).when(600),
        ProbeVerdict::Unclear,
    );
    assert_eq!(ready(&unclear), is("False", "ProbeRejected"));
    let mut restarted = rejected.clone();
    restarted.probed = None;
    restarted.record(&Outcome::Waiting);
    assert_eq!(ready(&restarted), is("False", "ProbeRejected"));
    let accepted = probed(unclear.when(900), ProbeVerdict::Accepted);
    assert_eq!(ready(&accepted), is("True", "TokenIssued"));
    assert_eq!(
        ready(&renewed(rejected.clone(), 301)),
        is("True", "TokenIssued"),
        "the new one was not probed yet"
    );
    let unasked = rejected
        .clone()
        .with(|scene| scene.spec.renewal.probe = None)
        .with(|scene| scene.record(&Outcome::Unchanged));
    assert_eq!(ready(&unasked), is("True", "TokenIssued"), "no probe is sent any more");
    let expired = rejected.when(3600).with(|scene| scene.record(&Outcome::Waiting));
    assert_eq!(ready(&expired), is("False", "TokenExpired"));
}

#[test]
fn status_has_the_time_of_the_next_request_for_a_rejected_token() {
    let renew_at = |scene: &Scene| from_kubernetes(scene.status.renew_at.as_ref().unwrap());
    let rejected = probed(probing().when(300), ProbeVerdict::Rejected);
    assert_eq!(renew_at(&rejected), at(300), "immediately");
    let again = probed(renewed(rejected, 301).when(601), ProbeVerdict::Rejected);
    assert_eq!(renew_at(&again), at(901), "the second in a row after twice the interval");
    assert_eq!(again.when(901).plan(), Plan::Issue(Cause::ProbeRejected));
}

#[test]
fn a_rejection_shows_while_it_lasts() {
    let message = |scene: &Scene| {
        let renewed = scene.status.conditions.iter().find(|condition| condition.type_ == "Renewed").unwrap();
        assert_eq!(renewed.status, "True");
        renewed.message.clone()
    };
    let before = message(&probing());
    let rejected = probed(probing().when(300), ProbeVerdict::Rejected);
    assert!(message(&rejected).contains("ProbeRejected"), "{}", message(&rejected));
    // This happens, for example, if the provider returns the token again, and the resource server knows it by now.
    let accepted = rejected.with(|scene| {
        let issued_at = scene.published().issued_at;
        let probed = Probed::following(None, issued_at, scene.now, ProbeVerdict::Accepted);
        scene.record(&Outcome::Probed(probed));
    });
    assert_eq!(message(&accepted), before);
}

#[test]
fn a_probe_without_verdict_is_reported_and_an_accepted_token_ends_a_refusal() {
    let renewed = |scene: &Scene| {
        scene.status.conditions.iter().find(|condition| condition.type_ == "Renewed").cloned().unwrap()
    };
    let mut scene = probing();
    for turn in 1..=3 {
        assert!(!renewed(&scene).message.contains("ProbeUnclear"), "not immediately");
        scene = probed(scene.when(turn * 300), ProbeVerdict::Unclear);
    }
    assert!(renewed(&scene).message.contains("ProbeUnclear"), "{}", renewed(&scene).message);
    scene.record(&Outcome::Refused(Failure::local(Reason::ProviderNotFound, "Gone.")));
    assert_eq!(renewed(&scene).status, "False");
    scene = probed(scene.when(1200), ProbeVerdict::Accepted);
    assert_eq!((renewed(&scene).status.as_str(), renewed(&scene).reason.as_str()), ("True", "TokenIssued"));
    assert!(!renewed(&scene).message.contains("ProbeUnclear"));
}

#[test]
fn templates_that_keep_the_token_are_recognized() {
    let kept = |template: &str| {
        let mut target = crate::api::Target::default();
        target.data.insert("access_token".to_owned(), LongText(template.to_owned()));
        crate::decide::render::keeps_token(&target)
    };
    assert!(crate::decide::render::keeps_token(&crate::api::Target::default()));
    assert!(kept("{{ access_token }}") && kept("{{access_token}}\n"));
    assert!(!kept("{ { access_token } }") && !kept(" {{ access_token }}"));
    assert!(!kept("Bearer {{ access_token }}") && !kept("{{ access_token | b64encode }}"));
}
