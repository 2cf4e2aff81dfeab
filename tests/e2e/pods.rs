//! The programs in pods: the idle container of each, a resource server that verifies tokens, and a client that presents the
//! token of its Secret. Knows OAuth and JWT as any third party does; must not know the controller.

mod client;
mod jwt;
mod resource_server;

pub(crate) use client::{REPORT_PORT, Report, call};
pub(crate) use resource_server::{PORT, serve_books};

/// Keeps a pod's network until SIGTERM.
pub(crate) async fn pause() {
    ended().await;
}

/// Waits for SIGTERM, which the first process of a pod ignores without a handler.
async fn ended() {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::terminate()).expect("a handler of SIGTERM").recv().await;
}
