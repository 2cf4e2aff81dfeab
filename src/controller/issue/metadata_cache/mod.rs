//! What issuers' metadata says, kept so that a renewal does not read the same document again.
//!
//! Knows how long what was found holds, and that of many who ask at once one reads for all. Must not know what the
//! document says, nor who may be sent what.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::Reason;
use crate::controller::issue::tenant_cache::{Limits, TenantCache};
use crate::controller::issue::token_clients::Digest;
use crate::oauth::{Error, Issuer, Metadata, TokenClient};

/// How long the document is not read again: endpoints move once in years, and are announced.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// How long found endpoints are used while the document cannot be read: a broken metadata server is no reason to let
/// tokens expire.
const USABLE: TimeDelta = TimeDelta::hours(24);
/// How long a failure is the answer to every request: the next attempt would fail, too.
const FAILED: TimeDelta = TimeDelta::seconds(5);
/// How often entries that are no longer worth keeping are removed.
const SWEEP: TimeDelta = TimeDelta::minutes(1);

/// Sixty issuers of a namespace: who names another each time reads their documents more often than once an hour.
const LIMITS: Limits = Limits { share: 256 << 10, total: 8 << 20 };
/// About what is kept of an issuer beside its name: an endpoint's URL may have 2 KiB, an error's text 2 KiB.
const ISSUER: usize = 4 << 10;

/// Whose finding it is. Not shared between namespaces or roots of trust: who chooses those might answer for others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) issuer: String,
    pub(crate) trust: Digest,
    pub(crate) mutual_tls: bool,
}

#[derive(Default)]
struct Known {
    metadata: Option<Metadata>,
    /// When it was last read in the document, or said to be out of date.
    read_at: Option<DateTime<Utc>>,
    fresh: bool,
    failed: Option<(Error, DateTime<Utc>)>,
}

#[derive(Default)]
struct Slot {
    known: Mutex<Known>,
    /// Held while the document is being read: whoever else needs it waits for the answer.
    reading: tokio::sync::Mutex<()>,
}

/// The endpoints found.
pub(crate) struct MetadataCache {
    slots: TenantCache<Key, Arc<Slot>>,
    swept: Mutex<DateTime<Utc>>,
    clock: fn() -> DateTime<Utc>,
}

impl MetadataCache {
    pub(crate) fn new(clock: fn() -> DateTime<Utc>) -> Self {
        Self { slots: TenantCache::new(LIMITS), swept: Mutex::default(), clock }
    }

    /// What the metadata of this issuer says.
    pub(crate) async fn metadata(&self, key: &Key, client: &TokenClient) -> Result<Metadata, Error> {
        let slot = self.slot(key);
        if let Some(known) = slot.lock().answer((self.clock)()) {
            return known;
        }
        let _reading = slot.reading.lock().await;
        if let Some(known) = slot.lock().answer((self.clock)()) {
            return known;
        }
        let found = Issuer::parse(&key.issuer)?.discover(client, key.mutual_tls).await;
        slot.lock().learn(found, (self.clock)())
    }

    /// What was found turned out not to answer: the next request reads the document again, if it can.
    pub(crate) fn doubt(&self, key: &Key) {
        self.slot(key).lock().fresh = false;
    }

    fn slot(&self, key: &Key) -> Arc<Slot> {
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

    /// About how many bytes they take.
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
    /// What can be said without reading the document.
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

    /// Takes in what came of reading it.
    fn learn(&mut self, found: Result<Metadata, Error>, now: DateTime<Utc>) -> Result<Metadata, Error> {
        match found {
            Ok(metadata) => {
                *self =
                    Self { metadata: Some(metadata.clone()), read_at: Some(now), fresh: true, failed: None };
                Ok(metadata)
            }
            Err(error) => {
                // A document that speaks of somebody else takes back what it said.
                if !matches!(error.reason(), Reason::DiscoveryFailed | Reason::TLSVerificationFailed) {
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

/// Whether this was so lately. What was found at an instant yet to come was found by another clock, and is not believed.
fn within(at: DateTime<Utc>, span: TimeDelta, now: DateTime<Utc>) -> bool {
    at <= now && now - at < span
}

#[cfg(test)]
mod tests;
