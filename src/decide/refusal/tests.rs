//! The effect on a valid token if the provider refuses the credentials.

use super::*;
use crate::decide::fixture::{Scene, at, failure, outage};
use crate::decide::{Cause, Outcome, Target};
use crate::oauth::Retry;

/// The scene after a renewal was refused for this reason.
fn refused(reason: Reason, on_revoked: OnRevoked) -> Scene {
    let mut scene = Scene::good().when(2700);
    scene.spec.renewal.on_revoked = on_revoked;
    scene.record(&Outcome::Failed(at(2700), failure(reason, Retry::TERMINAL)));
    scene.when(2701)
}

fn withdrawn() -> Target {
    Target::Withdrawn { uid: "target-uid".to_owned(), resource_version: "200".to_owned() }
}

#[test]
fn only_a_refusal_of_the_credentials_takes_the_token_away_and_only_where_that_is_wanted() {
    let wait = |scene: Scene| matches!(scene.plan(), Plan::Wait(_));
    for reason in [Reason::InvalidClient, Reason::InvalidGrant, Reason::UnauthorizedClient] {
        assert_eq!(refused(reason, OnRevoked::Withdraw).plan(), Plan::Withdraw, "{reason}");
        assert!(wait(refused(reason, OnRevoked::Keep)), "{reason}");
    }
    for reason in
        [Reason::InvalidScope, Reason::AccessDenied, Reason::EndpointNotFound, Reason::InvalidRequest]
    {
        assert!(wait(refused(reason, OnRevoked::Withdraw)), "{reason} does not concern the credentials");
    }
    let mut scene = Scene::good().when(2700);
    scene.spec.renewal.on_revoked = OnRevoked::Withdraw;
    scene.record(&Outcome::Failed(at(2700), outage()));
    assert!(wait(scene.when(2701)), "an outage");
}

#[test]
fn after_a_withdrawal_a_token_is_requested_when_something_changes_and_once_an_hour() {
    let mut scene = refused(Reason::InvalidClient, OnRevoked::Withdraw);
    scene.record(&Outcome::Withdrawn(withdrawn()));
    let ready = |scene: &Scene| scene.status.conditions.iter().find(|c| c.type_ == "Ready").cloned().unwrap();
    assert_eq!((ready(&scene).status.as_str(), ready(&scene).reason.as_str()), ("False", "TokenWithdrawn"));
    assert!(scene.status.conditions.iter().any(|c| c.type_ == "Stalled" && c.reason == "InvalidClient"));
    assert_eq!(scene.status.expires_at, None);
    assert!(scene.status.renew_at.is_some() && scene.status.renew_at == scene.status.retry_at);
    assert!(matches!(scene.clone().when(2800).plan(), Plan::Wait(Some(_))));
    assert_eq!(scene.clone().when(2700 + 4000).plan(), Plan::Issue(Cause::TokenWithdrawn));
    let rotated = scene.when(2800).with(|scene| {
        scene.generation = 2;
        scene.provider().grant_type = Some("vendor".to_owned());
    });
    assert_eq!(rotated.plan(), Plan::Issue(Cause::TokenWithdrawn));
}

#[test]
fn a_failure_warns_about_a_token_that_stays() {
    let warned = |scene: &Scene, reason| {
        add_token_warning(&scene.observed(), failure(reason, Retry::TERMINAL)).message
    };
    let good = Scene::good();
    assert!(warned(&good, Reason::InvalidClient).contains("renewal.onRevoked: Withdraw"));
    assert_eq!(warned(&good, Reason::InvalidScope), "InvalidScope.");
    let expired = Scene::good().when(4000);
    assert_eq!(warned(&expired, Reason::InvalidClient), "InvalidClient.", "there is no valid token");
    let withdraws = Scene::good().with(|scene| scene.spec.renewal.on_revoked = OnRevoked::Withdraw);
    assert_eq!(warned(&withdraws, Reason::InvalidClient), "InvalidClient.");
}

#[test]
fn a_refusal_in_the_cluster_does_not_hide_the_refusal_of_the_credentials() {
    let mut scene = refused(Reason::InvalidClient, OnRevoked::Withdraw);
    let local = Failure::local(Reason::CredentialsNotBound, "Not bound.");
    scene.record(&Outcome::Refused(local));
    assert_eq!(scene.plan(), Plan::Withdraw);
    scene.record(&Outcome::Withdrawn(withdrawn()));
    let renewed = scene.status.conditions.iter().find(|c| c.type_ == "Renewed").unwrap();
    assert_eq!(renewed.reason, "InvalidClient", "what is waited for");
}
