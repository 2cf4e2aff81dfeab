//! The HTTP clients for requests to providers, kept while they are in use.
//!
//! A client, and so a connection, is shared only by requests of one namespace to one host with the same trusted
//! certificates, client certificate and timeout. A namespace that keeps changing these has a limited share of the cache.
//! Must not know requests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use crate::issue::tenant_cache::{Limits, TenantCache};
use crate::oauth::{
    AddressPolicy, ClientCertificate, ClientSettings, Endpoint, Error, OutboundProxy, Resolver, TokenClient,
};

/// A client that has not been used for this long is removed when the next one is made.
const IDLE: TimeDelta = TimeDelta::minutes(5);

/// Enough for thirty clients of a namespace with the system's authorities, half as many with a proxy, or for three clients
/// with the largest bundles.
const LIMITS: Limits = Limits { share: 2 << 20, total: 32 << 20 };

/// The approximate size of a client without its authorities: settings, sessions, and an idle connection.
const CLIENT: usize = 64 << 10;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    /// Host and port, so that evicting a client closes connections to one host only.
    host: String,
    ca_bundle_digest: Digest,
    /// The version of the client certificate's Secret.
    certificate: Option<String>,
    timeout: Duration,
}

/// The trusted certificates, as a hash since bundles are large; None for the system's.
pub(crate) type Digest = Option<[u8; 32]>;

/// The hash of a bundle.
pub(crate) fn digest(ca_bundle: Option<&str>) -> Digest {
    ca_bundle.map(|pem| Sha256::digest(pem).into())
}

/// A client, and when it was last used.
type CachedClient = (TokenClient, Arc<Mutex<DateTime<Utc>>>);

/// The clients in use.
pub(crate) struct TokenClients {
    addresses: Arc<AddressPolicy>,
    /// None: the system's library resolves names.
    resolver: Option<Arc<Resolver>>,
    proxy: Option<Arc<OutboundProxy>>,
    clients: TenantCache<Key, CachedClient>,
}

impl TokenClients {
    pub(crate) fn new(
        addresses: AddressPolicy,
        resolver: Option<Arc<Resolver>>,
        proxy: Option<Arc<OutboundProxy>>,
    ) -> Self {
        Self { addresses: Arc::new(addresses), resolver, proxy, clients: TenantCache::new(LIMITS) }
    }

    /// The client for this namespace, host, bundle, certificate (with the version of its Secret) and timeout. Fails if
    /// the certificates cannot be parsed.
    pub(crate) fn get(
        &self,
        namespace: &str,
        host: &Endpoint,
        ca_bundle: Option<String>,
        certificate: Option<(String, ClientCertificate)>,
        timeout: Duration,
        now: DateTime<Utc>,
    ) -> Result<TokenClient, Error> {
        let (version, identity) = certificate.unzip();
        let ca_bundle_digest = digest(ca_bundle.as_deref());
        let host = format!("{}:{}", host.host(), host.port());
        let key = Key { host, ca_bundle_digest, certificate: version, timeout };
        if let Some((client, used)) = self.clients.get(namespace, &key) {
            *used.lock().unwrap_or_else(PoisonError::into_inner) = now;
            return Ok(client);
        }
        self.clients.retain(|(_, used)| now - *used.lock().unwrap_or_else(PoisonError::into_inner) < IDLE);
        // With a proxy, there may be a direct client and one for the proxy.
        let clients = if self.proxy.is_some() { 2 } else { 1 };
        let size = clients * CLIENT + ca_bundle.as_ref().map_or(0, String::len);
        let addresses = Arc::clone(&self.addresses);
        let resolver = self.resolver.as_ref().map(|resolver| resolver.of(namespace));
        let settings =
            ClientSettings { addresses, resolver, proxy: self.proxy.clone(), ca_bundle, identity, timeout };
        let client = TokenClient::new(&settings)?;
        self.clients.insert(namespace, key, (client.clone(), Arc::new(Mutex::new(now))), size);
        Ok(client)
    }

    /// The approximate size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.clients.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `caBundleRef` to another ConfigMap and another port each time.
    #[test]
    fn clients_of_a_namespace_that_keeps_choosing_others_are_bounded() {
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        let resolver = Arc::new(Resolver::system().unwrap());
        let clients = TokenClients::new(AddressPolicy::default(), Some(resolver), None);
        let now = DateTime::UNIX_EPOCH;
        let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
        let get = |namespace: &str, port: u32| {
            let host = Endpoint::parse(&format!("https://a.example:{port}/")).unwrap();
            let bundle = Some(format!("{authority}# {port}"));
            clients.get(namespace, &host, bundle, None, Duration::from_secs(15), now).unwrap();
        };
        get("quiet", 1);
        let quiet = clients.size();
        for port in 1..=500 {
            get("loud", port);
        }
        assert!(clients.size() <= quiet + LIMITS.share, "{} bytes", clients.size());
        get("quiet", 1);
        assert!(clients.size() <= quiet + LIMITS.share, "its client was kept");
    }
}
