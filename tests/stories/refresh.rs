//! Refresh tokens: stored separately, rotated, stored before anything else, and replaced by the primary grant when refused.

use std::time::Duration;

use kube::ResourceExt;
use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::keycloak::{PASSWORD, PUBLIC, ROTATING_REALM, USERNAME};
use tokensource_kit::lookalikes::Lookalike;
use tokensource_kit::scripted_provider::{Answer, ScriptedProvider};
use tokensource_kit::shipped::repository;
use tokensource_kit::{eventually, manifest};

use crate::denial::deny;
use crate::story::{SOON, Story, TOKEN, condition, is, text};

/// The refresh token in the Secret of a `TokenSource`.
async fn kept(story: &Story, source: &str) -> String {
    text(&story.secret(&format!("{source}-refresh")).await, "refresh_token")
}

fn grants(provider: &Lookalike) -> Vec<String> {
    provider.requests().iter().filter_map(|request| request.form_value("grant_type")).collect()
}

/// Apiax, exactly as its document says.
pub(crate) async fn apiax_is_refreshed_and_falls_back(story: &mut Story) {
    let apiax = Lookalike::apiax(&story.world.authority);
    apiax.set_lifetime(Duration::from_secs(14));
    let mut objects = manifest::load(repository().join("deploy/examples/apiax.yaml"));
    apiax.stand_in(&mut objects);
    manifest::into_namespace(&mut objects, &story.namespace);
    story.world.plane().apply_objects(&objects).await;
    let source = story.ready("apiax").await;
    assert!(condition(&source, ConditionType::Renewed).unwrap().2.contains("LegacyGrant"));

    let secret = story.secret("apiax-refresh").await;
    assert_eq!(secret.type_.as_deref(), Some("tokensource.dev/refresh-token"));
    assert_eq!(secret.owner_references()[0].uid, source.uid().unwrap());
    let first = kept(story, "apiax").await;
    eventually("two refreshes", SOON, async || {
        let grants = grants(&apiax);
        if grants.len() >= 3 { Ok(()) } else { Err(format!("{grants:?}")) }
    })
    .await;
    assert_eq!(grants(&apiax)[..3], ["password", "refresh_token", "refresh_token"]);
    assert_eq!(apiax.refusals(), Vec::<String>::new());
    assert_ne!(kept(story, "apiax").await, first, "the rotated refresh token is stored");

    // The refresh token is refused, as after its 14 days: the password is used once, and its refresh token afterwards.
    apiax.kill_refresh_tokens();
    eventually("the password again, then a refresh", SOON, async || {
        let grants = grants(&apiax);
        let passwords = grants.iter().filter(|grant| *grant == "password").count();
        if passwords == 2 && grants.last().is_some_and(|last| last == "refresh_token") {
            Ok(())
        } else {
            Err(format!("{grants:?}"))
        }
    })
    .await;
    assert!(is(&story.source("apiax").await, ConditionType::Ready, "True"));
    assert!(story.events("apiax").await.contains(&"RefreshTokenRejected".to_owned()));
    let target = story.secret("apiax-token").await;
    let keys: Vec<_> = target.data.as_ref().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["access_token", "expires_at", "token_type"], "no refresh token in the target");
}

pub(crate) async fn refused_password_is_not_tried_again(story: &mut Story) {
    story.provider.always(TOKEN, Answer::error(400, "invalid_grant"));
    password_source(story, "locked").await;
    let source = story.failing("locked", "InvalidGrant").await;
    assert!(is(&source, ConditionType::Stalled, "True"));
    assert!(source.status.unwrap().retry_at.is_none(), "accounts lock: no attempt, not even an hour later");
    story.controller.kill9();
    story.controller.restart().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    story.asked_exactly(1).await;
    // Another password is tried immediately.
    story.provider.always(TOKEN, Answer::token(3600));
    user(story, "another-password").await;
    story.ready("locked").await;
    story.asked_exactly(2).await;
}

pub(crate) async fn refresh_token_of_the_credentials_is_only_the_first(story: &mut Story) {
    story.provider.respond(TOKEN, |_, number| {
        Answer::json(
            200,
            &json!({
                "access_token": format!("access-{number}"), "token_type": "bearer", "expires_in": 3600,
                "refresh_token": format!("rotated-{number}"),
            }),
        )
    });
    let host = story.provider.host();
    let seed = |more: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "client", "annotations": {"tokensource.dev/allowed-hosts": host}},
            "stringData": {"client_id": "the-client", "refresh_token": "the-seed", more: "another-value"},
        })
    };
    story.apply(&seed("note")).await;
    let grant =
        json!({"provider": {"grantType": "refresh_token", "clientAuthentication": {"method": "none"}}});
    story.apply(&story.source_for("seeded", &grant)).await;
    story.ready("seeded").await;
    assert_eq!(kept(story, "seeded").await, "rotated-1");
    // Another credential requires a new token, but not with the first refresh token, which rotation has used up.
    story.apply(&seed("client_secret")).await;
    story.asked_exactly(2).await;
    let sent: Vec<_> = story
        .provider
        .requests(TOKEN)
        .iter()
        .filter_map(|request| request.form_value("refresh_token"))
        .collect();
    assert_eq!(sent, ["the-seed", "rotated-1"]);
    // The user's own Secret is input, and unchanged.
    assert_eq!(story.value("client", "refresh_token").await, "the-seed");
}

pub(crate) async fn refresh_token_goes_only_where_it_came_from(story: &mut Story) {
    story.provider.respond(TOKEN, |_, _| with_refresh_token());
    story.provider.respond("/elsewhere", |_, _| with_refresh_token());
    password_source(story, "moved").await;
    story.ready("moved").await;
    let elsewhere = json!({"spec": {"provider": {"tokenEndpoint": story.provider.url("/elsewhere")}}});
    story.patch_source("moved", &elsewhere).await;
    story.ready("moved").await;
    let asked = story.provider.requests("/elsewhere");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].form_value("grant_type").as_deref(), Some("password"));
}

pub(crate) async fn refresh_requests_go_to_their_own_endpoint_if_its_host_is_allowed(story: &mut Story) {
    let refreshing = ScriptedProvider::start(&story.world.authority);
    let token = |number: usize| {
        Answer::json(
            200,
            &json!({
                "access_token": format!("access-{number}"), "token_type": "bearer", "expires_in": 14,
                "refresh_token": "kept",
            }),
        )
    };
    story.provider.respond(TOKEN, move |_, number| token(number));
    refreshing.respond("/refresh", move |_, number| token(100 + number));
    user(story, "the-password").await;
    let source = json!({
        "token": {"scopes": ["read"]},
        "provider": {
            "grantType": "password", "clientAuthentication": {"method": "none"},
            "refresh": {"tokenEndpoint": refreshing.url("/refresh"), "sendScope": true},
        },
    });
    story.apply(&story.source_for("apart", &source)).await;
    story.failing("apart", "CredentialsNotBound").await;
    story.asked_exactly(0).await;
    let hosts = format!("{}, {}", story.provider.host(), refreshing.host());
    let bound = json!({"metadata": {"annotations": {"tokensource.dev/allowed-hosts": hosts}}});
    story.patch_secret("client", &bound).await;
    story.ready("apart").await;
    eventually("a refresh request", SOON, async || match refreshing.count("/refresh") {
        0 => Err("none yet".to_owned()),
        _ => Ok(()),
    })
    .await;
    let asked = &refreshing.requests("/refresh")[0];
    assert_eq!(asked.form_value("grant_type").as_deref(), Some("refresh_token"));
    assert_eq!(asked.form_value("refresh_token").as_deref(), Some("kept"));
    assert_eq!(asked.form_value("scope").as_deref(), Some("read"));
    story.asked_exactly(1).await;
}

/// A crash between the two writes costs only one refresh.
pub(crate) async fn crash_between_the_writes_costs_one_refresh(story: &mut Story) {
    story.provider.respond(TOKEN, |_, _| with_refresh_token());
    let policy = deny_secret(story, "torn-token").await;
    password_source(story, "torn").await;
    story.failing("torn", "TargetWriteFailed").await;
    assert!(!kept(story, "torn").await.is_empty(), "stored before the access token was published");
    story.controller.kill9();
    story.world.plane().apply(&policy.to_string().replace("\"Deny\"", "\"Audit\"")).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    story.controller.restart().await;
    story.ready("torn").await;
    let grants: Vec<_> = story
        .provider
        .requests(TOKEN)
        .iter()
        .filter_map(|request| request.form_value("grant_type"))
        .collect();
    assert_eq!(grants, ["password", "refresh_token"]);
}

pub(crate) async fn refresh_token_that_cannot_be_stored_is_reported_with_its_secret(story: &mut Story) {
    story.provider.respond(TOKEN, |_, _| with_refresh_token());
    let policy = deny_secret(story, "lost-refresh").await;
    password_source(story, "lost").await;
    let source = story.failing("lost", "TargetWriteFailed").await;
    let (.., message) = condition(&source, ConditionType::Renewed).expect("Renewed");
    assert!(message.contains("Secret lost-refresh:") && message.contains("kept in memory"), "{message}");
    let errors = [("reason", "RefreshToken")];
    assert!(story.controller.metric("tokensource_reconcile_errors_total", &errors).await.is_some());
    story.world.plane().apply(&policy.to_string().replace("\"Deny\"", "\"Audit\"")).await;
    story.ready("lost").await;
    story.asked_exactly(1).await;
}

pub(crate) async fn keycloak_rotates(story: &mut Story) {
    let world = story.world.clone();
    let keycloak = world.keycloak();
    let brief = json!({"attributes": {"access.token.lifespan": "14"}});
    keycloak.alter_client(ROTATING_REALM, PUBLIC, &brief).await;
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "user", "annotations": {"tokensource.dev/allowed-hosts": keycloak.host()}},
            "stringData": {"client_id": PUBLIC, "username": USERNAME, "password": PASSWORD},
        }))
        .await;
    let provider = json!({
        "tokenEndpoint": keycloak.token_endpoint(ROTATING_REALM), "grantType": "password",
        "clientAuthentication": {"method": "none"}, "tls": {"caBundle": keycloak.ca_pem()},
        "refresh": {"parameters": [{"name": "client_assertion_type",
            "value": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}]},
    });
    let spec = json!({"provider": provider, "credentialsRef": {"name": "user"}});
    story
        .apply(&json!({
            "apiVersion": "tokensource.dev/v1alpha1", "kind": "TokenSource", "metadata": {"name": "user-token"}, "spec": spec,
        }))
        .await;
    story.ready("user-token").await;
    let count = async |kind: &str| keycloak.events(ROTATING_REALM, PUBLIC, kind).await.len();
    eventually("two refreshes", SOON + SOON, async || {
        let refreshed = count("REFRESH_TOKEN").await;
        if refreshed >= 2 { Ok(()) } else { Err(format!("{refreshed}")) }
    })
    .await;
    assert_eq!((count("LOGIN").await, count("REFRESH_TOKEN_ERROR").await), (1, 0), "one login, no reuse");
    keycloak.log_out(ROTATING_REALM, USERNAME).await;
    eventually("a second login", SOON, async || {
        let logins = count("LOGIN").await;
        if logins == 2 { Ok(()) } else { Err(format!("{logins}")) }
    })
    .await;
    assert!(is(&story.source("user-token").await, ConditionType::Ready, "True"));
}

fn with_refresh_token() -> Answer {
    let word = tokensource_kit::unique::word(12);
    Answer::json(
        200,
        &json!({
            "access_token": format!("access-{word}"), "token_type": "bearer", "expires_in": 3600,
            "refresh_token": format!("refresh-{word}"),
        }),
    )
}

async fn user(story: &Story, password: &str) {
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "client", "annotations": {"tokensource.dev/allowed-hosts": story.provider.host()}},
            "stringData": {"client_id": "app", "username": "someone", "password": password},
        }))
        .await;
}

async fn password_source(story: &Story, name: &str) {
    user(story, "the-password").await;
    let grant = json!({"provider": {"grantType": "password", "clientAuthentication": {"method": "none"}}});
    story.apply(&story.source_for(name, &grant)).await;
}

/// Makes the API server refuse every write of this Secret, and waits until the policy is in force.
async fn deny_secret(story: &Story, secret: &str) -> Value {
    let binding = deny(story, "", "secrets", &format!("object.metadata.name != '{secret}'")).await;
    let attempt = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}}).to_string();
    eventually("the policy", SOON, async || {
        if story.world.plane().try_apply("admin", &story.namespace, &attempt).await.is_err() {
            return Ok(());
        }
        story.delete_secret(secret).await;
        Err("not in force yet")
    })
    .await;
    binding
}
