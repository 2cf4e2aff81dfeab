//! Sends batches of spans to the collector: OTLP over HTTP, as protobuf. A batch is sent once, and is lost if that fails.
//! Knows the limits of a request, and how often a failure is logged. Must not know which spans are exported.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use prost::Message;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, RequestBuilder, redirect};
use tokio::runtime::Handle;
use url::Url;

use super::endpoint::CollectorEndpoint;
use super::headers::{self, HeadersFault};

/// The deadline for one request, from resolving the name to the last byte of the answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer that is decoded, in bytes.
const ANSWER: usize = 16 << 10;
/// The least time between two log lines.
const LINES: Duration = Duration::from_secs(60);

/// Why spans were lost. The text quotes neither the collector nor a header.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the file of --otlp-headers-file: {0}")]
    Headers(#[from] HeadersFault),
    #[error("the collector sent no complete response within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("the collector could not be reached, or its certificate is not trusted")]
    Unreachable,
    #[error("the collector answered {0}")]
    Status(u16),
    #[error("the collector took all but {0} spans")]
    Partial(i64),
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() { Self::Timeout } else { Self::Unreachable }
    }
}

#[derive(Debug)]
pub(super) struct Collector {
    url: Url,
    headers: Option<PathBuf>,
    client: Client,
    /// The event loop that sends requests, because exports run on a thread without an event loop.
    thread: Handle,
    resource: ResourceAttributesWithSchema,
    lost: Mutex<Lost>,
}

/// The spans that no line has reported yet, and when the last line was written.
#[derive(Debug, Default)]
struct Lost {
    spans: usize,
    logged: Option<Instant>,
}

impl Collector {
    /// `headers` is the file with the headers.
    pub(super) fn new(
        endpoint: &CollectorEndpoint,
        headers: Option<PathBuf>,
        thread: Handle,
    ) -> io::Result<Self> {
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(TIMEOUT)
            .user_agent(crate::oauth::USER_AGENT)
            .build()
            .map_err(io::Error::other)?;
        let resource = ResourceAttributesWithSchema::default();
        Ok(Self { url: endpoint.url(), headers, client, thread, resource, lost: Mutex::default() })
    }

    async fn send(&self, body: Vec<u8>) -> Result<(), Fault> {
        let headers = self.headers.as_deref().map_or_else(|| Ok(HeaderMap::new()), headers::read)?;
        let request = self.client.post(self.url.clone()).headers(headers);
        let request = request.header(CONTENT_TYPE, "application/x-protobuf").body(body);
        // An error means that the task panicked.
        let answer = self.thread.spawn(answer(request)).await.map_err(|_| Fault::Unreachable)??;
        // An answer that is not OTLP counts as a success, because it does not show whether the spans were accepted.
        let answer = ExportTraceServiceResponse::decode(answer.as_slice()).unwrap_or_default();
        match answer.partial_success.map(|partial| partial.rejected_spans) {
            Some(rejected) if rejected > 0 => Err(Fault::Partial(rejected)),
            _ => Ok(()),
        }
    }

    /// Logs a failure, at most once a minute.
    fn report(&self, fault: &Fault, spans: usize) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.spans += spans;
        if lost.logged.is_none_or(|at| at.elapsed() >= LINES) {
            let spans = lost.spans;
            tracing::warn!(detail = %fault, spans, "Traces could not be sent; renewals continue without them");
            *lost = Lost { spans: 0, logged: Some(Instant::now()) };
        }
    }
}

/// The body of the answer; empty if the answer is larger than [`ANSWER`].
async fn answer(request: RequestBuilder) -> Result<Vec<u8>, Fault> {
    let mut answer = request.send().await?;
    if !answer.status().is_success() {
        return Err(Fault::Status(answer.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await? {
        body.extend(part);
        if body.len() > ANSWER {
            return Ok(Vec::new());
        }
    }
    Ok(body)
}

impl SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let sent = self.send(ExportTraceServiceRequest { resource_spans }.encode_to_vec()).await;
        sent.map_err(|fault| {
            let lost =
                if let Fault::Partial(rejected) = fault { usize::try_from(rejected) } else { Ok(count) };
            self.report(&fault, lost.unwrap_or(count).min(count));
            OTelSdkError::InternalFailure(fault.to_string())
        })
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}
