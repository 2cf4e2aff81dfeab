//! A cache of issuers' metadata, so that renewals do not read the same document again.
//!
//! Concurrent requests of a namespace for one issuer share one read. Must not know the content of a document, nor the
//! requests that need it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tracing::Instrument;

use crate::api::Reason;
use crate::issue::tenant_cache::{Limits, TenantCache};
use crate::issue::token_clients::Digest;
use crate::oauth::{Error, Issuer, Metadata, TokenClient};
use crate::trace;

/// How long a document is used without being read again. Endpoints move once in years, with notice.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// How long a document is used while it cannot be read again. A broken metadata server is no reason to let tokens expire.
const USABLE: TimeDelta = TimeDelta::hours(24);
/// How long a failure is returned without another read, since the next read would most likely fail too.
const FAILED: TimeDelta = TimeDelta::seconds(5);
/// How often entries that are no longer worth keeping are removed.
const SWEEP: TimeDelta = TimeDelta::minutes(1);

/// Enough for forty issuers of a namespace. With more, documents are read more often than once an hour.
const LIMITS: Limits = Limits { share: 256 << 10, total: 8 << 20 };
/// The approximate size of an entry without the issuer's name: up to 2 KiB for each endpoint, and 2 KiB for an error.
const ISSUER: usize = 6 << 10;

/// The key of an entry. Namespaces and trusted certificates are part of it, since the user who chooses them could forge a
/// document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MetadataKey {
    pub(crate) namespace: String,
    pub(crate) issuer: String,
    pub(crate) ca_bundle_digest: Digest,
    pub(crate) mutual_tls: bool,
}

#[derive(Default)]
struct Known {
    metadata: Option<Metadata>,
    /// When the document was last read.
    read_at: Option<DateTime<Utc>>,
    fresh: bool,
    failed: Option<(Error, DateTime<Utc>)>,
}

#[derive(Default)]
struct Slot {
    known: Mutex<Known>,
    /// Locked while the document is read. Other requests wait for the result.
    reading: tokio::sync::Mutex<()>,
}

/// The cache.
pub(crate) struct MetadataCache {
    slots: TenantCache<MetadataKey, Arc<Slot>>,
    swept: Mutex<DateTime<Utc>>,
    clock: fn() -> DateTime<Utc>,
}

impl MetadataCache {
    pub(crate) fn new(clock: fn() -> DateTime<Utc>) -> Self {
        Self { slots: TenantCache::new(LIMITS), swept: Mutex::default(), clock }
    }

    /// The metadata of this issuer.
    pub(crate) async fn metadata(&self, key: &MetadataKey, client: &TokenClient) -> Result<Metadata, Error> {
        let slot = self.slot(key);
        if let Some(known) = slot.lock().answer((self.clock)()) {
            return known;
        }
        let _reading = slot.reading.lock().await;
        if let Some(known) = slot.lock().answer((self.clock)()) {
            return known;
        }
        let issuer = Issuer::parse(&key.issuer)?;
        let span = trace::discovery(issuer.host());
        let found = issuer.discover(client, key.mutual_tls).instrument(span.clone()).await;
        if let Err(error) = &found {
            trace::failed(&span, error.reason().as_str());
        }
        slot.lock().learn(found, (self.clock)())
    }

    /// Marks a document as stale, because its endpoint was unreachable or was not found. The next request reads the document
    /// again, and uses it as it is if that fails.
    pub(crate) fn mark_stale(&self, key: &MetadataKey) {
        self.slot(key).lock().fresh = false;
    }

    fn slot(&self, key: &MetadataKey) -> Arc<Slot> {
        self.sweep((self.clock)());
        if let Some(slot) = self.slots.get(&key.namespace, key) {
            return slot;
        }
        let slot = Arc::<Slot>::default();
        self.slots.insert(&key.namespace, key.clone(), Arc::clone(&slot), ISSUER + key.issuer.len());
        slot
    }

    fn sweep(&self, now: DateTime<Utc>) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if (now - *swept).abs() >= SWEEP {
            *swept = now;
            self.slots.retain(|slot| Arc::strong_count(slot) > 1 || slot.lock().is_worth_keeping(now));
        }
    }

    /// The approximate size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.slots.size()
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The result without reading the document, if there is one.
    fn answer(&self, now: DateTime<Utc>) -> Option<Result<Metadata, Error>> {
        let fresh = self.fresh && self.read_at.is_some_and(|at| within(at, FRESH, now));
        let known = self.metadata.clone().filter(|_| fresh).map(Ok);
        known.or_else(|| {
            self.failed
                .as_ref()
                .filter(|(_, at)| within(*at, FAILED, now))
                .map(|(error, _)| self.fall_back(error, now))
        })
    }

    /// Stores the result of reading the document.
    fn learn(&mut self, found: Result<Metadata, Error>, now: DateTime<Utc>) -> Result<Metadata, Error> {
        match found {
            Ok(metadata) => {
                *self =
                    Self { metadata: Some(metadata.clone()), read_at: Some(now), fresh: true, failed: None };
                Ok(metadata)
            }
            Err(error) => {
                // The host now answers for another issuer. After other failures, the document is still used.
                if error.reason() == Reason::IssuerMismatch {
                    self.metadata = None;
                }
                self.failed = Some((error.clone(), now));
                self.fall_back(&error, now)
            }
        }
    }

    fn fall_back(&self, error: &Error, now: DateTime<Utc>) -> Result<Metadata, Error> {
        let usable = self.read_at.is_some_and(|at| within(at, USABLE, now));
        self.metadata.clone().filter(|_| usable).ok_or_else(|| error.clone())
    }

    fn is_worth_keeping(&self, now: DateTime<Utc>) -> bool {
        let used = |at: Option<DateTime<Utc>>, span| at.is_some_and(|at| within(at, span, now));
        used(self.read_at.filter(|_| self.metadata.is_some()), USABLE)
            || used(self.failed.as_ref().map(|(_, at)| *at), FAILED)
    }
}

/// Whether `at` is less than `span` ago. An instant in the future comes from a clock that has been set back, and does not
/// count.
fn within(at: DateTime<Utc>, span: TimeDelta, now: DateTime<Utc>) -> bool {
    at <= now && now - at < span
}

#[cfg(test)]
mod tests;
