//! The token endpoints that issuers' metadata name, kept so that a renewal does not read the same document again.
//!
//! Knows how long what was found holds, and that of many who ask at once one reads for all. Must not know what the
//! document says, nor who may be sent what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::Reason;
use crate::oauth::{Error, Exchanger, Issuer};

/// So long the document is not read again: endpoints move once in years, and are announced.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// So long what was found is used while the document cannot be read: a broken metadata server is no reason to let
/// tokens expire.
const USABLE: TimeDelta = TimeDelta::hours(24);

/// Whose finding it is. Not shared between namespaces or roots of trust: who chooses those might answer for others.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) namespace: String,
    pub(super) issuer: String,
    pub(super) ca_bundle: Option<String>,
    pub(super) mutual_tls: bool,
}

struct Found {
    endpoint: String,
    at: DateTime<Utc>,
}

/// Locked while the document is being read: whoever else wants it waits for the answer.
type Slot = Arc<tokio::sync::Mutex<Option<Found>>>;

/// The endpoints found.
#[derive(Default)]
pub(super) struct Issuers {
    slots: Mutex<HashMap<Key, (Slot, DateTime<Utc>)>>,
}

impl Issuers {
    /// The token endpoint of this issuer.
    pub(super) async fn token_endpoint(
        &self,
        key: &Key,
        exchanger: &Exchanger,
        user_agent: &str,
        now: DateTime<Utc>,
    ) -> Result<String, Error> {
        let slot = self.slot(key, now);
        let mut found = slot.lock().await;
        if let Some(found) = found.as_ref().filter(|found| now - found.at < FRESH) {
            return Ok(found.endpoint.clone());
        }
        let issuer = Issuer::parse(&key.issuer)?;
        match issuer.discover(exchanger, user_agent, key.mutual_tls).await {
            Ok(endpoint) => {
                *found = Some(Found { endpoint: endpoint.clone(), at: now });
                Ok(endpoint)
            }
            Err(error) => match found.as_ref().filter(|found| now - found.at < USABLE) {
                Some(known) if error.reason() == Reason::DiscoveryFailed => {
                    tracing::warn!(%error, "The token endpoint found before is used");
                    Ok(known.endpoint.clone())
                }
                _ => {
                    *found = None;
                    Err(error)
                }
            },
        }
    }

    /// What was found turned out not to answer: the next request reads the document again.
    pub(super) fn forget(&self, key: &Key) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn slot(&self, key: &Key, now: DateTime<Utc>) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, (_, used)| now - *used < USABLE);
        let (slot, used) = slots.entry(key.clone()).or_insert_with(|| (Slot::default(), now));
        *used = now;
        Arc::clone(slot)
    }
}
