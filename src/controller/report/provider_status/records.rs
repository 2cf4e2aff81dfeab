//! The record of what this process wrote to the statuses of provider objects.
//!
//! Knows which statuses a sweep writes, in which order, when it ends, and which failures are worth a line of the log. Must not
//! know a client, nor the content of a status.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;

use crate::controller::error::CallError;
use crate::decide::backoff::retry_after_error;

/// The most writes of one sweep, in one namespace and in all, so that the API server has capacity for the writes of tokens.
const WRITES_OF_A_NAMESPACE: usize = 2;
const WRITES: usize = 100;
/// After this number of failed writes for `ClusterTokenProvider`s, of which a sweep may write more than of a namespace, the sweep
/// makes no more for them. After failures in this number of namespaces it ends, because the cause is probably the API server.
const FAILURES: usize = 3;
/// How long the attempts in a namespace are remembered.
const MEMORY: Duration = Duration::from_secs(600);

/// The writes of this process to the status of one object.
#[derive(Default)]
pub(super) struct Record {
    /// The generation at the last sweep. A new generation is left for the next sweep: the users of the object have just been
    /// triggered, and their statuses are still about the former generation.
    pub(super) generation: i64,
    pub(super) written: Option<Instant>,
    /// When the status was last written, or a write failed.
    pub(super) tried: Option<Instant>,
    /// How many writes have failed in a row, and when the next one may be made.
    errors: u32,
    not_before: Option<Instant>,
    /// The status code of the last error, if the cause may be the API server.
    code: Option<u16>,
}

impl Record {
    pub(super) fn may_be_written(&self) -> bool {
        self.not_before.is_none_or(|not_before| Instant::now() >= not_before)
    }

    /// Called after a write, and if there is nothing to write any more.
    pub(super) fn forget_errors(&mut self) {
        (self.errors, self.not_before, self.code) = (0, None, None);
    }
}

/// A status that may be written.
pub(super) trait Due {
    /// The uid of the object.
    fn uid(&self) -> &str;
    /// The namespace of the object, which is empty for a `ClusterTokenProvider`.
    fn namespace(&self) -> &str;
}

/// The writes of this process to the statuses of all objects.
#[derive(Default)]
pub(super) struct Records {
    /// The records by the uid of the object.
    pub(super) of_objects: HashMap<String, Record>,
    /// When a status in a namespace was last written, or a write failed. Kept by namespace, too, so that a namespace does
    /// not become the first by creating its objects again.
    of_namespaces: HashMap<String, Instant>,
    /// The status codes of failures that have been logged and still last.
    logged: BTreeSet<u16>,
}

impl Records {
    /// The statuses that one sweep may write: first the statuses of `ClusterTokenProvider`s, which all namespaces share;
    /// then the statuses of the namespaces, and within a namespace of the objects, that have waited longest. A failed write
    /// counts as made, so that objects whose writes always fail do not stay first.
    pub(super) fn in_turn<D: Due>(&self, mut due: Vec<D>) -> Vec<D> {
        due.sort_by_key(|due| {
            let (namespace, record) = (due.namespace(), self.of_objects.get(due.uid()));
            let of_object = record.and_then(|record| record.tried);
            (!namespace.is_empty(), self.of_namespaces.get(namespace).copied(), of_object)
        });
        let mut of_namespaces: HashMap<String, usize> = HashMap::new();
        due.retain(|due| {
            let writes = of_namespaces.entry(due.namespace().to_owned()).or_default();
            *writes += 1;
            due.namespace().is_empty() || *writes <= WRITES_OF_A_NAMESPACE
        });
        due.truncate(WRITES);
        due
    }

    pub(super) fn succeeded(&mut self, due: &impl Due) {
        let Some(record) = self.tried(due) else { return };
        record.forget_errors();
        record.written = record.tried;
    }

    /// Notes a failed write. Returns whether it is worth a line: the last write for this object failed, too, and no lasting
    /// failure with this status code has been logged.
    pub(super) fn failed(&mut self, due: &impl Due, error: &CallError) -> bool {
        let code = code(error);
        let Some(record) = self.tried(due) else { return false };
        record.errors = record.errors.saturating_add(1);
        record.not_before =
            Some(Instant::now() + retry_after_error(record.errors, TimeDelta::zero(), due.uid()));
        record.code = code;
        let is_again = record.errors > 1;
        code.is_some_and(|code| is_again && self.logged.insert(code))
    }

    fn tried(&mut self, due: &impl Due) -> Option<&mut Record> {
        let now = Instant::now();
        self.of_namespaces.insert(due.namespace().to_owned(), now);
        let record = self.of_objects.get_mut(due.uid())?;
        record.tried = Some(now);
        Some(record)
    }

    /// Ends a sweep. Returns whether a failure that was logged is over.
    pub(super) fn ended(&mut self) -> bool {
        self.of_namespaces.retain(|_, tried| tried.elapsed() < MEMORY);
        let logged = self.logged.len();
        let codes: BTreeSet<u16> = self.of_objects.values().filter_map(|record| record.code).collect();
        self.logged.retain(|code| codes.contains(code));
        self.logged.len() < logged
    }
}

/// The status code of a failed write, 0 if there was no answer. None if the object has changed or no longer exists: the cache is
/// behind, and the API server works.
fn code(error: &CallError) -> Option<u16> {
    if error.is_conflict() || error.is_not_found() {
        return None;
    }
    Some(match error {
        CallError::Kube(kube::Error::Api(status)) => status.code,
        _ => 0,
    })
}

/// The failures of one sweep.
#[derive(Default)]
pub(super) struct Failures {
    of_namespaces: HashMap<String, usize>,
}

impl Failures {
    /// Counts a failed write. A single namespace cannot end a sweep: its objects may be too large to be written.
    pub(super) fn count(&mut self, namespace: &str, error: &CallError) {
        if code(error).is_some() {
            *self.of_namespaces.entry(namespace.to_owned()).or_default() += 1;
        }
    }

    /// Whether the sweep makes no more writes in this namespace, which is empty for `ClusterTokenProvider`s.
    pub(super) fn exclude(&self, namespace: &str) -> bool {
        self.of_namespaces.get(namespace).is_some_and(|failures| *failures >= FAILURES)
    }

    pub(super) fn end_the_sweep(&self) -> bool {
        self.of_namespaces.len() >= FAILURES
    }
}

#[cfg(test)]
mod tests;
