//! Tokens are revoked when their TokenSource is deleted or another token has replaced them, and no deletion hangs.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokensource::api::{ConditionType, TokenProvider};
use tokensource_kit::eventually;
use tokensource_kit::keycloak::{MACHINE, PASSWORD, PUBLIC, REALM, SECRET, SIGNED_JWT, USERNAME};
use tokensource_kit::scripted_provider::{Answer, RecordedRequest};

use crate::story::{SOON, Story, TOKEN, is, merge, text};

/// The path of the scripted revocation endpoint.
pub(crate) const REVOKE: &str = "/revoke";
pub(crate) const FINALIZER: &str = "tokensource.dev/revocation";
/// The two minutes that docs/revocation.md promises, and a margin for a busy machine.
pub(crate) const TWO_MINUTES: Duration = Duration::from_secs(130);

pub(crate) fn on_delete(story: &Story) -> Value {
    json!({"provider": {"revocation": {"endpoint": story.provider.url(REVOKE), "onDelete": true}}})
}

/// A TokenSource with a token and the finalizer.
pub(crate) async fn revocable(story: &Story, name: &str, more: &Value) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask(name, more).await;
    story.ready(name).await;
    story.until(name, "the finalizer", |source| source.finalizers() == [FINALIZER]).await;
}

pub(crate) async fn delete(story: &Story, name: &str) {
    story.sources().delete(name, &DeleteParams::background()).await.expect("deleted");
}

pub(crate) async fn gone(story: &Story, name: &str, patience: Duration) {
    eventually("the end of the TokenSource", patience, async || {
        match story.sources().get_opt(name).await.map_err(|error| error.to_string())? {
            None => Ok(()),
            Some(source) => Err(format!("{:?}", source.metadata)),
        }
    })
    .await;
}

async fn until_event(story: &Story, name: &str) {
    eventually("the Event", SOON, async || {
        let events = story.events(name).await;
        if events.iter().any(|event| event == "RevocationFailed") {
            Ok(())
        } else {
            Err(format!("{events:?}"))
        }
    })
    .await;
}

/// The form members `token` and `token_type_hint` of each revocation.
fn revoked(story: &Story) -> Vec<(String, String)> {
    let value = |request: &RecordedRequest, name: &str| request.form_value(name).unwrap_or_default();
    let requests = story.provider.requests(REVOKE);
    requests.iter().map(|request| (value(request, "token"), value(request, "token_type_hint"))).collect()
}

pub(crate) async fn deleted_source_revokes_its_token(story: &mut Story) {
    story.provider.always(REVOKE, Answer::bytes(200, "text/plain", b""));
    revocable(story, "short", &on_delete(story)).await;
    let token = story.value("short-token", "access_token").await;
    delete(story, "short").await;
    gone(story, "short", SOON).await;
    assert_eq!(revoked(story), [(token, "access_token".to_owned())]);
    let request = &story.provider.requests(REVOKE)[0];
    assert_eq!(request.method, "POST");
    assert_eq!(request.form_value("client_id").as_deref(), Some("the-client"));
    assert_eq!(request.form_value("client_secret").as_deref(), Some("s3cr3t-of-the-client"));
    assert_eq!(request.form_value("grant_type"), None);
    story.asked_exactly(1).await;
    assert!(!story.events("short").await.contains(&"RevocationFailed".to_owned()));
}

/// The controller adds and removes the finalizer with the field, and neither costs a token.
pub(crate) async fn finalizer_is_there_only_on_demand(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("changing", &json!({})).await;
    assert_eq!(story.ready("changing").await.finalizers(), Vec::<String>::new());
    let foreign = json!({"metadata": {"finalizers": ["example.com/other"]}});
    story.patch_source("changing", &foreign).await;
    story.patch_source("changing", &json!({"spec": on_delete(story)})).await;
    story
        .until("changing", "the finalizer", |source| source.finalizers() == ["example.com/other", FINALIZER])
        .await;
    story.patch_source("changing", &json!({"spec": {"provider": {"revocation": null}}})).await;
    story.until("changing", "no finalizer", |source| source.finalizers() == ["example.com/other"]).await;
    story.asked_exactly(1).await;
    story.patch_source("changing", &json!({"metadata": {"finalizers": null}})).await;
    delete(story, "changing").await;
    gone(story, "changing", SOON).await;
    assert_eq!(story.provider.count(REVOKE), 0);
}

pub(crate) async fn refresh_token_is_revoked_first(story: &mut Story) {
    story.provider.always(REVOKE, Answer::bytes(200, "text/plain", b""));
    story.provider.respond(TOKEN, |_, number| {
        let (access, refresh) =
            (format!("access-token-{number}-of-this"), format!("refresh-token-{number}-of-this"));
        Answer::json(200, &json!({"access_token": access, "expires_in": 3600, "refresh_token": refresh}))
    });
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "user", "annotations": {"tokensource.dev/allowed-hosts": story.provider.host()}},
            "stringData": {"client_id": "app", "username": "someone", "password": "s3cr3t-of-someone"},
        }))
        .await;
    let mut spec = on_delete(story);
    spec["provider"]["grantType"] = json!("password");
    spec["provider"]["clientAuthentication"] = json!({"method": "none"});
    spec["credentialsRef"] = json!({"name": "user"});
    story.apply(&story.source_for("session", &spec)).await;
    story.ready("session").await;
    story.until("session", "the finalizer", |source| source.finalizers() == [FINALIZER]).await;
    let access = story.value("session-token", "access_token").await;
    let refresh = text(&story.secret("session-refresh").await, "refresh_token");
    delete(story, "session").await;
    gone(story, "session", SOON).await;
    let expected = [(refresh, "refresh_token".to_owned()), (access, "access_token".to_owned())];
    assert_eq!(revoked(story), expected);
}

/// No request follows a refusal, another follows an outage, and the deletion of a suspended object revokes its token, too.
pub(crate) async fn failed_revocations_are_reported(story: &mut Story) {
    story.provider.answer(REVOKE, Answer::error(400, "unsupported_token_type"));
    revocable(story, "refused", &on_delete(story)).await;
    delete(story, "refused").await;
    gone(story, "refused", SOON).await;
    until_event(story, "refused").await;
    assert_eq!(story.provider.count(REVOKE), 1, "a refusal is final");

    story.provider.answers(REVOKE, [Answer::status(503).header("Retry-After", "1"), Answer::status(200)]);
    let mut suspended = on_delete(story);
    suspended["suspend"] = json!(true);
    revocable(story, "suspended", &on_delete(story)).await;
    story.apply(&story.source_for("suspended", &suspended)).await;
    delete(story, "suspended").await;
    gone(story, "suspended", SOON + SOON).await;
    assert_eq!(story.provider.count(REVOKE), 3, "once more after an outage");
    assert!(!story.events("suspended").await.contains(&"RevocationFailed".to_owned()));
}

pub(crate) async fn deletion_never_hangs(story: &mut Story) {
    story.provider.always(REVOKE, Answer::hang());
    let mut spec = on_delete(story);
    spec["provider"]["timeout"] = json!("2s");
    revocable(story, "stuck", &spec).await;
    let before = Instant::now();
    delete(story, "stuck").await;
    gone(story, "stuck", TWO_MINUTES).await;
    until_event(story, "stuck").await;
    assert_eq!(story.provider.count(REVOKE), 3, "after {:?}", before.elapsed());
    let log = story.controller.logs();
    assert!(log.contains("Tokens not revoked"), "{log}");
}

/// Without a provider, credentials or a Secret nothing can be sent, and the object is deleted immediately.
pub(crate) async fn hopeless_deletions_end_at_once(story: &mut Story) {
    story.provider.always(REVOKE, Answer::status(200));
    let mut spec = story.block();
    merge(&mut spec, &on_delete(story)["provider"]);
    let provider = json!({
        "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenProvider", "metadata": {"name": "shared"},
        "spec": spec,
    });
    story.apply(&provider).await;
    let by_reference = json!({"provider": null, "providerRef": {"kind": "TokenProvider", "name": "shared"}});
    revocable(story, "orphan", &by_reference).await;
    revocable(story, "hollow", &on_delete(story)).await;
    let providers: Api<TokenProvider> = Api::namespaced(story.world.plane().admin(), &story.namespace);
    providers.delete("shared", &DeleteParams::default()).await.expect("deleted");
    story.failing("orphan", "ProviderNotFound").await;
    delete(story, "orphan").await;
    gone(story, "orphan", SOON).await;
    until_event(story, "orphan").await;

    // Garbage collection deletes the Secret at the same time, so either the token is revoked or an Event reports the failure.
    revocable(story, "foremost", &on_delete(story)).await;
    story.sources().delete("foremost", &DeleteParams::foreground()).await.expect("deleted");
    gone(story, "foremost", SOON).await;
    if story.provider.count(REVOKE) == 0 {
        until_event(story, "foremost").await;
    }
    let sent = story.provider.count(REVOKE);

    // The token in the target has been replaced by hand, so the controller cannot read the token that it should revoke.
    revocable(story, "edited", &on_delete(story)).await;
    story.patch_source("edited", &json!({"spec": {"suspend": true}})).await;
    story.until("edited", "the suspension", |source| is(source, ConditionType::Renewed, "Unknown")).await;
    story
        .patch_secret("edited-token", &json!({"stringData": {"access_token": "a-token-of-somebody-else"}}))
        .await;
    delete(story, "edited").await;
    gone(story, "edited", SOON).await;
    until_event(story, "edited").await;
    assert_eq!(story.provider.count(REVOKE), sent);

    story.delete_secret("client").await;
    story.failing("hollow", "CredentialsNotFound").await;
    delete(story, "hollow").await;
    gone(story, "hollow", SOON).await;
    until_event(story, "hollow").await;
    assert_eq!(story.provider.count(REVOKE), sent);
}

pub(crate) async fn namespace_waits_for_no_revocation(story: &mut Story) {
    story.provider.always(REVOKE, Answer::hang());
    revocable(story, "inhabitant", &on_delete(story)).await;
    let namespaces: Api<Namespace> = Api::all(story.world.plane().admin());
    namespaces.delete(&story.namespace, &DeleteParams::default()).await.expect("deleted");
    eventually("the end of the namespace", Duration::from_secs(60), async || {
        match namespaces.get_opt(&story.namespace).await.map_err(|error| error.to_string())? {
            None => Ok(()),
            Some(found) => Err(format!("{:?}", found.status)),
        }
    })
    .await;
    assert_eq!(story.provider.count(REVOKE), 0);
}

/// A replaced token is revoked after the grace period. A failed revocation changes no condition.
pub(crate) async fn replaced_token_is_revoked_after_the_grace(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.provider.answer(REVOKE, Answer::status(200));
    let endpoint = story.provider.url(REVOKE);
    let revocation = json!({"endpoint": endpoint, "onReplace": true, "grace": "4s"});
    story.ask("rolling", &json!({"provider": {"revocation": revocation}})).await;
    story.ready("rolling").await;
    assert_eq!(story.source("rolling").await.finalizers(), Vec::<String>::new());
    let first = story.value("rolling-token", "access_token").await;
    story.credentials("client", "another-s3cr3t-of-the-client").await;
    story.asked(2).await;
    story
        .until("rolling", "the next token", |source| source.status.as_ref().is_some_and(|s| s.failures == 0))
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(story.provider.count(REVOKE), 0, "workloads may still use it");
    eventually("the revocation", SOON, async || {
        let revoked = revoked(story);
        if revoked.is_empty() { Err("none") } else { Ok(()) }
    })
    .await;
    assert_eq!(revoked(story), [(first, "access_token".to_owned())]);
    let second = story.value("rolling-token", "access_token").await;

    // A refusal is reported, and does not affect the present token.
    story.provider.answer(REVOKE, Answer::error(400, "unsupported_token_type"));
    story.credentials("client", "a-third-s3cr3t-of-the-client").await;
    story.asked(3).await;
    until_event(story, "rolling").await;
    assert_eq!(revoked(story)[1..], [(second, "access_token".to_owned())]);
    let source = story.ready("rolling").await;
    assert!(is(&source, ConditionType::Renewed, "True"), "{:#?}", source.status);
    story.asked_exactly(3).await;
    assert_eq!(story.provider.count(REVOKE), 2);
    let measured = story.controller.metric("tokensource_token_request_duration_seconds_count", &[]).await;
    assert_eq!(measured, Some(3.0), "a revocation is no token request");
}

/// If the provider returns the same token again, the controller must not revoke the token.
pub(crate) async fn same_token_again_is_not_revoked(story: &mut Story) {
    story.provider.always(REVOKE, Answer::status(200));
    let same =
        json!({"access_token": "the-very-same-token-each-time", "token_type": "bearer", "expires_in": 3600});
    story.provider.always(TOKEN, Answer::json(200, &same));
    let revocation = json!({"endpoint": story.provider.url(REVOKE), "onReplace": true, "grace": "1s"});
    story.ask("sticky", &json!({"provider": {"revocation": revocation}})).await;
    story.ready("sticky").await;
    story.credentials("client", "another-s3cr3t-of-the-client").await;
    story.asked(2).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(story.provider.count(REVOKE), 0);
}

/// Keycloak confirms that a token was active before the deletion and is not afterwards, for three ways to authenticate.
pub(crate) async fn keycloak_forgets_the_tokens(story: &mut Story) {
    let world = story.world.clone();
    let keycloak = world.keycloak();
    let secret = |name: &str, data: Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "annotations": {"tokensource.dev/allowed-hosts": keycloak.host()}},
            "stringData": data,
        })
    };
    let user = json!({"client_id": PUBLIC, "username": USERNAME, "password": PASSWORD});
    let signer = json!({"client_id": SIGNED_JWT, "private_key": keycloak.signer().key_pem});
    let cases = [
        ("basic", json!({"client_id": MACHINE, "client_secret": SECRET}), "client_secret_basic", REALM),
        ("signed", signer, "private_key_jwt", REALM),
        // The user is not in the rotating realm, because another story counts the logins of this client there.
        ("user", user, "none", REALM),
    ];
    for (name, data, method, realm) in &cases {
        story.apply(&secret(name, data.clone())).await;
        let mut provider = json!({
            "issuer": keycloak.issuer(realm), "tls": {"caBundle": keycloak.ca_pem()},
            "clientAuthentication": {"method": method}, "revocation": {"onDelete": true},
        });
        if *name == "user" {
            provider["grantType"] = json!("password");
        }
        story
            .apply(&json!({
                "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource", "metadata": {"name": name},
                "spec": {"provider": provider, "credentialsRef": {"name": name}, "target": {"name": format!("{name}-token")}},
            }))
            .await;
    }
    for (name, _, _, realm) in &cases {
        story.ready(name).await;
        story.until(name, "the finalizer", |source| source.finalizers() == [FINALIZER]).await;
        let token = story.value(&format!("{name}-token"), "access_token").await;
        assert!(keycloak.is_active(realm, &token).await, "{name}: before");
        delete(story, name).await;
        gone(story, name, SOON).await;
        assert!(!keycloak.is_active(realm, &token).await, "{name}: afterwards");
        assert!(!story.events(name).await.contains(&"RevocationFailed".to_owned()), "{name}");
    }
}
