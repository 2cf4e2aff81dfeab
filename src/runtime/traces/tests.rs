//! Which spans leave the process, how a failing collector is logged, and which values the flags may have.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter};
use tracing_subscriber::layer::SubscriberExt;

use super::endpoint::EndpointError;
use super::headers::{self, HeadersFault};
use super::*;

/// Keeps the spans that would be sent.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Kept {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The spans of this work that are sent.
fn exported(ratio: f64, work: impl FnOnce()) -> Vec<SpanData> {
    let kept = Kept::default();
    let traces = Traces::exporting_to(kept.clone(), ratio, Resource::builder_empty().build());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), work);
    kept.0.lock().unwrap().clone()
}

/// A failed attempt, in a reconcile of the TokenSource of this name.
fn attempt(name: &str) {
    let _reconcile = tracing::debug_span!("reconcile", object = "a-secret").entered();
    let _renewal = trace::renewal("lending", name).entered();
    trace::observe().in_scope(|| ());
    trace::requested("RenewalDue");
    let request = trace::token_request("POST", "auth.example.com");
    request.in_scope(|| {
        let _foreign =
            tracing::info_span!(target: "kube_client::client", "HTTP", token = "a-secret").entered();
        let _misnamed = tracing::info_span!(target: trace::TARGET, "other", token = "a-secret").entered();
        let _elsewhere = tracing::info_span!("renewal", token = "a-secret").entered();
        tracing::error!(target: trace::TARGET, error = "a-secret", "An event: a-secret");
        tracing::info!(token = "a-secret", "a-secret");
    });
    trace::answered(&request, 401);
    trace::failed(&request, "InvalidClient");
    drop(request);
    trace::ended("Failed", Some("InvalidClient"), Some("auth.example.com"));
}

#[test]
fn only_the_named_spans_leave_and_nothing_of_other_crates() {
    let spans = exported(1.0, || attempt("ocrolus"));
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, [trace::OBSERVE, trace::TOKEN_REQUEST, trace::RENEWAL]);
    let root = spans.last().unwrap();
    assert_eq!(root.parent_span_id, opentelemetry::trace::SpanId::INVALID);
    for child in &spans[..2] {
        assert_eq!(child.parent_span_id, root.span_context.span_id());
    }
    for span in &spans {
        assert!(span.events.is_empty() && span.links.is_empty(), "{span:#?}");
    }
    let shown = format!("{spans:?}");
    assert!(shown.contains("InvalidClient") && shown.contains("401"), "{shown}");
    assert!(!shown.contains("a-secret"), "{shown}");
}

#[test]
fn reconciles_that_ask_for_no_token_make_no_trace() {
    let spans = exported(1.0, || {
        let idle = trace::renewal("lending", "idle").entered();
        trace::observe().in_scope(|| ());
        drop(idle);
        // Refused before the request, or put off by the limiter.
        let refused = trace::renewal("lending", "refused").entered();
        trace::requested("RenewalDue");
        drop(refused);
        // An earlier token is written at last.
        let written = trace::renewal("lending", "written").entered();
        trace::ended("Published", None, None);
        drop(written);
    });
    assert!(spans.is_empty(), "{spans:#?}");
}

#[test]
fn share_of_the_renewals_is_sent_whole() {
    assert!(exported(0.0, || attempt("ocrolus")).is_empty());
    let spans = exported(0.5, || (0..200).for_each(|_| attempt("ocrolus")));
    let roots = spans.iter().filter(|span| span.name == trace::RENEWAL).count();
    assert!((50..150).contains(&roots), "{roots} of 200");
    assert_eq!(spans.len(), 3 * roots);
}

#[test]
fn long_values_are_cut() {
    let spans = exported(1.0, || attempt(&"ü".repeat(5000)));
    let name = |span: &SpanData| {
        span.attributes.iter().find(|attribute| attribute.key.as_str() == "tokensource.name").cloned()
    };
    let name = name(spans.last().unwrap()).unwrap();
    assert_eq!(name.value.as_str(), "ü".repeat(256));
}

#[test]
fn endpoints_are_encrypted_or_near() {
    for (flag, expected) in [
        ("https://collector.example", Ok("https://collector.example/v1/traces")),
        ("https://collector.example:4318/otlp/", Ok("https://collector.example:4318/otlp/v1/traces")),
        ("https://collector.example/v1/traces", Ok("https://collector.example/v1/traces")),
        ("http://127.0.0.1:4318", Ok("http://127.0.0.1:4318/v1/traces")),
        ("http://[::1]:4318", Ok("http://[::1]:4318/v1/traces")),
        ("http://10.1.2.3:4318", Ok("http://10.1.2.3:4318/v1/traces")),
        ("http://localhost:4318", Ok("http://localhost:4318/v1/traces")),
        ("http://otel.monitoring.svc:4318", Ok("http://otel.monitoring.svc:4318/v1/traces")),
        (
            "http://otel.monitoring.svc.cluster.local",
            Ok("http://otel.monitoring.svc.cluster.local/v1/traces"),
        ),
        ("http://collector.example", Err(EndpointError::Plain)),
        ("http://collector.svc.example", Err(EndpointError::Plain)),
        ("http://8.8.8.8:4318", Err(EndpointError::Plain)),
        ("https://user:password@collector.example", Err(EndpointError::Secret)),
        ("https://collector.example?key=secret", Err(EndpointError::Secret)),
        ("https://collector.example#secret", Err(EndpointError::Secret)),
        ("grpc://collector.example", Err(EndpointError::Url)),
        ("collector.example:4318", Err(EndpointError::Url)),
        ("", Err(EndpointError::Url)),
    ] {
        let found = flag.parse::<CollectorEndpoint>().map(|endpoint| endpoint.url().to_string());
        assert_eq!(found, expected.map(str::to_owned), "{flag}");
    }
}

#[test]
fn headers_are_read_each_time_and_never_quoted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("headers");
    let read = |content: &[u8]| {
        std::fs::write(&file, content).unwrap();
        headers::read(&file)
    };
    assert_eq!(headers::read(&file), Err(HeadersFault::Unreadable));
    let found = read(b"Authorization: Bearer a:secret\r\n\nx-tenant:  one \n").unwrap();
    assert_eq!(found["authorization"], "Bearer a:secret");
    assert_eq!(found["x-tenant"], "one");
    assert!(found.values().all(reqwest::header::HeaderValue::is_sensitive));
    assert_eq!(read(b"x-tenant: two").unwrap()["x-tenant"], "two");
    assert!(read(b"").unwrap().is_empty());
    for (content, expected) in [
        (&b"a secret without a colon"[..], HeadersFault::Format),
        (b"na me: value", HeadersFault::Format),
        (b"name: val\x01ue", HeadersFault::Format),
        (b"Content-Type: text/plain", HeadersFault::Reserved),
        (b"host: elsewhere.example", HeadersFault::Reserved),
        (b"name: \xff", HeadersFault::Unreadable),
        ("x".repeat(20_000).as_bytes(), HeadersFault::TooLong),
    ] {
        assert_eq!(read(content), Err(expected));
    }
    assert_eq!(headers::read(directory.path()), Err(HeadersFault::Unreadable));
}

#[test]
fn collector_that_fails_is_logged_once_a_minute() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default(); // fails after another test
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{closed}").parse().unwrap();
    let collector = Collector::new(&endpoint, None, own_thread::start("traces").unwrap()).unwrap();
    let spans = exported(1.0, || attempt("ocrolus"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.reopen().unwrap()).finish();
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..20 {
            runtime.block_on(collector.export(spans.clone())).unwrap_err();
        }
    });
    let text = std::fs::read_to_string(log.path()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("Traces could not be sent") && text.contains("spans=3"), "{text}");
}
