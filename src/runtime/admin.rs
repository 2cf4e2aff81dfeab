//! The admin endpoint: `/livez`, `/readyz`, `/metrics`. Knows HTTP; must not know what is measured.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::controller::Health;

/// What OpenMetrics scrapers negotiate for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

struct Admin {
    health: Health,
    registry: Registry,
    /// One scrape at a time: with many TokenSources its text is megabytes.
    scrape: Mutex<()>,
}

/// Serves until the process ends. Fails at once where the address is taken.
pub(super) async fn serve(
    address: SocketAddr,
    health: Health,
    registry: Registry,
) -> io::Result<impl Future<Output = io::Result<()>>> {
    let listener = TcpListener::bind(address).await?;
    let routes = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(Admin { health, registry, scrape: Mutex::default() }));
    Ok(axum::serve(listener, routes).into_future())
}

async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    if admin.health.is_ready() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "caches are being filled\n").into_response()
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let turn = Arc::clone(&admin);
    let _turn = turn.scrape.lock().await;
    // On a thread of its own, so that no token waits for it.
    let encoded = spawn_blocking(move || {
        let mut text = String::new();
        encode(&mut text, &admin.registry).map(|()| text)
    });
    match encoded.await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
