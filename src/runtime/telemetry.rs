//! Logging to standard error, because standard output is for the output of commands; and the destination of spans.

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::arguments::LogFormat;
use super::log_writer::EscapingStderr;
use super::traces::Traces;
use crate::trace;

/// Starts logging as `RUST_LOG` says, or else at info, and the collection of traces.
pub(super) fn start(format: LogFormat, traces: Option<&Traces>) {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let traces = traces.map(|traces| traces.layer().boxed());
    let layers = traces.into_iter().chain([log(format, filter, EscapingStderr)]);
    tracing_subscriber::registry().with(layers.collect::<Vec<_>>()).init();
}

/// The layer that writes the log.
fn log<S, W>(format: LogFormat, filter: EnvFilter, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let shown = filter.and(filter_fn(is_logged));
    let layer = fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => layer.with_ansi(false).with_filter(shown).boxed(),
        // The list of spans would have the name of a field.
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).with_filter(shown).boxed(),
    }
}

/// Spans of traces are no part of a log line, so that lines are the same with and without a collector.
fn is_logged(metadata: &Metadata<'_>) -> bool {
    metadata.target() != trace::TARGET && shows_no_body(metadata)
}

/// Hides events in which kube logs whole responses of the API server, for every value of `RUST_LOG`. Also hides kube's event
/// for each failed call, because the caller reports the error.
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
    use tempfile::NamedTempFile;

    use super::*;

    #[test]
    fn responses_that_kube_logs_are_hidden_at_every_level() {
        for directives in ["trace", "kube_client::client=trace", "warn,kube_client=trace"] {
            let file = NamedTempFile::new().unwrap();
            let layer = super::log(LogFormat::Text, EnvFilter::new(directives), file.reopen().unwrap());
            let subscriber = tracing_subscriber::registry().with(layer);
            tracing::subscriber::with_default(subscriber, || {
                tracing::warn!(target: "kube_client::client", "a body");
                tracing::debug!(target: "kube_client::client", "a body");
                tracing::error!(target: "kube_client::client::builder", "failed with status");
                tracing::warn!(target: "kube_client::client::tls", "kept");
            });
            let text = std::fs::read_to_string(file.path()).unwrap();
            assert_eq!(text.lines().count(), 1, "{directives}: {text}");
            assert!(text.contains("kept"));
        }
    }

    #[test]
    fn spans_of_traces_are_no_part_of_a_line() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let file = NamedTempFile::new().unwrap();
            let layer = super::log(format, EnvFilter::new("trace"), file.reopen().unwrap());
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                let _reconcile = tracing::debug_span!("reconcile", object = "lending/ocrolus").entered();
                let _renewal = trace::renewal("lending", "ocrolus").entered();
                tracing::info!("A line");
            });
            let text = std::fs::read_to_string(file.path()).unwrap();
            assert!(text.contains("reconcile") && !text.contains("renewal"), "{text}");
        }
    }

    /// At DEBUG, lines are written within a span. `docs/logs.md` defines `spans` as a number.
    #[test]
    fn each_field_of_a_line_in_a_span_is_there_once() {
        let file = NamedTempFile::new().unwrap();
        let layer = super::log(LogFormat::Json, EnvFilter::new("debug"), file.reopen().unwrap());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _reconcile = tracing::debug_span!("reconcile", object = "lending/ocrolus").entered();
            tracing::warn!(spans = 3, "Traces could not be sent");
        });
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text.matches("\"spans\":").count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["spans"], 3);
        assert_eq!(line["span"]["object"], "lending/ocrolus");
    }
}
