//! Deletions with the controller's finalizer under hard conditions: hundreds at the same time, and a finalizer that cannot be
//! written. `revocation` has the usual deletions.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokensource::api::{ConditionType, TokenSource};
use tokensource_kit::scripted_provider::Answer;
use tokensource_kit::{eventually, manifest};

use crate::denial::deny;
use crate::revocation::{FINALIZER, REVOKE, TWO_MINUTES, gone, on_delete};
use crate::story::{SOON, Story, TOKEN, is};

/// The number of TokenSources that are deleted at the same time.
const MANY: usize = 300;

/// Each deletion has its own deadline, although the provider is sent few requests at a time.
pub(crate) async fn hundreds_of_deletions_end_although_the_provider_hangs(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.provider.always(REVOKE, Answer::hang());
    story.credentials("client", "s3cr3t-of-the-client").await;
    let mut spec = on_delete(story);
    spec["provider"]["timeout"] = json!("5s");
    for number in 0..MANY {
        story.apply(&story.source_for(&format!("many-{number}"), &spec)).await;
    }
    let everything = ListParams::default();
    let left = async || story.sources().list(&everything).await.map_err(|error| error.to_string());
    eventually("a token and the finalizer everywhere", TWO_MINUTES, async || {
        let sources = left().await?.items;
        let is_done = |source: &&TokenSource| {
            is(source, ConditionType::Ready, "True") && source.finalizers() == [FINALIZER]
        };
        let waiting = sources.len() - sources.iter().filter(is_done).count();
        if waiting == 0 { Ok(()) } else { Err(format!("{waiting} wait")) }
    })
    .await;
    let deleted = DeleteParams::background();
    story.sources().delete_collection(&deleted, &everything).await.expect("to delete all");
    eventually("the end of all", TWO_MINUTES, async || {
        let left = left().await?.items.len();
        if left == 0 { Ok(()) } else { Err(format!("{left} are left")) }
    })
    .await;
    let sent = story.provider.count(REVOKE);
    assert!((3..MANY).contains(&sent), "{sent} requests: the limiter lets few requests through");
}

/// The steps after the finalizer are done although the finalizer cannot be written. The controller adds the finalizer when
/// the API server accepts it again.
pub(crate) async fn unwritable_finalizer_delays_nothing_else(story: &mut Story) {
    let binding = deny(story, "tokensource.dev", "tokensources", "!has(object.metadata.finalizers)").await;
    let mut probe = story.source_for("probe", &json!({"suspend": true}));
    probe["metadata"]["finalizers"] = json!(["example.com/probe"]);
    eventually("the policy", SOON, async || {
        let plane = story.world.plane();
        match plane.rehearse(&story.namespace, &manifest::parse(&probe.to_string())).await {
            Err(refusal) if refusal.to_string().contains("denied by the story") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("held", &on_delete(story)).await;
    story.ready("held").await;
    story.patch_source("held", &json!({"spec": {"target": {"name": "renamed"}}})).await;
    eventually("the end of the former target", SOON, async || {
        match story.secrets().get_opt("held-token").await.map_err(|error| error.to_string())? {
            None => Ok(()),
            Some(secret) => Err(format!("{:?}", secret.metadata)),
        }
    })
    .await;
    let log = story.controller.logs();
    assert!(log.contains("denied by the story"), "{log}");

    let name = binding["metadata"]["name"].as_str().unwrap();
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(story.world.plane().admin());
    bindings.delete(name, &DeleteParams::default()).await.expect("deleted");
    // The pause after failures grows up to a minute.
    let patience = Duration::from_secs(90);
    eventually("the finalizer", patience, async || {
        let source = story.sources().get("held").await.map_err(|error| error.to_string())?;
        if source.finalizers() == [FINALIZER] { Ok(()) } else { Err(format!("{:?}", source.metadata)) }
    })
    .await;
    story.provider.always(REVOKE, Answer::status(200));
    story.sources().delete("held", &DeleteParams::background()).await.expect("deleted");
    gone(story, "held", SOON).await;
    assert_eq!(story.provider.count(REVOKE), 1);
}
