//! The HTTP clients that speak to providers, kept while they are in use.
//!
//! Knows what may share a connection: only requests of one namespace, with the same roots of
//! trust, client certificate and deadline. A
//! client for each `TokenSource` would hold the system's authorities in memory thousands of times.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use crate::oauth::{AddressPolicy, ClientCertificate, Error, Exchanger, Transport};

/// After this long without a request a client is dropped.
const IDLE: TimeDelta = TimeDelta::minutes(5);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    namespace: String,
    trust: Digest,
    /// The version of the client certificate's Secret.
    certificate: Option<String>,
    timeout: Duration,
}

/// Which roots of trust; None = the system's. Bundles are large, and many name the same.
pub(super) type Digest = Option<[u8; 32]>;

/// Digest of a bundle.
pub(super) fn digest(ca_bundle: Option<&str>) -> Digest {
    ca_bundle.map(|pem| Sha256::digest(pem).into())
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
        let trust = digest(ca_bundle.as_deref());
        let key = Key { namespace: namespace.to_owned(), trust, certificate: version, timeout };
        if let Some((exchanger, used)) = kept.get_mut(&key) {
            *used = now;
            return Ok(exchanger.clone());
        }
        let addresses = Arc::clone(&self.addresses);
        let transport = Transport { addresses, ca_bundle, identity, timeout };
        let exchanger = Exchanger::new(&transport)?;
        kept.insert(key, (exchanger.clone(), now));
        Ok(exchanger)
    }
}
