//! Tests of Keycloak: every client once, then rotation, revocation and an outage.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs
)]

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::SigningKey;
use serde_json::{Value, json};
use tokensource_kit::authority::{Authority, https_client};
use tokensource_kit::eventually;
use tokensource_kit::keycloak::{
    BRIEF, BRIEF_LIFESPAN, Keycloak, MACHINE, MUTUAL_TLS, PASSWORD, PUBLIC, REALM, ROTATING_REALM, SECRET,
    SIGNED_JWT, USERNAME,
};
use tokensource_kit::unique::uuid;

struct Visit {
    keycloak: Keycloak,
    client: reqwest::Client,
}

impl Visit {
    async fn ask(&self, realm: &str, members: &[(&str, &str)]) -> (u16, Value) {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish();
        let request = self
            .client
            .post(self.keycloak.token_endpoint(realm))
            .header("Content-Type", "application/x-www-form-urlencoded");
        let response = request.body(body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn ask_as(&self, client_id: &str, secret: &str) -> (u16, Value) {
        let members =
            [("grant_type", "client_credentials"), ("client_id", client_id), ("client_secret", secret)];
        self.ask(REALM, &members).await
    }

    async fn log_in(&self, realm: &str) -> (u16, Value) {
        let members = [
            ("grant_type", "password"),
            ("client_id", PUBLIC),
            ("username", USERNAME),
            ("password", PASSWORD),
        ];
        self.ask(realm, &members).await
    }

    async fn refresh(&self, realm: &str, token: &Value, more: &[(&str, &str)]) -> (u16, Value) {
        let token = token["refresh_token"].as_str().unwrap();
        let members = [("grant_type", "refresh_token"), ("client_id", PUBLIC), ("refresh_token", token)];
        self.ask(realm, &[&members[..], more].concat()).await
    }
}

#[tokio::test]
async fn a_keycloak() {
    let (authority, start) = (Authority::new("a test authority"), Instant::now());
    let keycloak = Keycloak::start(&authority).await;
    eprintln!("Keycloak is ready after {:.1?}", start.elapsed());
    let visit = Visit { keycloak, client: https_client(authority.pem()) };
    clients_get_tokens(&visit).await;
    clients_need_no_secret(&visit, &authority).await;
    secrets_rotate(&visit).await;
    refresh_tokens_rotate(&visit).await;
    it_comes_back(&visit).await;
}

/// The lifetime by the token itself: `expires_in` is a second less if a second has begun since the token was made.
fn lifespan(answer: &Value) -> u64 {
    let payload = answer["access_token"].as_str().and_then(|token| token.split('.').nth(1)).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let time = |claim: &str| claims[claim].as_u64().unwrap();
    time("exp") - time("iat")
}

async fn clients_get_tokens(visit: &Visit) {
    let (status, token) = visit.ask_as(MACHINE, SECRET).await;
    assert_eq!((status, lifespan(&token)), (200, 300));
    assert_eq!(lifespan(&visit.ask_as(BRIEF, SECRET).await.1), BRIEF_LIFESPAN);
    let (status, error) = visit.ask_as(MACHINE, "wrong").await;
    assert_eq!((status, error["error"].as_str()), (401, Some("unauthorized_client")), "{error}");
    assert_eq!(visit.keycloak.events(REALM, MACHINE, "CLIENT_LOGIN").await.len(), 1);
    assert_eq!(visit.keycloak.events(REALM, MACHINE, "CLIENT_LOGIN_ERROR").await.len(), 1);
}

async fn clients_need_no_secret(visit: &Visit, authority: &Authority) {
    let assertion = assertion(&visit.keycloak);
    let assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let (status, token) = visit
        .ask(
            REALM,
            &[
                ("grant_type", "client_credentials"),
                ("client_assertion_type", assertion_type),
                ("client_assertion", &assertion),
            ],
        )
        .await;
    assert_eq!(status, 200, "private_key_jwt: {token}");

    let identity = authority.issue_client(MUTUAL_TLS);
    let pem = format!("{}{}", identity.certificate_pem, identity.key_pem);
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap()])
        .identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap())
        .build();
    let request = client.unwrap().post(visit.keycloak.token_endpoint(REALM));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    let body = format!("grant_type=client_credentials&client_id={MUTUAL_TLS}");
    let response = request.body(body).send().await.unwrap();
    assert_eq!(response.status(), 200, "tls_client_auth: {}", response.text().await.unwrap());
}

fn assertion(keycloak: &Keycloak) -> String {
    let now = chrono::Utc::now().timestamp();
    let claims = json!({
        "iss": SIGNED_JWT, "sub": SIGNED_JWT, "aud": keycloak.issuer(REALM),
        "jti": uuid(), "iat": now, "exp": now + 60,
    });
    let [header, claims] = [json!({ "alg": "RS256", "typ": "JWT" }), claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    let key = rcgen::KeyPair::from_pem(&keycloak.signer().key_pem).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).unwrap()))
}

async fn secrets_rotate(visit: &Visit) {
    visit.keycloak.set_client_secret(REALM, MACHINE, "another secret").await;
    assert_eq!(visit.ask_as(MACHINE, SECRET).await.0, 401);
    assert_eq!(visit.ask_as(MACHINE, "another secret").await.0, 200);
    visit.keycloak.set_client_enabled(REALM, MACHINE, false).await;
    let (status, error) = visit.ask_as(MACHINE, "another secret").await;
    assert_eq!((status, error["error"].as_str()), (401, Some("invalid_client")), "{error}");
    visit.keycloak.set_client_enabled(REALM, MACHINE, true).await;
}

async fn refresh_tokens_rotate(visit: &Visit) {
    let (status, login) = visit.log_in(ROTATING_REALM).await;
    assert_eq!(status, 200, "{login}");
    for member in ["refresh_expires_in", "not-before-policy", "session_state", "scope"] {
        assert!(!login[member].is_null(), "{member} of {login}");
    }
    let (status, second) = visit.refresh(ROTATING_REALM, &login, &[]).await;
    assert_eq!(status, 200, "{second}");
    let (status, error) = visit.refresh(ROTATING_REALM, &login, &[]).await;
    assert_eq!((status, error["error"].as_str()), (400, Some("invalid_grant")), "used twice: {error}");

    // As Apiax documents: an assertion's type without an assertion, from a public client.
    let lone = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let (_, login) = visit.log_in(REALM).await;
    let (status, answer) = visit.refresh(REALM, &login, &[lone]).await;
    eprintln!("a refresh with a lone client_assertion_type: {status} {}", answer["error_description"]);

    visit.keycloak.log_out(REALM, USERNAME).await;
    let (status, error) = visit.refresh(REALM, &login, &[]).await;
    assert_eq!((status, error["error"].as_str()), (400, Some("invalid_grant")), "{error}");
    visit.keycloak.set_password(REALM, USERNAME, "another password").await;
    let (status, error) = visit.log_in(REALM).await;
    assert_eq!((status, error["error"].as_str()), (401, Some("invalid_grant")), "{error}");
}

async fn it_comes_back(visit: &Visit) {
    let start = Instant::now();
    visit.keycloak.process().kill9();
    visit.keycloak.process().start_again();
    visit.keycloak.ready().await;
    eprintln!("Keycloak is back after {:.1?}", start.elapsed());
    eventually("the first secret", Duration::from_secs(10), async || {
        match visit.ask_as(MACHINE, SECRET).await {
            (200, _) => Ok(()),
            (status, answer) => Err(format!("{status} {answer}")),
        }
    })
    .await;
}
