//! A leader that cannot renew its lease is fenced but keeps running: unwritten tokens are written after the outage. A
//! provider that rotates refresh tokens accepts only the newest refresh token, and revokes all of them if it receives an older
//! refresh token.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::{Value, json};
use tokensource_kit::control_plane::ControlPlane;
use tokensource_kit::controller::ControllerProcess;
use tokensource_kit::eventually;
use tokensource_kit::proxy::Proxy;
use tokensource_kit::scripted_provider::Answer;

use crate::leaders::{elect, leader};
use crate::quota::{fill, make_room};
use crate::story::{SOON, Story, TOKEN, text};

/// Longer than the duration of a lease.
const OUTAGE: Duration = Duration::from_secs(25);
const FENCED: &str = "this process sends and writes nothing until it is";

pub(crate) async fn rotated_refresh_token_survives_the_api_server(story: &mut Story, _: &Proxy) {
    let (replicas, first) = refresh_under_way(story, Duration::from_secs(3)).await;
    let plane = story.world.plane();
    ControlPlane::api_server(plane).kill9();
    tokio::time::sleep(OUTAGE).await;
    ControlPlane::api_server(plane).start_again();
    plane.ready().await;
    goes_on(story, &replicas, first).await;
}

pub(crate) async fn rotated_refresh_token_survives_a_full_etcd(story: &mut Story, _: &Proxy) {
    let (replicas, first) = refresh_under_way(story, Duration::from_secs(12)).await;
    let fillers: Api<ConfigMap> = Api::namespaced(story.world.plane().admin(), &story.namespace);
    fill(&fillers).await;
    // The answer arrives while writes fail, and writes fail for longer than the duration of a lease.
    tokio::time::sleep(OUTAGE).await;
    make_room(story, &fillers).await;
    goes_on(story, &replicas, first).await;
}

/// Two replicas, and the index of the leader. The leader has sent a refresh token, and the answer will replace this refresh token.
async fn refresh_under_way(story: &mut Story, delay: Duration) -> ([ControllerProcess; 2], usize) {
    let replicas = elect(story).await;
    let first = leader(&replicas).await;
    story.provider.respond(TOKEN, move |request, number| {
        let newest = if number == 1 { "the-seed".to_owned() } else { format!("rotated-{}", number - 1) };
        if request.form_value("refresh_token") != Some(newest) {
            return Answer::error(400, "invalid_grant");
        }
        let answer = Answer::json(
            200,
            &json!({
                "access_token": format!("access-{number}"), "token_type": "bearer", "expires_in": 90,
                "refresh_token": format!("rotated-{number}"),
            }),
        );
        if number == 2 { answer.after(delay) } else { answer }
    });
    let host = story.provider.host();
    let seed = |labels: Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "client", "labels": labels, "annotations": {"tokensource.dev/allowed-hosts": host}},
            "stringData": {"client_id": "the-client", "refresh_token": "the-seed"},
        })
    };
    story.apply(&seed(json!({}))).await;
    let grant =
        json!({"provider": {"grantType": "refresh_token", "clientAuthentication": {"method": "none"}}});
    story.apply(&story.source_for("rotated", &grant)).await;
    story.ready("rotated").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    story.patch_source("rotated", &json!({"spec": {"token": {"scopes": ["more"]}}})).await;
    story.asked(2).await;
    (replicas, first)
}

/// The same process leads, the unwritten token is stored, and the next refresh uses it.
async fn goes_on(story: &Story, replicas: &[ControllerProcess; 2], first: usize) {
    eventually("the refresh token that was issued meanwhile", SOON, async || {
        let kept = story.secrets().get("rotated-refresh").await.map_err(|error| error.to_string())?;
        match text(&kept, "refresh_token").as_str() {
            "rotated-2" => Ok(()),
            other => Err(format!("{other}; {}", said(&replicas[first]))),
        }
    })
    .await;
    assert_eq!(leader(replicas).await, first, "nobody has taken the lease");
    assert!(replicas[first].logs().contains(FENCED), "{}", said(&replicas[first]));
    eventually("the next refresh", Duration::from_secs(60), async || match story.provider.count(TOKEN) {
        count if count > 2 => Ok(()),
        count => Err(count),
    })
    .await;
    let sent: Vec<_> = story
        .provider
        .requests(TOKEN)
        .iter()
        .filter_map(|request| request.form_value("refresh_token"))
        .collect();
    assert_eq!(sent[..3], ["the-seed", "rotated-1", "rotated-2"]);
    story.ready("rotated").await;
}

fn said(replica: &ControllerProcess) -> String {
    let log = replica.logs();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(" tokensource::")).collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
