//! A resource server, which accepts valid tokens and answers 401 to all other requests (RFC 6750). Knows its issuer's keys;
//! must not know how a client gets its token.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use chrono::Utc;
use serde_json::Value;
use tokensource_kit::authority::https_client;
use tokio::sync::Mutex;

use super::jwt;

/// The port.
pub(crate) const PORT: u16 = 8000;

struct Server {
    issuer: String,
    audience: String,
    authority: String,
    keys: Mutex<Value>,
}

/// Serves until SIGTERM.
pub(crate) async fn serve_books(issuer: &str, audience: &str, authority: &Path) {
    let server = Arc::new(Server {
        issuer: issuer.to_owned(),
        audience: audience.to_owned(),
        authority: std::fs::read_to_string(authority).expect("the authority's PEM"),
        keys: Mutex::default(),
    });
    let keys = server.fetch_keys().await.expect("the issuer's keys");
    *server.keys.lock().await = keys;
    let router = Router::new()
        .route("/books", get(books))
        .route("/healthz", get(|| std::future::ready("alive")))
        .with_state(server);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await.expect("a free port");
    axum::serve(listener, router).with_graceful_shutdown(super::ended()).await.expect("serving");
}

async fn books(State(server): State<Arc<Server>>, headers: HeaderMap) -> (StatusCode, String) {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let verdict = match token {
        Some(token) => {
            let keys = server.keys.lock().await;
            jwt::verify(token, &keys, &server.issuer, &server.audience, Utc::now().timestamp())
        }
        None => Err("no token".to_owned()),
    };
    match verdict {
        Ok(()) => (StatusCode::OK, "a list of books".to_owned()),
        Err(reason) => (StatusCode::UNAUTHORIZED, reason),
    }
}

impl Server {
    /// Reads the keys with the issuer's own metadata. A pod that cannot read them exits, and is started again.
    async fn fetch_keys(&self) -> Result<Value, reqwest::Error> {
        let http = https_client(&self.authority);
        let metadata = format!("{}/.well-known/openid-configuration", self.issuer);
        let metadata = http.get(metadata).send().await?.error_for_status()?.bytes().await?;
        let metadata: Value = serde_json::from_slice(&metadata).unwrap_or_default();
        let keys = http.get(metadata["jwks_uri"].as_str().unwrap_or_default()).send().await?;
        let keys = keys.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice(&keys).unwrap_or_default())
    }
}
