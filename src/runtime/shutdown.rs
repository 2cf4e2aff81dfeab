//! Signals. The first SIGTERM or SIGINT lets what is in flight end, the second ends the process at once.

use std::io;
use std::time::Duration;

use futures::FutureExt;
use futures::future::Shared;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// An exchange in flight has its own deadline, which may be longer than anybody wants to wait for the end.
pub(super) const GRACE: Duration = Duration::from_secs(20);

/// Resolves at the first signal. `thread` handles them, so that the second is obeyed however busy the others are.
pub(super) fn signalled(thread: &Handle) -> io::Result<Shared<impl Future<Output = ()> + Send + 'static>> {
    let _on_its_thread = thread.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (first, seen) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let mut first = Some(first);
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            match first.take() {
                Some(first) => {
                    tracing::info!(
                        "Ending: requests in flight are finished first; another signal ends at once"
                    );
                    let _ = first.send(());
                }
                None => std::process::exit(1),
            }
        }
    });
    Ok(seen.map(|_| ()).shared())
}
