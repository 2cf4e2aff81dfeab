//! Stale states: the controller gets an older state of the cluster than it has seen.
//!
//! The controller lists without a resourceVersion. An API server may not answer such a list from an outdated cache, so an
//! API server that lags only delays the controller. A list with `resourceVersion=0` and without a limit would be answered
//! from the cache, as the first story shows.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use tokensource::api::{ClusterTokenProvider, TokenProvider, TokenSource};
use tokensource_kit::eventually;
use tokensource_kit::proxy::Proxy;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{SOON, Story, TOKEN};
use crate::witness::{Witness, at_rest, settled};
use crate::world::CONTROLLER;

pub(crate) async fn restart_against_an_api_server_that_lags(story: &mut Story, _: &Proxy) {
    let plane = story.world.plane();
    let follower = plane.follower();
    let admin = plane.client_of("admin", &follower.server);
    let lagging: Api<Secret> = Api::namespaced(admin.clone(), &story.namespace);
    let cached = ListParams::default().match_any();

    // The follower sees the TokenSource and its credentials, and nothing later.
    story.controller.kill9();
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("lagging", &json!({})).await;
    eventually("the credentials at the follower", SOON, async || {
        let seen = lagging.list(&cached).await.map_err(|error| error.to_string())?.items.len();
        if seen == 1 { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;
    // An API server begins to cache a custom kind with the first request for it.
    Api::<TokenSource>::all(admin.clone()).list(&cached).await.expect("the TokenSources");
    Api::<TokenProvider>::all(admin.clone()).list(&cached).await.expect("the TokenProviders");
    Api::<ClusterTokenProvider>::all(admin).list(&cached).await.expect("the ClusterTokenProviders");
    follower.pipe.freeze();
    story.controller.restart().await;
    at_rest(story, "lagging", 1).await;
    let shown = lagging.list(&cached).await.expect("an answer from the cache").items.len();
    assert_eq!(
        shown, 1,
        "the follower has no target: a controller that relies on the follower requests another token"
    );

    let witness = Witness::of(story, &["lagging-token"]);
    let kubeconfig = plane.kubeconfig_through(CONTROLLER, &follower.server, plane.ca_pem());
    story.controller.kill9();
    let arguments =
        ["controller", "--http-address", story.controller.address(), "--namespace", &story.namespace];
    let mut program = story.controller.process().program().clone();
    program.arguments = arguments.iter().map(ToString::to_string).collect();
    program.arguments.extend(["--allow-network".to_owned(), "127.0.0.0/8".to_owned()]);
    program.environment.retain(|(name, _)| name != "KUBECONFIG");
    program.environment.push(("KUBECONFIG".to_owned(), kubeconfig.display().to_string()));
    let second = tokensource_kit::process::Process::start(program);
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(story.provider.count(TOKEN), 1, "a token was requested because of an outdated cache");
    assert!(story.controller.get("/readyz").await.is_err(), "ready before the lists were answered");
    assert!(second.is_running());

    follower.pipe.thaw();
    eventually("readiness", Duration::from_secs(40), async || story.controller.get("/readyz").await).await;
    at_rest(story, "lagging", 1).await;
    // The controller works with the follower.
    story.credentials("client", "another-secret").await;
    at_rest(story, "lagging", 2).await;
    witness.saw_no_loss();
}

/// The watch delivers the status, but not the created Secret.
pub(crate) async fn created_secret_that_no_watch_shows_is_known(story: &mut Story, proxy: &Proxy) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "s3cr3t-of-the-client").await;
    // The watch has delivered the changes until now; later changes are not delivered.
    tokio::time::sleep(Duration::from_secs(1)).await;
    proxy.silence_watches(Some("/secrets"));
    story.apply(&story.source_for("unheard", &json!({}))).await;
    at_rest(story, "unheard", 1).await;
    // After the minimum interval between two requests, a change triggers a reconcile.
    tokio::time::sleep(Duration::from_secs(6)).await;
    story.patch_source("unheard", &json!({"spec": {"renewal": {"atPercentage": 50}}})).await;
    at_rest(story, "unheard", 1).await;
    proxy.silence_watches(None);
    at_rest(story, "unheard", 1).await;
}

/// The watches deliver the controller's own writes late or never, so the controller uses the results of its writes.
pub(crate) async fn silent_watches_cost_no_token(story: &mut Story, proxy: &Proxy) {
    settled(story, "deaf").await;
    // The renewal is due between 6.3 s and 7 s.
    story.provider.always(TOKEN, Answer::token(14));
    story.credentials("client", "another-secret").await;
    story.asked(2).await;
    let witness = Witness::of(story, &["deaf-token"]);
    proxy.silence_watches(Some("/"));
    tokio::time::sleep(Duration::from_secs(22)).await;
    proxy.silence_watches(None);
    story.provider.always(TOKEN, Answer::token(3600));
    let requests = story.provider.requests(TOKEN);
    assert!((5..=6).contains(&requests.len()), "{} requests", requests.len());
    for pair in requests[1..].windows(2) {
        let distance = pair[1].instant - pair[0].instant;
        assert!(distance >= Duration::from_millis(5500), "asked again after {distance:?}");
    }
    // Late events undo nothing.
    tokio::time::sleep(Duration::from_secs(8)).await;
    at_rest(story, "deaf", story.provider.count(TOKEN)).await;
    witness.saw_no_loss();
}
