//! Logging to standard error, because standard output is for the output of commands.

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::arguments::LogFormat;
use super::log_writer::EscapingStderr;

/// Starts logging as `RUST_LOG` says, or else at info.
pub(super) fn start(format: LogFormat) {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(EscapingStderr);
    match format {
        LogFormat::Text => {
            let subscriber = subscriber.with_ansi(false).finish();
            subscriber.with(filter_fn(shows_no_body)).init();
        }
        LogFormat::Json => {
            let subscriber = subscriber.json().flatten_event(true).finish();
            subscriber.with(filter_fn(shows_no_body)).init();
        }
    }
}

/// Hides events in which kube logs whole responses of the API server, whatever `RUST_LOG` says. Also hides kube's event for
/// each failed call, because the caller reports the error.
fn shows_no_body(metadata: &Metadata<'_>) -> bool {
    let client = "kube_client::client";
    match metadata.target().strip_prefix(client) {
        Some("") => !metadata.is_event(),
        Some("::builder") => !metadata.is_event() || *metadata.level() != Level::ERROR,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn responses_that_kube_logs_are_hidden_at_every_level() {
        for directives in ["trace", "kube_client::client=trace", "warn,kube_client=trace"] {
            let log = Log::default();
            let writer = log.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_env_filter(EnvFilter::new(directives))
                .with_writer(move || writer.clone())
                .finish()
                .with(filter_fn(shows_no_body));
            tracing::subscriber::with_default(subscriber, || {
                tracing::warn!(target: "kube_client::client", "a body");
                tracing::debug!(target: "kube_client::client", "a body");
                tracing::error!(target: "kube_client::client::builder", "failed with status");
                tracing::warn!(target: "kube_client::client::tls", "kept");
            });
            let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            assert_eq!(text.lines().count(), 1, "{directives}: {text}");
            assert!(text.contains("kept"));
        }
    }
}
