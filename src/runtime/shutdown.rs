//! Signals: the first SIGTERM or SIGINT lets requests in flight finish, the second ends the process immediately.

use std::io;
use std::time::Duration;

use futures::FutureExt;
use futures::future::Shared;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// How long requests in flight may take to finish. Their own deadline may be longer.
pub(super) const GRACE: Duration = Duration::from_secs(20);

/// The signals that end the process.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Ctrl-C. The program for Windows exists for the commands; a controller runs there only if somebody tries it out.
#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn wait(&mut self) {
        self.0.recv().await;
    }
}

/// Resolves at the first signal. `thread` handles the signals, so that the second is obeyed while other threads are busy.
pub(super) fn signalled(thread: &Handle) -> io::Result<Shared<impl Future<Output = ()> + Send + 'static>> {
    let _on_its_thread = thread.enter();
    let mut signals = Signals::listen()?;
    let (first, seen) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let mut first = Some(first);
        loop {
            signals.wait().await;
            match first.take() {
                Some(first) => {
                    tracing::info!(
                        "Ending: requests in flight are finished; another signal ends the process immediately"
                    );
                    let _ = first.send(());
                }
                None => std::process::exit(1),
            }
        }
    });
    Ok(seen.map(|_| ()).shared())
}
