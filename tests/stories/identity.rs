//! Endpoints from metadata, clients that authenticate with a certificate or with a ServiceAccount's token, and tokens that
//! the controller signs itself.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::TokenReview;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use tokensource::api::ConditionType;
use tokensource_kit::eventually;
use tokensource_kit::keycloak::{MACHINE, MUTUAL_TLS, REALM, SECRET};
use tokensource_kit::scripted_provider::Answer;

use crate::story::{Story, TOKEN, condition};
use crate::world::CONTROLLER;

const OAUTH: &str = "/.well-known/oauth-authorization-server";

async fn message(story: &Story, name: &str, reason: &str) -> String {
    let source = story.failing(name, reason).await;
    condition(&source, ConditionType::Renewed).unwrap().2
}

/// The scripted provider as an issuer, with this token endpoint.
fn metadata(story: &Story, endpoint: &str) -> Answer {
    let issuer = story.provider.url("");
    Answer::json(200, &json!({"issuer": issuer, "token_endpoint": endpoint}))
}

fn by_issuer(story: &Story) -> Value {
    json!({"provider": {"tokenEndpoint": null, "issuer": story.provider.url("")}})
}

pub(crate) async fn endpoint_is_discovered_once(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    story.provider.always(OAUTH, metadata(story, &story.provider.url(TOKEN)));
    story.ask("found", &by_issuer(story)).await;
    story.apply(&story.source_for("second", &by_issuer(story))).await;
    for name in ["found", "second"] {
        story.ready(name).await;
    }
    story.patch_source("found", &json!({"spec": {"token": {"scopes": ["a"]}}})).await;
    story.asked_exactly(3).await;
    assert_eq!(story.provider.count(OAUTH), 1, "one document for all three");
    let request = &story.provider.requests(OAUTH)[0];
    assert!(
        request.text().is_empty() && request.header("authorization").is_none(),
        "nothing is sent with it"
    );
}

pub(crate) async fn metadata_of_another_issuer_is_refused(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let foreign = json!({"issuer": "https://evil.example", "token_endpoint": story.provider.url(TOKEN)});
    story.provider.always(OAUTH, Answer::json(200, &foreign));
    story.ask("poisoned", &by_issuer(story)).await;
    let message = message(story, "poisoned", "IssuerMismatch").await;
    assert!(!message.contains("evil"), "the document is foreign text: {message}");

    // An endpoint at a host that the credentials' owner has not allowed: no request is sent there.
    let issuer = story.provider.url("/lured");
    let document = json!({"issuer": issuer, "token_endpoint": "https://collector.example/token"});
    story.provider.always(&format!("{OAUTH}/lured"), Answer::json(200, &document));
    let more = json!({"provider": {"tokenEndpoint": null, "issuer": issuer}});
    story.apply(&story.source_for("lured", &more)).await;
    let message = self::message(story, "lured", "CredentialsNotBound").await;
    assert!(message.contains("collector.example"), "{message}");
    assert_eq!(story.provider.count(TOKEN), 0);

    // If the credentials' owner allows no host, not even the metadata is requested.
    let documents = story.provider.count(OAUTH);
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "unbound"},
            "stringData": {"client_id": "the-client", "client_secret": "s3cr3t-of-the-client"},
        }))
        .await;
    let mut more = by_issuer(story);
    more["credentialsRef"] = json!({"name": "unbound"});
    story.apply(&story.source_for("unbound", &more)).await;
    self::message(story, "unbound", "CredentialsNotBound").await;
    assert_eq!(story.provider.count(OAUTH), documents);
}

pub(crate) async fn unavailable_metadata_is_read_later(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    for path in [OAUTH, "/.well-known/openid-configuration"] {
        story.provider.answer(path, Answer::status(503));
    }
    story.provider.always(OAUTH, metadata(story, &story.provider.url(TOKEN)));
    story.ask("patient", &by_issuer(story)).await;
    story.ready("patient").await;
    assert!(story.events("patient").await.contains(&"DiscoveryFailed".to_owned()));
    story.asked_exactly(1).await;
}

pub(crate) async fn keycloak_is_discovered(story: &mut Story) {
    let world = story.world.clone();
    let keycloak = world.keycloak();
    let credentials = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "client", "annotations": {"tokensource.dev/allowed-hosts": keycloak.host()}},
        "stringData": {"client_id": MACHINE, "client_secret": SECRET},
    });
    story.apply(&credentials).await;
    let provider = |issuer: &str| {
        json!({"provider": {
            "tokenEndpoint": null, "issuer": issuer, "tls": {"caBundle": keycloak.ca_pem()},
            "clientAuthentication": {"method": "client_secret_basic"},
        }})
    };
    story.apply(&story.source_for("exact", &provider(&keycloak.issuer(REALM)))).await;
    story.apply(&story.source_for("slash", &provider(&format!("{}/", keycloak.issuer(REALM))))).await;
    story.ready("exact").await;
    let message = message(story, "slash", "IssuerMismatch").await;
    assert!(message.contains("with a slash at the end"), "{message}");
}

pub(crate) async fn certificate_identifies_the_client(story: &mut Story) {
    let world = story.world.clone();
    let keycloak = world.keycloak();
    let pair = |identity: &tokensource_kit::authority::Identity| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "pair", "annotations": {"tokensource.dev/allowed-hosts": keycloak.host()}},
            "stringData": {"tls.crt": identity.certificate_pem, "tls.key": identity.key_pem},
        })
    };
    let stranger = world.authority.issue_client("somebody-else");
    story.apply(&pair(&stranger)).await;
    let more = json!({
        "provider": {
            "tokenEndpoint": keycloak.token_endpoint(REALM),
            "clientAuthentication": {"method": "tls_client_auth"},
            "tls": {"caBundle": keycloak.ca_pem(), "clientCertificateRef": {"name": "pair"}},
        },
        "clientId": MUTUAL_TLS, "credentialsRef": null,
    });
    story.apply(&story.source_for("mutual", &more)).await;
    let source = story
        .until("mutual", "a refusal", |source| crate::story::is(source, ConditionType::Renewed, "False"))
        .await;
    let (_, reason, _) = condition(&source, ConditionType::Renewed).unwrap();
    assert!(["InvalidClient", "UnauthorizedClient"].contains(&reason.as_str()), "{reason}");

    // The right certificate: a new connection, and a token immediately.
    let own = world.authority.issue_client(MUTUAL_TLS);
    story.apply(&pair(&own)).await;
    story.ready("mutual").await;
    let key = own.key_pem.lines().nth(1).unwrap();
    assert!(!story.controller.logs().contains(key));

    // A damaged key has its own message, and the token stays.
    let token = story.value("mutual-token", "access_token").await;
    story.patch_secret("pair", &json!({"stringData": {"tls.key": "-----BEGIN NONSENSE-----"}})).await;
    let message = message(story, "mutual", "CredentialsInvalid").await;
    assert!(message.contains("tls.key"), "{message}");
    assert_eq!(story.value("mutual-token", "access_token").await, token);
}

const AUDIENCE: &str = "https://provider.example/realms/r";

/// A ServiceAccount with the hosts that its owner allows.
pub(crate) async fn account(story: &Story, name: &str, hosts: Option<&str>) {
    let annotations =
        hosts.map_or_else(|| json!({}), |hosts| json!({"tokensource.dev/allowed-hosts": hosts}));
    story
        .apply(&json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "annotations": annotations},
        }))
        .await;
}

/// The Role of `deploy/examples/catalog`, for one ServiceAccount.
pub(crate) async fn permit(story: &Story, name: &str) {
    let named = |resource: &str, verb: &str| json!({"apiGroups": [""], "resources": [resource], "resourceNames": [name], "verbs": [verb]});
    story
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name},
            "rules": [named("serviceaccounts/token", "create"), named("serviceaccounts", "get")],
        }))
        .await;
    story
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "User", "name": CONTROLLER, "apiGroup": "rbac.authorization.k8s.io"}],
        }))
        .await;
}

fn federated(account: &str, audience: &str) -> Value {
    json!({
        "provider": {"clientAuthentication": {
            "method": "federated_jwt", "serviceAccountToken": {"name": account, "audience": audience},
        }},
        "credentialsRef": null,
    })
}

/// The user that the API server sees in this token, if it was issued for this audience.
pub(crate) async fn identity(story: &Story, token: &str, audiences: &[&str]) -> Option<String> {
    let review = json!({"metadata": {}, "spec": {"token": token, "audiences": audiences}});
    let review: TokenReview = serde_json::from_value(review).unwrap();
    let api: Api<TokenReview> = Api::all(story.world.plane().admin());
    let status = api.create(&PostParams::default(), &review).await.expect("reviewed").status?;
    status.user?.username.filter(|_| status.authenticated == Some(true))
}

pub(crate) async fn service_account_needs_no_stored_secret(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let host = story.provider.host();
    story.apply(&story.source_for("federated", &federated("worker", AUDIENCE))).await;
    // Step by step: no right, no ServiceAccount, no annotation of the owner on the ServiceAccount. Each message contains advice.
    let denied = message(story, "federated", "ServiceAccountTokenFailed").await;
    assert!(denied.contains("entra-secretless.yaml"), "{denied}");
    permit(story, "worker").await;
    let absent = message(story, "federated", "CredentialsNotFound").await;
    assert!(absent.contains("no ServiceAccount worker"), "{absent}");
    account(story, "worker", None).await;
    story
        .patch_source(
            "federated",
            &json!({"metadata": {"annotations": {"tokensource.dev/renew-requested-at": "1"}}}),
        )
        .await;
    let unbound = message(story, "federated", "CredentialsNotBound").await;
    assert!(unbound.contains("annotate serviceaccount worker"), "{unbound}");
    assert_eq!(story.provider.connections(), 0, "not even a connection was made");

    account(story, "worker", Some(&host)).await;
    story
        .patch_source(
            "federated",
            &json!({"metadata": {"annotations": {"tokensource.dev/renew-requested-at": "2"}}}),
        )
        .await;
    story.ready("federated").await;
    story.asked_exactly(1).await;
    let request = &story.provider.requests(TOKEN)[0];
    let jwt_bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    assert_eq!(request.form_value("client_assertion_type").as_deref(), Some(jwt_bearer));
    assert_eq!(request.form_value("client_id"), None);
    let assertion = request.form_value("client_assertion").expect("an assertion");
    // The API server itself confirms the user, and that the token is not accepted in this cluster.
    let expected = format!("system:serviceaccount:{}:worker", story.namespace);
    assert_eq!(identity(story, &assertion, &[AUDIENCE]).await, Some(expected));
    assert_eq!(identity(story, &assertion, &[]).await, None);
    assert!(!story.controller.logs().contains(&assertion));
}

pub(crate) async fn token_for_the_api_server_never_leaves(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let host = story.provider.host();
    permit(story, "worker").await;
    account(story, "worker", Some(&host)).await;
    // Common audiences are refused by name. To refuse the audience of this cluster, the controller asks the API server.
    let own = story.world.plane().server();
    let by_name = "serviceAccountToken.audience is the Kubernetes API server's own";
    let by_asking =
        format!("This cluster's API server accepts tokens with serviceAccountToken.audience {own}");
    for (name, audience, expected) in [
        ("usual", "https://kubernetes.default.svc.cluster.local", by_name),
        ("own", own.as_str(), by_asking.as_str()),
    ] {
        story.apply(&story.source_for(name, &federated("worker", audience))).await;
        let message = message(story, name, "InvalidSpec").await;
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(story.provider.connections(), 0);
}

pub(crate) async fn service_account_token_is_exchanged(story: &mut Story) {
    story.provider.always(TOKEN, Answer::token(3600));
    let host = story.provider.host();
    permit(story, "worker").await;
    account(story, "worker", Some(&host)).await;
    let more = json!({"provider": {
        "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subjectToken": {"serviceAccountToken": {"name": "worker", "audience": AUDIENCE}},
    }});
    story.ask("exchanged", &more).await;
    story.ready("exchanged").await;
    let request = &story.provider.requests(TOKEN)[0];
    let subject = request.form_value("subject_token").expect("a subject token");
    let expected = format!("system:serviceaccount:{}:worker", story.namespace);
    assert_eq!(identity(story, &subject, &[AUDIENCE]).await, Some(expected));
}

/// No request is sent, and allowing a host does not allow signing.
pub(crate) async fn token_is_signed_here(story: &mut Story) {
    story.credentials("client", "s3cr3t-of-the-client").await;
    let mut source = story.source_for("signed", &json!({}));
    source["spec"]["provider"] =
        json!({"signedToken": {"algorithm": "HS256", "audience": "https://api.example/", "lifetime": "1h"}});
    story.apply(&source).await;
    let refused = story.failing("signed", "CredentialsNotBound").await;
    let (.., message) = condition(&refused, ConditionType::Renewed).unwrap();
    assert!(message.contains("add the entry jwt:https://api.example/"), "{message}");

    let annotations = json!({"tokensource.dev/allowed-hosts": "other.example,jwt:https://api.example/"});
    story.patch_secret("client", &json!({"metadata": {"annotations": annotations}})).await;
    let status = story.ready("signed").await.status.unwrap();
    let token = story.value("signed-token", "access_token").await;
    assert_eq!(token.split('.').count(), 3);
    let life = status.expires_at.unwrap().0.as_second() - status.issued_at.unwrap().0.as_second();
    assert_eq!(life, 3590, "iat is 10 s earlier");
    assert!(!story.controller.logs().contains(&token));

    // Another lifetime requires a new token, and no endpoint was ever requested.
    story.patch_source("signed", &json!({"spec": {"provider": {"signedToken": {"lifetime": "30m"}}}})).await;
    eventually("another token", Duration::from_secs(20), async || {
        let found = story.value("signed-token", "access_token").await;
        if found == token { Err("still the first".to_owned()) } else { Ok(()) }
    })
    .await;
    assert!(story.provider.requests(TOKEN).is_empty());
}
