//! The client that reaches endpoints through the operator's proxy. This client is separate from the client for direct
//! connections, because only the name of the proxy may be resolved without the address rules, and the libraries do not say to a
//! resolver whether a name is the proxy's. Must not know requests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::header::HeaderValue;
use reqwest::{Client, Proxy};
use rustls::ClientConfig;

use super::{ClientSettings, Connections, built, guarded, limited};
use crate::oauth::egress::ProxyResolver;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::error::{Error, ProxyFault};
use crate::oauth::proxy::OutboundProxy;

pub(super) struct Proxied {
    pub(super) proxy: Arc<OutboundProxy>,
    resolver: Arc<ProxyResolver>,
    tls: ClientConfig,
    /// Whether a bundle replaces the system's authorities, but not for the proxy's own certificate.
    has_bundle: bool,
    timeout: Duration,
    connections: Connections,
    /// The last client, with the credentials that it presents to the proxy.
    kept: Mutex<Option<(Option<HeaderValue>, Client)>>,
}

impl Proxied {
    pub(super) fn new(
        proxy: &Arc<OutboundProxy>,
        settings: &ClientSettings,
        tls: ClientConfig,
        connections: Connections,
    ) -> Self {
        let inner = settings.resolver.clone().map(|resolver| Arc::new(resolver) as Arc<dyn Resolve>);
        let name = proxy.url().host_str().unwrap_or_default();
        let resolver = Arc::new(ProxyResolver::new(name, inner));
        let proxy = Arc::clone(proxy);
        let (has_bundle, timeout) = (settings.ca_bundle.is_some(), settings.timeout);
        Self { proxy, resolver, tls, has_bundle, timeout, connections, kept: Mutex::default() }
    }

    /// The client for an endpoint. Another one is made if the proxy's credentials have changed.
    pub(super) fn client(&self, endpoint: &Endpoint) -> Result<Client, Error> {
        let failed = |fault| Error::proxy(endpoint.host(), self.proxy.name(), fault);
        if self.has_bundle && self.proxy.has_tls_name(endpoint) {
            return Err(failed(ProxyFault::SameHost));
        }
        let credentials =
            self.proxy.authorization().map_err(|fault| failed(ProxyFault::Credentials(fault)))?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = kept.as_ref().filter(|(known, _)| *known == credentials) {
            return Ok(client.clone());
        }
        let unusable = |_| Error::spec("the proxy of `--https-proxy` cannot be used");
        let mut through = Proxy::all(self.proxy.url().clone()).map_err(unusable)?;
        if let Some(credentials) = &credentials {
            through = through.custom_http_auth(credentials.clone());
        }
        let builder = (self.connections)(limited(guarded(Client::builder()), self.timeout))
            .proxy(through)
            .dns_resolver(Arc::clone(&self.resolver));
        let client = built(builder.tls_backend_preconfigured(self.tls.clone()))?;
        *kept = Some((credentials, client.clone()));
        Ok(client)
    }
}
