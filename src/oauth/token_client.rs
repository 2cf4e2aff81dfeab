//! Sends requests to providers. Only this module and the resolvers of this layer have network access.
//! Knows the HTTP client, its limits and its protections. Must not know what a request asks for or what a response means;
//! [`super::response`] interprets statuses, redirects included.
//! A [`TokenClient`] shares its connections with its clones only. The caller decides who may share a client, because tenants
//! must not share connections.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, HeaderValue, USER_AGENT as USER_AGENT_HEADER};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, redirect, retry};

use super::USER_AGENT;
use super::content_encoding;
use super::egress::{AddressPolicy, GuardedResolver};
use super::endpoint::Endpoint;
use super::error::Error;
use super::proxy::OutboundProxy;
use super::request::HttpRequest;
use super::resolver::TenantResolver;
use super::response::{HttpResponse, MAX_BODY};
use super::secret::Secret;
use crate::api::RequestMethod;
use crate::panics::contain;
use proxied::Proxied;

mod authorities;
mod fault;
mod proxied;
mod reach;

/// The deadline for resolving, connecting and the TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many idle connections are kept: as many as the controller has concurrent requests to one provider by default
/// (`--concurrency`), so that a burst does not need a TLS handshake for each token.
const IDLE_CONNECTIONS: usize = 16;

/// How long an idle connection is kept: long enough for the steps of one attempt (discovery, refresh, fallback). Renewals
/// are minutes apart, and a POST on a connection that the server has closed meanwhile would fail.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of a [`TokenClient`].
#[derive(Clone)]
pub struct ClientSettings {
    /// The addresses that may be connected to.
    pub addresses: Arc<AddressPolicy>,
    /// The resolver for host names. None: the system's library, which may block a thread after the caller has given up; for
    /// a person's own machine.
    pub resolver: Option<TenantResolver>,
    /// The operator's proxy. None: all connections are direct.
    pub proxy: Option<Arc<OutboundProxy>>,
    /// PEM certificates that **replace** the system's certificate authorities. None: the system's.
    pub ca_bundle: Option<String>,
    /// The certificate to present if the server requests one.
    pub identity: Option<ClientCertificate>,
    /// The deadline for a request, from resolving the name to the last byte of the body.
    pub timeout: Duration,
}

/// A client certificate (RFC 8705) with its private key, both as PEM.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The client's own certificate, followed by its chain.
    pub certificate: String,
    /// PKCS#8, PKCS#1 or SEC1.
    pub key: Secret,
}

/// Sends requests. Cheap to clone; clones share their connections.
///
/// The first client with the system's authorities takes about 3 ms to make and 150 KiB of memory (measured). Later clients
/// share the authorities, and so do clients with the same bundle.
#[derive(Clone)]
pub struct TokenClient {
    /// Connects directly, to permitted addresses only.
    client: Client,
    proxied: Option<Arc<Proxied>>,
    addresses: Arc<AddressPolicy>,
}

/// Changes how a client connects.
type Connections = fn(ClientBuilder) -> ClientBuilder;

/// How an endpoint is reached.
struct Route {
    client: Client,
    /// The proxy's host and port.
    proxy: Option<String>,
}

impl TokenClient {
    /// Makes a client. [`Error::Spec`] if the CA bundle has no certificate or one that cannot be parsed, or if the system has
    /// no authorities and no bundle replaces them. [`Error::Credential`] if the client certificate cannot be used.
    ///
    /// Uses rustls's default crypto provider, or aws-lc-rs if the process has installed none.
    pub fn new(settings: &ClientSettings) -> Result<Self, Error> {
        Self::made(settings, |builder| builder)
    }

    /// Makes a client. The function `connections` sets how it connects.
    fn made(settings: &ClientSettings, connections: Connections) -> Result<Self, Error> {
        let addresses = Arc::clone(&settings.addresses);
        let resolver = match &settings.resolver {
            Some(resolver) => GuardedResolver::new(addresses, Arc::new(resolver.clone())),
            None => GuardedResolver::system(addresses),
        };
        // `contain` is needed because libraries parse the certificates and may panic.
        contain(|| Self::with_resolver(settings, resolver, connections)).unwrap_or_else(|_| {
            let what = "`tls.caBundle` or the client certificate cannot be used";
            Err(if settings.identity.is_some() { Error::credential(what) } else { Error::spec(what) })
        })
    }

    fn with_resolver(
        settings: &ClientSettings,
        resolver: GuardedResolver,
        connections: Connections,
    ) -> Result<Self, Error> {
        let builder =
            connections(limited(guarded(Client::builder()), settings.timeout)).dns_resolver(resolver);
        let (bundle, identity) = (settings.ca_bundle.as_deref(), settings.identity.as_ref());
        let client = built(builder.tls_backend_preconfigured(authorities::client(bundle, identity, None)?))?;
        let proxied = match &settings.proxy {
            None => None,
            Some(proxy) => {
                let tls = authorities::client(bundle, identity, Some(proxy))?;
                Some(Arc::new(Proxied::new(proxy, settings, tls, connections)))
            }
        };
        Ok(Self { client, proxied, addresses: Arc::clone(&settings.addresses) })
    }

    /// Sends a request once and reads the response, whatever its status. Redirects are not followed.
    ///
    /// Fails with [`Error::EndpointNotAllowed`], [`Error::Unreachable`], [`Error::Proxy`], [`Error::Tls`] or
    /// [`Error::TooLarge`], with [`Error::Malformed`] for a 2xx with an incomplete body, or with [`Error::Spec`] if the
    /// proxy cannot be used.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let HttpRequest { method, endpoint, mut headers, body, .. } = request;
        let route = self.route(&endpoint)?;
        if method == RequestMethod::Get {
            let call = route.client.get(endpoint.url().clone()).headers(headers);
            return perform(&endpoint, &route, call).await;
        }
        // The library omits this header for an empty body, and some servers then answer 411.
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let call = route.client.post(endpoint.url().clone()).headers(headers);
        // The body is passed without a copy: its memory is wiped when the client drops it.
        perform(&endpoint, &route, call.body(Bytes::from_owner(body))).await
    }

    /// Fetches a document once, under the same rules as [`TokenClient::send`].
    pub(super) async fn document(&self, endpoint: &Endpoint) -> Result<HttpResponse, Error> {
        let route = self.route(endpoint)?;
        perform(endpoint, &route, get(&route, endpoint)).await
    }

    /// Presents a token as bearer token (RFC 6750 §2.1), once, and returns the status. The body is not read.
    pub async fn probe(&self, endpoint: &Endpoint, token: &Secret) -> Result<u16, Error> {
        let route = self.route(endpoint)?;
        // The library marks the header as sensitive.
        let call = get(&route, endpoint).bearer_auth(token.expose());
        let response = call.send().await.map_err(|error| route.fault(&error, endpoint))?;
        Ok(response.status().as_u16())
    }

    /// The way to this endpoint. A literal address is checked in any case. The addresses of a name are checked only if the
    /// connection is direct, because otherwise the proxy resolves the name.
    fn route(&self, endpoint: &Endpoint) -> Result<Route, Error> {
        self.addresses.check_literal(endpoint)?;
        match self.proxied.as_ref().filter(|proxied| proxied.proxy.applies(endpoint)) {
            Some(proxied) => {
                self.addresses.check_name(endpoint)?;
                Ok(Route { client: proxied.client(endpoint)?, proxy: Some(proxied.proxy.name().to_owned()) })
            }
            None => Ok(Route { client: self.client.clone(), proxy: None }),
        }
    }
}

impl Route {
    fn fault(&self, error: &reqwest::Error, endpoint: &Endpoint) -> Error {
        fault::classify(error, endpoint.host(), self.proxy.as_deref())
    }
}

fn get(route: &Route, endpoint: &Endpoint) -> RequestBuilder {
    let call = route.client.get(endpoint.url().clone());
    call.header(ACCEPT, "application/json").header(USER_AGENT_HEADER, USER_AGENT)
}

async fn perform(endpoint: &Endpoint, route: &Route, call: RequestBuilder) -> Result<HttpResponse, Error> {
    let classify = |error: reqwest::Error| route.fault(&error, endpoint);
    let mut response = call.send().await.map_err(classify)?;
    let status = response.status().as_u16();
    let mut headers = mem::take(response.headers_mut());
    let too_large = || Error::too_large(endpoint.host());
    let body = read_body(response).await.map_err(|error| match status {
        // The provider has carried out the request: its token is lost, and another attempt may cost another token.
        200..=299 => Error::cut_off(endpoint.host(), status, error.is_timeout()),
        _ => classify(error),
    })?;
    let body = content_encoding::decode(&mut headers, body.ok_or_else(too_large)?, MAX_BODY);
    Ok(HttpResponse { status, headers, body: body.map_err(|_| too_large())? })
}

impl fmt::Debug for TokenClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenClient").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Settings that keep credentials on the one connection that they are meant for. They replace defaults of reqwest that can
/// send credentials elsewhere or twice: over http, to a proxy from the environment, to the target of a redirect, or in a
/// repeated request.
fn guarded(builder: ClientBuilder) -> ClientBuilder {
    builder
        .https_only(true)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
}

/// Sets the deadlines, and how long connections are kept.
fn limited(builder: ClientBuilder, timeout: Duration) -> ClientBuilder {
    builder
        .timeout(timeout)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIMEOUT)
}

/// The library's error is not passed on, because it may quote the certificates.
fn built(builder: ClientBuilder) -> Result<Client, Error> {
    builder.build().map_err(|_| Error::spec("the HTTP client could not be made"))
}

/// Reads the body; None if it exceeds the limit. Counts received bytes, because the declared length proves nothing.
async fn read_body(mut response: Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

#[cfg(test)]
mod tests;
