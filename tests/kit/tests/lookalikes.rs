//! Tests of the look-alikes, with documented requests and with others.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods, missing_docs)]

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokensource_kit::authority::{Authority, https_client};
use tokensource_kit::lookalikes::Lookalike;
use tokensource_kit::manifest;
use tokensource_kit::scripted_provider::Answer;

type Start = fn(&Authority) -> Lookalike;
const FORM: &str = "application/x-www-form-urlencoded";

struct Visit {
    lookalike: Lookalike,
    client: reqwest::Client,
}

/// The headers and the body of a token request, as documented or not.
#[derive(Clone)]
struct Ask {
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Ask {
    fn form(members: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish();
        Self { headers: vec![("content-type", FORM.into()), ("accept", "application/json".into())], body }
    }

    fn json(body: &Value) -> Self {
        Self { headers: vec![("content-type", "application/json".into())], body: body.to_string() }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Visit {
    fn to(start: Start) -> Self {
        let authority = Authority::new("a test authority");
        Self { lookalike: start(&authority), client: https_client(authority.pem()) }
    }

    fn credential(&self, key: &str) -> String {
        self.lookalike.credentials()[key].clone()
    }

    fn in_body(&self) -> Ask {
        let (id, secret) = (self.credential("client_id"), self.credential("client_secret"));
        Ask::form(&[("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &secret)])
    }

    async fn ask(&self, ask: &Ask) -> (u16, Value) {
        let mut request = self.client.post(self.lookalike.token_endpoint()).body(ask.body.clone());
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn api_status(&self, token: &str) -> u16 {
        let request =
            self.client.get(self.lookalike.api_url()).header("Authorization", format!("Bearer {token}"));
        request.send().await.unwrap().status().as_u16()
    }

    async fn is_refused(&self, status: u16, code: &str, ask: &Ask) {
        let before = self.lookalike.refusals().len();
        let (found, body) = self.ask(ask).await;
        assert_eq!((found, body["error"].as_str().unwrap_or_default()), (status, code), "{body}");
        assert_eq!(self.lookalike.refusals().len(), before + 1);
    }
}

fn claims(token: &str) -> Value {
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "a JWT has three parts: {token}");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap()
}

#[tokio::test]
async fn prisjakt() {
    let visit = Visit::to(Lookalike::prisjakt);
    let (status, body) = visit.ask(&visit.in_body()).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&body["expires_in"], &body["scope"], &body["token_type"]),
        (&json!(86399), &json!(""), &json!("bearer"))
    );
    let token = body["access_token"].as_str().unwrap();
    let left = claims(token)["exp"].as_i64().unwrap() - chrono::Utc::now().timestamp();
    assert!((86390..=86399).contains(&left));
    assert_eq!(visit.api_status(token).await, 200);
    visit.lookalike.kill_tokens();
    assert_eq!(visit.api_status(token).await, 401);

    let good = visit.in_body();
    visit
        .is_refused(
            400,
            "invalid_request",
            &Ask { headers: vec![("content-type", FORM.into())], ..good.clone() },
        )
        .await;
    visit.is_refused(400, "invalid_request", &good.clone().with("authorization", "Basic YTpi")).await;
    visit
        .is_refused(400, "invalid_request", &Ask { body: good.body.clone() + "&scope=", ..good.clone() })
        .await;
    visit
        .is_refused(400, "invalid_request", &Ask { body: good.body.clone() + "&client_id=x", ..good.clone() })
        .await;
    visit.is_refused(400, "invalid_request", &Ask::json(&json!({}))).await;
    visit.is_refused(400, "invalid_request", &Ask::form(&[("grant_type", "client_credentials")])).await;
    let password = Ask { body: good.body.replace("client_credentials", "password"), ..good.clone() };
    visit.is_refused(400, "unsupported_grant_type", &password).await;

    visit.lookalike.rotate();
    visit.is_refused(401, "invalid_client", &good).await;
    assert_eq!(visit.ask(&visit.in_body()).await.0, 200);
    assert_eq!(visit.lookalike.issued().len(), 2);
}

#[tokio::test]
async fn pliant_in_both_environments() {
    let environments: [(Start, &str, &str); 2] = [
        (Lookalike::pliant, "api.getpliant.com/api/integration", "https://api.getpliant.com/api/integration"),
        (
            Lookalike::pliant_sandbox,
            "api.staging.v2.infinnitytest.com/api/integration",
            "api.getpliant.com/api/integration",
        ),
    ];
    for (start, audience, other) in environments {
        let visit = Visit::to(start);
        let good = json!({
            "client_id": visit.credential("client_id"), "client_secret": visit.credential("client_secret"),
            "audience": audience, "grant_type": "client_credentials",
        });
        visit.lookalike.set_lifetime(Duration::from_secs(60));
        let (status, body) = visit.ask(&Ask::json(&good)).await;
        assert_eq!((status, &body["expires_in"], &body["token_type"]), (200, &json!(60), &json!("Bearer")));
        assert_eq!(claims(body["access_token"].as_str().unwrap())["aud"], audience);

        let mut wrong = good.clone();
        wrong["audience"] = json!(other);
        visit.is_refused(403, "access_denied", &Ask::json(&wrong)).await;
        wrong = good.clone();
        wrong["client_secret"] = json!("wrong");
        visit.is_refused(401, "invalid_client", &Ask::json(&wrong)).await;
        visit.is_refused(400, "invalid_request", &visit.in_body()).await;
        let text = Ask { headers: vec![("content-type", "text/plain".into())], ..Ask::json(&good) };
        visit.is_refused(400, "invalid_request", &text).await;
    }
}

#[tokio::test]
async fn v2() {
    let visit = Visit::to(Lookalike::v2);
    let raw = "MVBwRy9RIDE6ei90WjlWd0ZacUFwbUlRK1pIMUk1cExrL3VCNHVkOlgyLzhiTCt3ZkZUdDFyRnc9";
    let bare = Ask::form(&[("grant_type", "client_credentials")]);
    let (status, body) = visit.ask(&bare.clone().with("authorization", &format!("Basic {raw}"))).await;
    assert_eq!((status, &body["expires_in"]), (200, &json!(3600)), "raw Basic is accepted");
    let token = body["access_token"].as_str().unwrap();
    assert!(token.ends_with('=') && STANDARD.decode(token).is_ok());

    let encoded = "MVBwRyUyRlErMTp6JTJGdFo5VndGWnFBcG1JUSUyQlpIMUk1cExrJTJGdUI0dWQlM0FYMiUyRjhiTCUyQndmRl\
        R0MXJGdyUzRA==";
    visit.is_refused(401, "", &bare.clone().with("authorization", &format!("Basic {encoded}"))).await;
    visit.is_refused(401, "", &bare).await;
    visit
        .is_refused(400, "invalid_request", &visit.in_body().with("authorization", &format!("Basic {raw}")))
        .await;
}

#[tokio::test]
async fn apiax_rotates_its_refresh_tokens() {
    let visit = Visit::to(Lookalike::apiax);
    let password = visit.credential("password");
    let members =
        [("client_id", "integration-api"), ("grant_type", "password"), ("username", "someone@example.com")];
    let login = Ask::form(&[&members[..], &[("password", &password)]].concat());
    let assertion_type = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let renewal = |token: &str| {
        let members = [("grant_type", "refresh_token"), assertion_type, ("client_id", "integration-api")];
        Ask::form(&[&members[..], &[("refresh_token", token)]].concat())
    };

    let (status, first) = visit.ask(&login).await;
    assert_eq!(status, 200);
    let expected = chrono::Utc::now().timestamp_millis() + 1_800_000;
    assert!((first["expires_in"].as_i64().unwrap() - expected).abs() < 5000, "a JAVA_TIMESTAMP: {first}");
    assert_eq!((&first["refresh_expires_in"], &first["token_type"]), (&json!(0), &json!("bearer")));

    let (status, second) = visit.ask(&renewal(first["refresh_token"].as_str().unwrap())).await;
    assert_eq!((status, second.get("expires_in")), (200, None));
    assert!((second["expires_at"].as_i64().unwrap() - expected).abs() < 5000);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(first["session_state"], second["session_state"]);

    visit.is_refused(400, "invalid_grant", &renewal(first["refresh_token"].as_str().unwrap())).await;
    visit.is_refused(400, "invalid_grant", &renewal(second["refresh_token"].as_str().unwrap())).await;
    let (_, third) = visit.ask(&login).await;
    visit.lookalike.kill_refresh_tokens();
    visit.is_refused(400, "invalid_grant", &renewal(third["refresh_token"].as_str().unwrap())).await;

    visit.is_refused(400, "invalid_request", &Ask::form(&members)).await;
    let wrong = Ask::form(&[&members[..], &[("password", "wrong")]].concat());
    visit.is_refused(401, "invalid_grant", &wrong).await;
    let body = login.body.clone() + "&client_assertion_type=urn";
    visit.is_refused(400, "invalid_request", &Ask { body, ..login }).await;
}

#[tokio::test]
async fn ocrolus_takes_one_audience_and_revokes() {
    let visit = Visit::to(Lookalike::ocrolus);
    let good = visit.in_body();
    let with_audience = |audience: &str| {
        let audience: String = form_urlencoded::byte_serialize(audience.as_bytes()).collect();
        Ask { body: format!("{}&audience={audience}", good.body), ..good.clone() }
    };
    let (status, body) = visit.ask(&good).await;
    assert_eq!((status, &body["expires_in"]), (200, &json!(86400)));
    assert_eq!(visit.ask(&with_audience("https://api.ocrolus.com/")).await.0, 200);
    visit.is_refused(403, "unauthorized_client", &with_audience("https://api.ocrolus.com")).await;

    visit.lookalike.revoke();
    assert!(!visit.lookalike.accepts(body["access_token"].as_str().unwrap()));
    visit.is_refused(401, "invalid_client", &good).await;
    visit.lookalike.provider().answer(visit.lookalike.token_path(), Answer::status(503));
    assert_eq!(visit.ask(&good).await.0, 503, "a queued answer comes before the documented one");
}

#[test]
fn a_lookalike_stands_in_for_its_document() {
    let authority = Authority::new("a test authority");
    let lookalikes = Lookalike::all(&authority);
    assert_eq!(lookalikes.len(), 6);
    let ocrolus = lookalikes.last().unwrap();
    let mut objects = manifest::parse(
        "{apiVersion: v1, kind: Secret, metadata: {name: c, annotations: {tokensource.dev/allowed-hosts: \
         auth.ocrolus.com}}, stringData: {client_id: x, client_secret: y}}\n---\n{apiVersion: \
         tokensource.dev/v1alpha1, kind: TokenSource, metadata: {name: o}, spec: {provider: {tokenEndpoint: \
         'https://auth.ocrolus.com/oauth/token'}}}",
    );
    ocrolus.stand_in(&mut objects);
    assert_eq!(objects[0].data["stringData"]["client_id"], "ocrolus-client");
    assert_eq!(objects[1].data["spec"]["provider"]["tokenEndpoint"], ocrolus.token_endpoint());
    assert_eq!(objects[1].data["spec"]["provider"]["tls"]["caBundle"], authority.pem());
}
