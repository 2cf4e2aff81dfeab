//! What runs in pods: the idle container of each, a resource server that verifies tokens, and a client that shows it the
//! token in its Secret. Knows OAuth's and JWT's rules as a stranger would; must not know the controller.

mod client;
mod jwt;
mod resource_server;

pub(crate) use client::{REPORT_PORT, Report, call};
pub(crate) use resource_server::{PORT, serve_books};

/// Holds a pod's network until told to end.
pub(crate) async fn pause() {
    ended().await;
}

/// Waits for SIGTERM, which a pod's first process does not heed unless it says so.
async fn ended() {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::terminate()).expect("a handler of SIGTERM").recv().await;
}
