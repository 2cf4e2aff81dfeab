//! Signals: the first SIGTERM or SIGINT lets requests in flight finish, the second ends the process at once.

use std::io;
use std::time::Duration;

use futures::FutureExt;
use futures::future::Shared;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// How long requests in flight may take to finish. Their own deadline may be longer.
pub(super) const GRACE: Duration = Duration::from_secs(20);

/// Resolves at the first signal. `thread` handles the signals, so that the second is obeyed while other threads are busy.
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
                        "Ending: requests in flight are finished; another signal ends the process at once"
                    );
                    let _ = first.send(());
                }
                None => std::process::exit(1),
            }
        }
    });
    Ok(seen.map(|_| ()).shared())
}
