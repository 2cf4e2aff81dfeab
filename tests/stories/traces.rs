//! Traces of renewals, as a collector receives them. The collector is a scripted server, with TLS. `tests/recipes/collector.rs`
//! has a real collector.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use serde_json::json;
use tempfile::TempDir;
use tokensource_kit::scripted_provider::{Answer, ScriptedProvider};
use tokensource_kit::{canaries, eventually, unique};

use crate::story::{SOON, Story, TOKEN};

const TRACES: &str = "/v1/traces";
const LINE: &str = "Traces could not be sent";

/// A collector, and the files of a controller that sends traces to it.
struct Collector {
    server: ScriptedProvider,
    directory: TempDir,
}

impl Collector {
    fn start(story: &Story) -> Self {
        let server = ScriptedProvider::start(&story.world.authority);
        server.always(TRACES, Answer::bytes(200, "application/x-protobuf", b""));
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("ca.crt"), server.ca_pem()).expect("a file in our directory");
        Self { server, directory }
    }

    fn path(&self, file: &str) -> String {
        self.directory.path().join(file).display().to_string()
    }

    /// Replaces the headers, and returns the secret in them.
    fn write_headers(&self) -> String {
        let secret = unique::word(24);
        canaries::register("a header for the collector", &secret);
        let headers = format!("Authorization: Bearer {secret}\n");
        std::fs::write(self.path("headers"), headers).expect("a file in our directory");
        secret
    }

    /// Replaces the controller by a controller that sends traces to this collector.
    async fn watch(&self, story: &mut Story) {
        self.write_headers();
        let (url, headers, authority) = (self.server.url(""), self.path("headers"), self.path("ca.crt"));
        let environment = [
            ("TOKENSOURCE_OTLP_ENDPOINT", url.as_str()),
            ("TOKENSOURCE_OTLP_HEADERS_FILE", &headers),
            ("SSL_CERT_FILE", &authority),
            ("OTEL_RESOURCE_ATTRIBUTES", "k8s.cluster.name=here"),
        ];
        story.run_in(&environment).await;
    }

    fn received(&self) -> Vec<ExportTraceServiceRequest> {
        let requests = self.server.requests(TRACES);
        requests
            .iter()
            .map(|request| ExportTraceServiceRequest::decode(request.body.as_slice()).expect("protobuf"))
            .collect()
    }

    fn spans(&self) -> Vec<Span> {
        let of_resources = self.received().into_iter().flat_map(|request| request.resource_spans);
        of_resources.flat_map(|spans| spans.scope_spans).flat_map(|spans| spans.spans).collect()
    }

    /// The spans of the one trace of this `TokenSource`, and their root.
    async fn trace(&self, name: &str) -> (Span, Vec<Span>) {
        eventually("a trace", SOON, async || {
            let spans = self.spans();
            let roots = spans.iter().filter(|span| text(span, "tokensource.name") == name);
            match roots.collect::<Vec<_>>()[..] {
                [root] => {
                    let own = spans.iter().filter(|span| span.trace_id == root.trace_id).cloned();
                    Ok((root.clone(), own.collect()))
                }
                ref roots => Err(format!("{} traces of {name}", roots.len())),
            }
        })
        .await
    }

    /// The secret in the header of the last request.
    fn last_authorization(&self) -> String {
        let requests = self.server.requests(TRACES);
        let header = requests.last().and_then(|request| request.bearer()).expect("a bearer token");
        header.to_owned()
    }
}

/// The value of an attribute as a string; empty if the span has no such attribute.
fn text(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        Some(other) => panic!("{key} is {other:?}"),
        None => String::new(),
    }
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    let [span] = found[..] else { panic!("{} spans {name} in {spans:#?}", found.len()) };
    span
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}

pub(crate) async fn traces_are_off_by_default(story: &mut Story) {
    let collector = Collector::start(story);
    let (url, authority) = (collector.server.url(""), collector.path("ca.crt"));
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &url),
        ("SSL_CERT_FILE", &authority),
    ];
    story.run_in(&environment).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.ask("untraced", &json!({})).await;
    story.ready("untraced").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(collector.server.connections(), 0);
}

pub(crate) async fn renewal_is_traced_from_trigger_to_status(story: &mut Story) {
    let collector = Collector::start(story);
    collector.watch(story).await;
    let issuer = story.provider.url("");
    let metadata = json!({"issuer": issuer, "token_endpoint": story.provider.url(TOKEN)});
    story.provider.always("/.well-known/oauth-authorization-server", Answer::json(200, &metadata));
    story.provider.always(TOKEN, Answer::token(3600));
    let by_issuer = json!({"provider": {"tokenEndpoint": null, "issuer": issuer}});
    story.ask("traced", &by_issuer).await;
    story.ready("traced").await;

    let (root, spans) = collector.trace("traced").await;
    let names: BTreeSet<_> = spans.iter().map(|span| span.name.as_str()).collect();
    let expected = [
        "decide",
        "discovery",
        "observe",
        "renewal",
        "token request",
        "wait for permit",
        "write status",
        "write target",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    for span in &spans {
        let parent = if span.name == "renewal" { &vec![] } else { &root.span_id };
        assert_eq!(&span.parent_span_id, parent, "{}", span.name);
        assert!(span.start_time_unix_nano >= root.start_time_unix_nano);
        assert!(span.end_time_unix_nano <= root.end_time_unix_nano);
        assert!(span.events.is_empty() && !is_error(span), "{span:#?}");
    }
    for (key, value) in [
        ("k8s.namespace.name", story.namespace.as_str()),
        ("tokensource.cause", "TokenPending"),
        ("tokensource.outcome", "Published"),
        ("tokensource.provider.host", "localhost"),
        ("error.type", ""),
    ] {
        assert_eq!(text(&root, key), value, "{key}");
    }
    let request = named(&spans, "token request");
    assert_eq!(request.kind(), SpanKind::Client);
    let keys: BTreeSet<_> = request.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(keys, BTreeSet::from(["http.request.method", "http.response.status_code", "server.address"]));
    assert_eq!(text(request, "http.response.status_code"), "200");
    let resource = &collector.received()[0].resource_spans[0].resource;
    let resource = format!("{resource:?}");
    assert!(resource.contains("service.name") && resource.contains("k8s.cluster.name"), "{resource}");

    // A reconcile without a request makes no trace, and a changed file is read again.
    story.patch_source("traced", &json!({"metadata": {"labels": {"touched": "yes"}}})).await;
    let secret = collector.write_headers();
    assert_ne!(collector.last_authorization(), secret);
    let said = format!("words of the provider {}", unique::word(8));
    let refusal = json!({"error": "invalid_client", "error_description": said});
    story.provider.always(TOKEN, Answer::json(401, &refusal));
    story.apply(&story.source_for("refused", &json!({}))).await;
    story.failing("refused", "InvalidClient").await;
    let (root, spans) = collector.trace("refused").await;
    let request = named(&spans, "token request");
    assert_eq!(text(request, "http.response.status_code"), "401");
    for span in [&root, request] {
        assert_eq!((text(span, "error.type").as_str(), is_error(span)), ("InvalidClient", true));
    }
    assert_eq!(text(&root, "tokensource.outcome"), "Failed");
    assert_eq!(collector.last_authorization(), secret);

    // The process sends the waiting spans before it ends.
    story.apply(&story.source_for("last", &json!({}))).await;
    story.failing("last", "InvalidClient").await;
    story.controller.terminate().await;
    let roots = collector.spans().iter().filter(|span| span.parent_span_id.is_empty()).count();
    assert_eq!(roots, story.provider.count(TOKEN));

    let sent: String = collector
        .server
        .requests(TRACES)
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body))
        .collect();
    let found = canaries::search(&sent);
    assert!(found.is_empty(), "secrets are in the traces: {found:#?}");
    for foreign in [said.as_str(), "invalid_client", "the-client", TOKEN, "well-known", "kube"] {
        assert!(!sent.contains(foreign), "the traces contain {foreign}");
    }
}

pub(crate) async fn collector_in_trouble_delays_nothing(story: &mut Story) {
    let collector = Collector::start(story);
    let page = Answer::text(200, "text/html", "<html>a page of somebody else</html>");
    collector.server.answers(TRACES, [Answer::status(503), page, Answer::endless_body(), Answer::close()]);
    collector.server.always(TRACES, Answer::hang());
    collector.watch(story).await;
    story.provider.always(TOKEN, Answer::token(3600));
    story.credentials("client", "s3cr3t-of-the-client").await;
    for round in 0..5 {
        let began = Instant::now();
        for number in 0..10 {
            story.apply(&story.source_for(&format!("source-{round}-{number}"), &json!({}))).await;
        }
        for number in 0..10 {
            story.ready(&format!("source-{round}-{number}")).await;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    assert!(collector.server.count(TRACES) >= 3, "{} requests", collector.server.count(TRACES));
    assert_eq!(story.controller.logs().matches(LINE).count(), 1);
    let began = Instant::now();
    assert!(story.controller.terminate().await.success());
    assert!(began.elapsed() < Duration::from_secs(5), "the end took {:?}", began.elapsed());
}
