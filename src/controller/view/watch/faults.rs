//! The objects of one watch that cannot be decoded, or not in full. Each is counted and logged once, within limits. Knows
//! names and limits. Must not know how such an object is handled.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use compact_str::CompactString;
use prometheus_client::metrics::gauge::Gauge;

use super::scanner::Captured;

/// How many log lines one namespace may cause within `PERIOD`.
const LINES: u32 = 10;
const PERIOD: Duration = Duration::from_secs(600);
/// How many namespaces and objects are remembered. Further objects are neither counted nor logged.
const KEPT: usize = 10_000;

/// The objects of one watch that cannot be decoded, or not in full.
pub(super) struct Faults {
    kind: &'static str,
    gauge: Gauge,
    counted: i64,
    known: HashSet<(CompactString, CompactString)>,
    listed: Option<HashSet<(CompactString, CompactString)>>,
    lines: HashMap<CompactString, (Instant, u32)>,
}

impl Faults {
    /// The gauge is shared by all watches of the kind.
    pub(super) fn new(kind: &'static str, gauge: Gauge) -> Self {
        Self { kind, gauge, counted: 0, known: HashSet::new(), listed: None, lines: HashMap::new() }
    }

    pub(super) fn begin_list(&mut self) {
        self.listed = Some(HashSet::new());
    }

    /// Drops the objects that were not in the list.
    pub(super) fn end_list(&mut self) {
        if let Some(listed) = self.listed.take() {
            self.known.retain(|known| listed.contains(known));
            self.count();
        }
    }

    pub(super) fn found(&mut self, object: &Captured, fault: &str, consequence: &str) {
        let key = (CompactString::from(&object.namespace), CompactString::from(&object.name));
        if let Some(listed) = &mut self.listed
            && listed.len() < KEPT
        {
            listed.insert(key.clone());
        }
        if self.known.len() >= KEPT || !self.known.insert(key) {
            return;
        }
        self.count();
        if self.may_log(&object.namespace) {
            tracing::warn!(
                kind = self.kind,
                namespace = Some(object.namespace.as_str()).filter(|namespace| !namespace.is_empty()),
                name = object.name,
                detail = fault,
                "An object cannot be read completely; it {consequence}"
            );
        }
    }

    pub(super) fn mended(&mut self, object: &Captured) {
        // Mostly no object is known, so that no key has to be created.
        if !self.known.is_empty()
            && self.known.remove(&(CompactString::from(&object.namespace), CompactString::from(&object.name)))
        {
            self.count();
        }
    }

    fn count(&mut self) {
        let now = i64::try_from(self.known.len()).unwrap_or(i64::MAX);
        self.gauge.inc_by(now - self.counted);
        self.counted = now;
    }

    fn may_log(&mut self, namespace: &str) -> bool {
        if self.lines.len() >= KEPT {
            self.lines.retain(|_, (since, _)| since.elapsed() < PERIOD);
        }
        if self.lines.len() >= KEPT && !self.lines.contains_key(namespace) {
            return false;
        }
        let (since, lines) = self.lines.entry(namespace.into()).or_insert_with(|| (Instant::now(), 0));
        if since.elapsed() >= PERIOD {
            (*since, *lines) = (Instant::now(), 0);
        }
        *lines += 1;
        *lines <= LINES
    }
}
