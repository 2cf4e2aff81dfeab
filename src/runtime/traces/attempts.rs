//! Passes on the traces of attempts to get a token, and drops the traces of other reconciles.
//!
//! A reconcile decides late whether it requests a token, so its spans are buffered until its root ends. Also shortens long
//! values. Must not know where the spans are sent.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry::{Context, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use crate::trace::{CAUSE, OUTCOME};

/// How many traces may be open at the same time: one for each reconcile that holds a permit (`--concurrency`) or waits for a
/// provider. Spans of further traces are dropped, except their roots.
const OPEN: usize = 4096;
/// How many spans of a trace are kept until its root ends.
const SPANS: usize = 32;
/// The longest value of an attribute, in characters. The name of an object may have 253.
const LONGEST: usize = 256;

#[derive(Debug)]
pub(super) struct Attempts<P> {
    next: P,
    open: Mutex<HashMap<TraceId, Vec<SpanData>>>,
}

impl<P> Attempts<P> {
    pub(super) fn new(next: P) -> Self {
        Self { next, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<TraceId, Vec<SpanData>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, span: SpanData) {
        let mut open = self.open();
        let trace = span.span_context.trace_id();
        if open.len() >= OPEN && !open.contains_key(&trace) {
            return;
        }
        let held = open.entry(trace).or_default();
        if held.len() < SPANS {
            held.push(span);
        }
    }
}

impl<P: SpanProcessor> SpanProcessor for Attempts<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.parent_span_id != SpanId::INVALID {
            return self.hold(span);
        }
        let held = self.open().remove(&span.span_context.trace_id());
        let has = |key| span.attributes.iter().any(|attribute| attribute.key.as_str() == key);
        if has(CAUSE) && has(OUTCOME) {
            for span in held.into_iter().flatten().chain([span]) {
                self.next.on_end(cut(span));
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

fn cut(mut span: SpanData) -> SpanData {
    for attribute in &mut span.attributes {
        if let Value::String(text) = &attribute.value {
            let start: String = text.as_str().chars().take(LONGEST).collect();
            if start.len() < text.as_str().len() {
                attribute.value = Value::from(start);
            }
        }
    }
    span
}
