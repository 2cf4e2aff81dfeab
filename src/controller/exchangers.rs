//! The HTTP clients that speak to providers, kept while they are in use.
//!
//! Knows what may share a connection: only requests of one namespace, with the same roots of
//! trust, client certificate and deadline. A
//! client for each `TokenSource` would hold the system's authorities in memory thousands of times.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::oauth::{AddressPolicy, ClientCertificate, Error, Exchanger, Transport};

/// After this long without a request a client is dropped.
const IDLE: TimeDelta = TimeDelta::minutes(5);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    namespace: String,
    ca_bundle: Option<String>,
    /// The version of the client certificate's Secret.
    certificate: Option<String>,
    timeout: Duration,
}

/// The clients in use.
pub(super) struct Exchangers {
    addresses: Arc<AddressPolicy>,
    kept: Mutex<HashMap<Key, (Exchanger, DateTime<Utc>)>>,
}

impl Exchangers {
    pub(super) fn new(addresses: AddressPolicy) -> Self {
        Self { addresses: Arc::new(addresses), kept: Mutex::default() }
    }

    /// The client for this namespace, trust, certificate (with the version of its Secret) and deadline. Fails where
    /// certificates cannot be read.
    pub(super) fn get(
        &self,
        namespace: &str,
        ca_bundle: Option<String>,
        certificate: Option<(String, ClientCertificate)>,
        timeout: Duration,
        now: DateTime<Utc>,
    ) -> Result<Exchanger, Error> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (_, used)| now - *used < IDLE);
        let (version, identity) = certificate.unzip();
        let key = Key { namespace: namespace.to_owned(), ca_bundle, certificate: version, timeout };
        if let Some((exchanger, used)) = kept.get_mut(&key) {
            *used = now;
            return Ok(exchanger.clone());
        }
        let addresses = Arc::clone(&self.addresses);
        let transport = Transport { addresses, ca_bundle: key.ca_bundle.clone(), identity, timeout };
        let exchanger = Exchanger::new(&transport)?;
        kept.insert(key, (exchanger.clone(), now));
        Ok(exchanger)
    }
}
