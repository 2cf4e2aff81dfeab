//! Two replicas, of which one leads: takeovers, their time, and their cost.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use tokensource::api::annotation;
use tokensource_kit::controller::ControllerProcess;
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::{eventually, shipped};

use crate::story::{SOON, Story, TOKEN, start_as};

const ELECTED: [&str; 3] = ["--leader-elect", "--allow-network", "127.0.0.0/8"];

async fn replica(story: &Story, arguments: &[&str]) -> ControllerProcess {
    let place = ["--namespace", story.namespace.as_str(), "--lease-namespace", story.namespace.as_str()];
    start_as(story.world.kubeconfig(), &[&place[..], &ELECTED[..], arguments].concat()).await
}

async fn leads(replica: &ControllerProcess) -> bool {
    replica.metric("tokensource_leader", &[]).await == Some(1.0)
}

/// Waits until exactly one of the two replicas leads, and returns its index.
pub(crate) async fn leader(replicas: &[ControllerProcess; 2]) -> usize {
    eventually("a leader", Duration::from_secs(40), async || {
        match (leads(&replicas[0]).await, leads(&replicas[1]).await) {
            (true, false) => Ok(0),
            (false, true) => Ok(1),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

async fn holder(story: &Story) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(story.world.plane().admin(), &story.namespace);
    leases.get("tokensource").await.ok()?.spec?.holder_identity.filter(|holder| !holder.is_empty())
}

/// Replaces the story's own controller by two that elect a leader.
pub(crate) async fn elect(story: &mut Story) -> [ControllerProcess; 2] {
    elect_with(story, &[]).await
}

async fn elect_with(story: &mut Story, arguments: &[&str]) -> [ControllerProcess; 2] {
    story.controller.kill9();
    shipped::grant_lease(story.world.plane(), &story.namespace).await;
    [replica(story, arguments).await, replica(story, arguments).await]
}

pub(crate) async fn terminated_leader_hands_over_immediately(story: &mut Story) {
    let replicas = elect(story).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("handed", &json!({})).await;
    story.ready("handed").await;
    let first = leader(&replicas).await;
    assert!(replicas[1 - first].get("/readyz").await.is_ok(), "a replica that does not lead is ready");
    let before = holder(story).await;
    let ended = Instant::now();
    assert!(replicas[first].terminate().await.success());
    eventually("the other leads", Duration::from_secs(9), async || {
        if leads(&replicas[1 - first]).await { Ok(()) } else { Err(format!("{:?}", ended.elapsed())) }
    })
    .await;
    assert_ne!(holder(story).await, before);
    // The other replica starts with the existing state: no token request, no write.
    story.asked_exactly(1).await;
    story.patch_source("handed", &json!({"spec": {"token": {"scopes": ["a"]}}})).await;
    story.ready("handed").await;
    story.asked_exactly(2).await;
}

pub(crate) async fn leader_that_loses_the_lease_ends(story: &mut Story) {
    let replicas = elect(story).await;
    let first = leader(&replicas).await;
    let leases: Api<Lease> = Api::namespaced(story.world.plane().admin(), &story.namespace);
    let stolen = json!({"spec": {"holderIdentity": "somebody-else", "leaseDurationSeconds": 1}});
    leases
        .patch("tokensource", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(&stolen))
        .await
        .unwrap();
    eventually("the former leader's end", SOON, async || {
        if replicas[first].process().is_running() { Err("it runs on") } else { Ok(()) }
    })
    .await;
    assert!(replicas[first].logs().contains("leadership is lost"), "{}", replicas[first].logs());
}

/// A leader is killed twelve times while forty tokens of two minutes are renewed. No token expires, and only a token that
/// had not been written yet is requested twice. Two leaders in a row may be killed before they renew any token. So a token, which
/// is due about a minute after its issue, must stay valid during three changes of the leader.
pub(crate) async fn killed_leaders_are_replaced_without_a_gap(story: &mut Story) {
    const KILLS: usize = 12;
    const FLEET: usize = 40;
    // The number of requests in flight and of tokens about to be written.
    const CONCURRENCY: usize = 4;
    let arguments = ["--concurrency", &CONCURRENCY.to_string()];
    let mut replicas = elect_with(story, &arguments).await;
    let mut kills = Vec::with_capacity(KILLS);
    story.credentials("client", "s3cr3t-of-the-client").await;
    for number in 0..FLEET {
        let path = format!("/token/{number}");
        story.provider.always(&path, Answer::token(120));
        let more = json!({"provider": {"tokenEndpoint": story.provider.url(&path)}});
        story.apply(&story.source_for(&format!("s{number}"), &more)).await;
    }
    for number in 0..FLEET {
        story.ready(&format!("s{number}")).await;
    }
    for kill in 0..KILLS {
        let first = leader(&replicas).await;
        // The kill happens at an arbitrary moment.
        tokio::time::sleep(Duration::from_millis(300 * (kill as u64 % 5))).await;
        let before = holder(story).await;
        replicas[first].kill9();
        let killed = Instant::now();
        kills.push((killed, instants(story, annotation::ISSUED_AT).await));
        eventually("a new holder", Duration::from_secs(30), async || {
            assert_nothing_expired(story, FLEET).await;
            let now = holder(story).await;
            if now.is_some() && now != before { Ok(()) } else { Err(format!("{:?}", killed.elapsed())) }
        })
        .await;
        // The other replica takes over fifteen seconds after it last saw a renewal of the lease. The limit leaves time for reads.
        assert!(killed.elapsed() < Duration::from_secs(22), "after {:?}", killed.elapsed());
        replicas[first] = replica(story, &arguments).await;
    }
    assert_nothing_expired(story, FLEET).await;
    let mut lost = [0; KILLS];
    for number in 0..FLEET {
        let name = format!("s{number}-token");
        let requests = story.provider.requests(&format!("/token/{number}"));
        for pair in requests.windows(2) {
            let [first, second] = pair else { unreachable!() };
            // A renewal is due after half of the lifetime, less a tenth: an earlier request is a second request for the same token.
            if second.instant - first.instant >= Duration::from_secs(50) {
                continue;
            }
            let in_flight = kills.iter().position(|(killed, issued_at)| {
                // An annotation has whole seconds.
                let written =
                    issued_at.get(&name).is_some_and(|at| *at > first.arrived - TimeDelta::seconds(2));
                (first.instant..second.instant).contains(killed) && !written
            });
            let kill =
                in_flight.unwrap_or_else(|| panic!("{name} was requested again though it was written"));
            lost[kill] += 1;
        }
    }
    assert!(lost.iter().all(|lost| *lost <= 2 * CONCURRENCY), "{lost:?} tokens were in flight at the kills");
}

/// The time in this annotation of each target, by the name of the Secret.
async fn instants(story: &Story, annotation: &str) -> HashMap<String, DateTime<Utc>> {
    let secrets = story.secrets().list(&ListParams::default()).await.expect("the Secrets");
    let instant = |secret: Secret| {
        let at = secret.metadata.annotations.unwrap_or_default().remove(annotation)?;
        Some((secret.metadata.name?, DateTime::parse_from_rfc3339(&at).unwrap().to_utc()))
    };
    secrets.into_iter().filter_map(instant).collect()
}

async fn assert_nothing_expired(story: &Story, fleet: usize) {
    let now = Utc::now();
    let expiries = instants(story, annotation::EXPIRES_AT).await;
    assert_eq!(expiries.len(), fleet, "every target is there");
    let expired: Vec<_> = expiries.iter().filter(|(_, until)| **until <= now).collect();
    assert!(expired.is_empty(), "{expired:?}");
}
