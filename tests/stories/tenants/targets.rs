//! A user who may write `TokenSource`s and `TokenProvider`s but may not create Secrets: the shipped admission policy refuses
//! every change that would decide which Secret is written, or its content. Knows only the policy's effect.

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokensource::api::{TokenProvider, TokenSource};
use tokensource_kit::eventually;
use tokensource_kit::scripted_provider::Answer;

use super::{bind, provider_for, role, tenants, try_as};
use crate::story::{SOON, Story, TOKEN};

const REFUSAL: &str = "ask for the right to create Secrets";

/// A spec that needs no right to a Secret except to create the target.
fn bland() -> Value {
    json!({"credentialsRef": null, "provider": {"clientAuthentication": {"method": "none"}}})
}

/// Takes the right to create Secrets from bob.
async fn take_the_right_from_bob(story: &Story) {
    let authors = json!([{
        "apiGroups": ["tokensource.dev"], "resources": ["tokensources", "tokenproviders"],
        "verbs": ["get", "create", "update", "patch", "delete"],
    }]);
    let creators = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]);
    story.apply(&role("creators", &creators)).await;
    story.apply(&bind("creators", &["alice"])).await;
    story.apply(&role("authors", &authors)).await;
    eventually("a refusal of bob alone", SOON, async || {
        let object = story.source_for("after", &bland());
        match (try_as(story, "alice", &object).await, try_as(story, "bob", &object).await) {
            (Ok(()), Err(refusal)) if refusal.contains(REFUSAL) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

/// The right to write TokenSources does not include having Secrets created.
pub(crate) async fn only_who_may_create_secrets_may_have_a_target(story: &mut Story) {
    tenants(story).await;
    assert_eq!(try_as(story, "bob", &story.source_for("before", &bland())).await, Ok(()));
    take_the_right_from_bob(story).await;
    let by_bob: Api<TokenSource> = Api::namespaced(story.world.plane().client("bob"), &story.namespace);
    for target in
        [json!({"name": "other"}), json!({"type": "example.com/obeyed"}), json!({"labels": {"obey": "me"}})]
    {
        let patch = json!({"spec": {"target": target}});
        let patched = by_bob.patch("before", &PatchParams::default(), &Patch::Merge(&patch)).await;
        let refusal = patched.expect_err("another target").to_string();
        assert!(refusal.contains(REFUSAL), "{target}: {refusal}");
    }
}

/// The right to write TokenSources does not include the right to replace the content of a Secret of another user's `TokenSource`.
pub(crate) async fn only_who_may_create_secrets_decides_what_is_in_them(story: &mut Story) {
    const OF_BOB: &str = "/token-of-bob";
    tenants(story).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.provider.always(OF_BOB, Answer::token(3600));
    let bob = story.world.plane().client("bob");
    let sources: Api<TokenSource> = Api::namespaced(bob.clone(), &story.namespace);
    let providers: Api<TokenProvider> = Api::namespaced(bob, &story.namespace);
    let provider = |name: &str| {
        provider_for(story, "TokenProvider", name, &json!({"clientAuthentication": {"method": "none"}}))
    };
    assert_eq!(try_as(story, "alice", &story.source_for("hers", &json!({}))).await, Ok(()));
    story.ready("hers").await;
    let token = story.value("hers-token", "access_token").await;
    assert_eq!(try_as(story, "alice", &provider("shared")).await, Ok(()));
    take_the_right_from_bob(story).await;

    // Bob's client at Bob's server needs none of Alice's objects, and Alice's target would get Bob's token.
    let his = story.provider.url(OF_BOB);
    for change in [
        json!({"credentialsRef": null, "clientId": "bob",
            "provider": {"clientAuthentication": {"method": "none"}, "tokenEndpoint": his}}),
        json!({"credentialsRef": null, "provider": null, "providerRef": {"kind": "TokenProvider", "name": "shared"}}),
        json!({"token": {"scopes": ["read"]}}),
        // A single rule covers the whole spec, because the end of a suspension makes the controller write.
        json!({"suspend": true}),
    ] {
        let patch = json!({"spec": change});
        let patched = sources.patch("hers", &PatchParams::default(), &Patch::Merge(&patch)).await;
        let refusal = patched.expect_err("a changed spec").to_string();
        assert!(refusal.contains(REFUSAL), "{change}: {refusal}");
    }
    let patch = json!({"spec": {"tokenEndpoint": his}});
    let patched = providers.patch("shared", &PatchParams::default(), &Patch::Merge(&patch)).await;
    let refusal = patched.expect_err("a changed provider").to_string();
    assert!(refusal.contains(REFUSAL), "{refusal}");
    // A TokenSource may name a provider that does not exist yet.
    let refusal = try_as(story, "bob", &provider("later")).await.expect_err("another provider");
    assert!(refusal.contains(REFUSAL), "{refusal}");

    // Updates without a change of the specs are permitted, and her TokenSource is still renewed.
    let label = Patch::Merge(json!({"metadata": {"labels": {"seen-by": "bob"}}}));
    sources.patch("hers", &PatchParams::default(), &label).await.expect("a label");
    providers.patch("shared", &PatchParams::default(), &label).await.expect("a label of the provider");
    let plane = story.world.plane();
    for same in [story.source_for("hers", &json!({})), provider("shared")] {
        let applied = plane.try_apply("bob", &story.namespace, &same.to_string()).await;
        applied.expect("the same again");
    }
    assert_eq!(try_as(story, "alice", &provider("later")).await, Ok(()));
    assert_eq!(story.value("hers-token", "access_token").await, token);
    assert_eq!(story.provider.count(OF_BOB), 0);
}
