//! Traces of renewals, for the collector that the operator names. Off by default.
//!
//! Only the spans of [`crate::trace`] leave the process: spans and events of linked crates can contain secrets. The queue,
//! the batches and the time of an export are bounded, and exports run on threads of their own, so that a collector can
//! neither delay a renewal nor fill the memory. Must not know what a span means.

use std::io;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanProcessor,
};
use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::{Layer, Registry};

use super::arguments::ControllerArguments;
use super::own_thread;
use crate::trace;
use attempts::Attempts;
use collector::Collector;

pub(super) use endpoint::CollectorEndpoint;

mod attempts;
mod collector;
mod endpoint;
mod headers;

/// How many spans wait for an export. Further spans are dropped. A span takes less than 2 KiB.
const QUEUE: usize = 2048;
/// The maximum number of spans in one request to the collector.
const BATCH: usize = 512;
/// How long a span waits for further spans of its batch.
const DELAY: Duration = Duration::from_secs(2);
/// How long the end of the process waits for the last spans to be sent.
const FLUSH: Duration = Duration::from_secs(2);

/// The export of traces.
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts the export; None without `--otlp-endpoint`.
    pub(super) fn start(arguments: &ControllerArguments) -> io::Result<Option<Self>> {
        let Some(endpoint) = &arguments.otlp_endpoint else { return Ok(None) };
        let thread = own_thread::start("traces")?;
        let collector = Collector::new(endpoint, arguments.otlp_headers_file.clone(), thread)?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let batches = BatchSpanProcessor::new(collector, config);
        let resource = Resource::builder() // with the attributes of OTEL_RESOURCE_ATTRIBUTES
            .with_service_name(env!("CARGO_PKG_NAME"))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", arguments.host.clone()))
            .build();
        Ok(Some(Self::exporting_to(batches, arguments.otlp_sampling_ratio, resource)))
    }

    fn exporting_to<P: SpanProcessor + 'static>(processor: P, ratio: f64, resource: Resource) -> Self {
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
            .with_span_processor(Attempts::new(processor))
            .with_resource(resource)
            .build();
        Self { provider }
    }

    /// Converts the spans of [`crate::trace`], and no others, to spans of OpenTelemetry.
    pub(super) fn layer(&self) -> impl Layer<Registry> + Send + Sync + use<> {
        let scope = InstrumentationScope::builder(trace::TARGET).with_version(env!("CARGO_PKG_VERSION"));
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer_with_scope(scope.build()))
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_level(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_exported).and(LevelFilter::INFO))
    }

    /// Sends the last spans, for two seconds at most. Blocks.
    pub(super) fn end(&self) {
        // `Collector` logs failures. A timeout needs no line: the process ends.
        let _ = self.provider.shutdown_with_timeout(FLUSH);
    }
}

/// Whether this is a span of [`crate::trace`]. Events are never exported.
pub(super) fn is_exported(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == trace::TARGET && trace::NAMES.contains(&metadata.name())
}

#[cfg(test)]
mod tests;
