//! The admin endpoint: `/livez`, `/readyz`, `/metrics`. Knows HTTP and the response to each path; must not know the metrics,
//! or how connections are limited.

mod connections;
mod server;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use futures::stream;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::heartbeat::Heartbeat;
use crate::controller::{Health, Rights};

/// The content type that OpenMetrics scrapers accept.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How many scrapes may be in memory at the same time. With many TokenSources a scrape has megabytes, and a client may read
/// slowly.
const SCRAPES: usize = 4;
/// How many scrapes of one client address may be in memory at the same time.
const SCRAPES_OF_A_CLIENT: usize = 2;
/// The size of the pieces in which a scrape is passed to the connection.
const PIECE: usize = 64 * 1024;

/// The address that identifies a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Client(IpAddr);

struct Admin {
    health: Health,
    rights: Rights,
    heartbeat: Heartbeat,
    registry: Registry,
    /// Locked while a scrape is encoded, so that only one is encoded at a time.
    encoding: Arc<Mutex<()>>,
    scrapes: Arc<Semaphore>,
    clients: Arc<SyncMutex<HashMap<Client, usize>>>,
}

/// Serves until the process ends. Fails immediately if the address is in use.
pub(super) fn serve(
    address: SocketAddr,
    (health, rights): (Health, Rights),
    heartbeat: Heartbeat,
    registry: Registry,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let listener = server::listen(address)?;
    let admin = Admin {
        health,
        rights,
        heartbeat,
        registry,
        encoding: Arc::default(),
        scrapes: Arc::new(Semaphore::new(SCRAPES)),
        clients: Arc::default(),
    };
    let routes = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(admin));
    Ok(server::serve(listener, routes))
}

/// Runs on another thread than the reconciles, so that it can detect whether their event loop is stuck.
async fn livez(State(admin): State<Arc<Admin>>) -> Response {
    match admin.heartbeat.stalled() {
        None => "ok\n".into_response(),
        Some(age) => {
            let text = format!("the event loop has not run for {} s\n", age.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    let mut missing = admin.rights.in_words();
    for namespace in admin.health.missing() {
        missing.extend(["cannot be listed or watched: namespace ", &namespace, "\n"]);
    }
    if !admin.health.is_ready() {
        (StatusCode::SERVICE_UNAVAILABLE, "caches are being filled\n".to_owned() + &missing).into_response()
    } else if !admin.rights.suffice() {
        (StatusCode::SERVICE_UNAVAILABLE, missing).into_response()
    } else {
        ("ok\n".to_owned() + &missing).into_response()
    }
}

async fn metrics(State(admin): State<Arc<Admin>>, Extension(client): Extension<Client>) -> Response {
    let Some(scrape) = Scrape::begin(&admin, client) else {
        return (StatusCode::TOO_MANY_REQUESTS, "other scrapes are being answered\n").into_response();
    };
    let encoding = Arc::clone(&admin.encoding).lock_owned().await;
    // Another thread encodes the text, so that no probe waits. If the client disconnects, that thread still finishes, and
    // only then releases the scrape and the lock.
    let encoded = spawn_blocking(move || {
        let _encoding = encoding;
        let mut text = String::new();
        encode(&mut text, &admin.registry).map(|()| (text, scrape))
    });
    match encoded.await {
        Ok(Ok((text, scrape))) => ([(header::CONTENT_TYPE, OPEN_METRICS)], scrape.body(text)).into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// One scrape, from the request until the connection has taken the last piece of the response.
struct Scrape {
    client: Client,
    clients: Arc<SyncMutex<HashMap<Client, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Scrape {
    /// None if too many scrapes are in progress, of this client or of all clients.
    fn begin(admin: &Admin, client: Client) -> Option<Self> {
        let permit = Arc::clone(&admin.scrapes).try_acquire_owned().ok()?;
        let mut clients = admin.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let count = clients.entry(client).or_default();
        if *count >= SCRAPES_OF_A_CLIENT {
            return None;
        }
        *count += 1;
        Some(Self { client, clients: Arc::clone(&admin.clients), _permit: permit })
    }

    /// The text in pieces, so that the scrape counts until a slow reader has read almost all of it.
    fn body(self, text: String) -> Body {
        let text = Bytes::from(text);
        Body::from_stream(stream::unfold((text, self), async |(mut rest, scrape)| {
            let piece = rest.split_to(rest.len().min(PIECE));
            (!piece.is_empty()).then_some((Ok::<_, io::Error>(piece), (rest, scrape)))
        }))
    }
}

impl Drop for Scrape {
    fn drop(&mut self) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = clients.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests;
