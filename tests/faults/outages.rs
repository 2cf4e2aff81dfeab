//! kube-apiserver or etcd is killed while the controller sends requests and tokens become due.

use std::time::Duration;

use serde_json::json;
use tokensource_kit::control_plane::ControlPlane;
use tokensource_kit::eventually;
use tokensource_kit::process::Process;
use tokensource_kit::proxy::Proxy;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{SOON, Story, TOKEN};
use crate::witness::{Witness, consistent};

/// The path of short-lived tokens.
const SHORT: &str = "/short";
const SHORT_LIVED: [&str; 2] = ["short-1", "short-2"];
const LONG_LIVED: [&str; 2] = ["long-1", "long-2"];
/// The lifetime of the short-lived tokens: due between 18 s and 20 s after issue, and expired 20 s later.
const SHORT_LIFE: u64 = 40;

pub(crate) async fn api_server_dies_and_comes_back(story: &mut Story, _: &Proxy) {
    outage(story, ControlPlane::api_server).await;
}

pub(crate) async fn etcd_dies_and_comes_back(story: &mut Story, _: &Proxy) {
    outage(story, ControlPlane::etcd).await;
}

async fn outage(story: &Story, component: fn(&ControlPlane) -> &Process) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.provider.always(SHORT, Answer::token(SHORT_LIFE));
    story.credentials("client", "s3cr3t-of-the-client").await;
    story.credentials("others", "s3cr3t-of-the-client").await;
    for name in SHORT_LIVED {
        let provider = json!({"tokenEndpoint": story.provider.url(SHORT)});
        let more = json!({"provider": provider, "credentialsRef": {"name": "others"}});
        story.apply(&story.source_for(name, &more)).await;
    }
    for name in LONG_LIVED {
        story.apply(&story.source_for(name, &json!({}))).await;
    }
    for name in SHORT_LIVED.into_iter().chain(LONG_LIVED) {
        story.ready(name).await;
    }
    assert_eq!((story.provider.count(TOKEN), story.provider.count(SHORT)), (2, 2));
    let witness = Witness::of(story, &["short-1-token", "short-2-token", "long-1-token", "long-2-token"]);

    // Two requests are in flight when the component is killed, and are answered during the outage.
    tokio::time::sleep(Duration::from_secs(12)).await;
    for _ in LONG_LIVED {
        story.provider.answer(TOKEN, Answer::token(3600).after(Duration::from_secs(3)));
    }
    story.credentials("client", "another-secret").await;
    story.asked(4).await;
    let plane = story.world.plane();
    component(plane).kill9();
    // Two more tokens become due meanwhile: no request can be sent, because the credentials cannot be read.
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(
        (story.provider.count(TOKEN), story.provider.count(SHORT)),
        (4, 2),
        "during the outage of the API server"
    );
    component(plane).start_again();
    plane.ready().await;
    assert_eq!(story.provider.count(TOKEN), 4);

    // The tokens that were issued meanwhile are written, and the others requested, once each.
    eventually("a renewal of the short-lived", SOON, async || match story.provider.count(SHORT) {
        count if count >= 4 => Ok(()),
        count => Err(count),
    })
    .await;
    let came_meanwhile = &story.provider.issued()[4..6];
    for name in LONG_LIVED {
        eventually("the token that was issued meanwhile", SOON, async || {
            let held = consistent(story, name).await?;
            if came_meanwhile.contains(&held) { Ok(()) } else { Err("an older token".to_owned()) }
        })
        .await;
    }
    story.asked_exactly(4).await;
    let requests = story.provider.requests(SHORT);
    for pair in requests.windows(3) {
        let distance = pair[2].instant - pair[0].instant;
        assert!(distance >= Duration::from_secs(15), "three requests of two sources within {distance:?}");
    }
    witness.saw_no_loss();
}
