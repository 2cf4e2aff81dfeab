//! A `TokenSource` or its whole namespace is deleted while a token is being requested: no object is left, no further token
//! is requested, and errors end.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;
use tokensource_kit::eventually;
use tokensource_kit::proxy::Proxy;
use tokensource_kit::scripted_provider::Answer;

use crate::story::{SOON, Story, TOKEN};
use crate::witness::{exists, rotate, settled};

/// The maximum number of failed reconciles: calls for a deleted object are not repeated again and again.
const FEW: usize = 4;

pub(crate) async fn source_goes_in_the_background(story: &mut Story, _: &Proxy) {
    goes(story, &DeleteParams::background()).await;
}

pub(crate) async fn source_goes_in_the_foreground(story: &mut Story, _: &Proxy) {
    goes(story, &DeleteParams::foreground()).await;
}

async fn goes(story: &Story, how: &DeleteParams) {
    // The deletion happens while the first token is being requested, and while a renewal is being requested.
    for (name, requests) in [("early", 1), ("late", 3)] {
        if name == "late" {
            story.provider.answer(TOKEN, Answer::token(3600));
            story.apply(&story.source_for(name, &json!({}))).await;
            story.ready(name).await;
            story.provider.answer(TOKEN, Answer::token(3600).after(Duration::from_secs(3)));
            rotate(story, "another-secret").await;
        } else {
            story.provider.answer(TOKEN, Answer::token(3600).after(Duration::from_secs(3)));
            story.ask(name, &json!({})).await;
        }
        story.asked(requests).await;
        story.sources().delete(name, how).await.expect("deleted");
        gone(story, name).await;
        // The answer arrives after the object was deleted.
        tokio::time::sleep(Duration::from_secs(5)).await;
        gone(story, name).await;
        story.asked_exactly(requests).await;
        assert!(complaints(story) <= FEW, "{}", story.controller.logs());
    }
}

/// Waits until neither the `TokenSource` nor its Secret exists.
async fn gone(story: &Story, name: &str) {
    let secrets = story.secrets();
    eventually("the end of both", SOON, async || {
        let source = story.sources().get_opt(name).await.expect("an answer").is_some();
        let secret = exists(&secrets, &format!("{name}-token")).await;
        if source || secret { Err(format!("source: {source}, secret: {secret}")) } else { Ok(()) }
    })
    .await;
}

fn complaints(story: &Story) -> usize {
    story.controller.logs().matches("Reconcile failed").count()
}

pub(crate) async fn namespace_ends_in_peace(story: &mut Story, _: &Proxy) {
    settled(story, "old").await;
    // The order of deletion does not matter: a Secret that is deleted before its TokenSource is not replaced.
    story.credentials("zz-last-to-go", "s3cr3t-of-the-client").await;
    for number in 0..6 {
        let more = json!({"credentialsRef": {"name": "zz-last-to-go"}});
        story.apply(&story.source_for(&format!("more-{number}"), &more)).await;
    }
    story.asked_exactly(7).await;
    story.provider.answer(TOKEN, Answer::token(3600).after(Duration::from_secs(2)));
    story.apply(&story.source_for("young", &json!({}))).await;
    story.asked(8).await;
    namespaces(story).delete(&story.namespace, &DeleteParams::default()).await.expect("deleted");
    end_of_the_namespace(story).await;
    story.asked_exactly(8).await;
    let before = complaints(story);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(complaints(story), before, "the controller still logs complaints");
    assert!(before <= FEW, "{}", story.controller.logs());
}

/// A namespace may end slowly, and lose its objects one after the other.
pub(crate) async fn namespace_ends_slowly(story: &mut Story, _: &Proxy) {
    settled(story, "last").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let plane = story.world.plane();
    plane.controller_manager().kill9();
    namespaces(story).delete(&story.namespace, &DeleteParams::default()).await.expect("marked");
    story.delete_secret("last-token").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    story.asked_exactly(1).await;
    assert_eq!(complaints(story), 0, "{}", story.controller.logs());
    plane.controller_manager().start_again();
    end_of_the_namespace(story).await;
    story.asked_exactly(1).await;
}

fn namespaces(story: &Story) -> Api<Namespace> {
    Api::all(story.world.plane().admin())
}

async fn end_of_the_namespace(story: &Story) {
    eventually("the end of the namespace", Duration::from_secs(60), async || {
        let found = namespaces(story).get_opt(&story.namespace).await.map_err(|error| error.to_string())?;
        found.map_or(Ok(()), |found| Err(format!("{:?}", found.status)))
    })
    .await;
}

/// The watch of namespaces has not delivered the deletion when the first TokenSource of the new namespace arrives.
pub(crate) async fn namespace_made_again_while_its_watch_lags(story: &mut Story, proxy: &Proxy) {
    let namespaces: Api<Namespace> = Api::all(story.world.plane().admin());
    settled(story, "first").await;
    namespaces.delete(&story.namespace, &DeleteParams::default()).await.expect("deleted");
    // The controller has seen the beginning of the deletion, and gets no more events of namespaces.
    tokio::time::sleep(Duration::from_secs(1)).await;
    proxy.silence_watches(Some("/namespaces"));
    eventually("the end of the namespace", ENDED, async || {
        match namespaces.get_opt(&story.namespace).await.expect("an answer") {
            None => Ok(()),
            Some(_) => Err("still there"),
        }
    })
    .await;
    let again = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": story.namespace}});
    story.world.plane().apply(&again.to_string()).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("second", &json!({})).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    proxy.silence_watches(None);
    eventually("the new one's token", AGAIN, async || {
        if exists(&story.secrets(), "second-token").await { Ok(()) } else { Err("no Secret yet") }
    })
    .await;
}

/// The time that the controller-manager may take to empty a namespace.
const ENDED: Duration = Duration::from_secs(60);
/// The deadline for the first reconcile of objects that were skipped because their namespace was being deleted.
const AGAIN: Duration = Duration::from_secs(50);
