//! The one place of the layer that talks: a request goes out, an answer or a classified failure comes back.
//! Knows the HTTP client, its limits and the guards around it. Must not know what a request asks or an answer
//! means; statuses, redirects included, are for [`super::response`] to judge.
//! An [`Exchanger`] shares its connections among its clones and nobody else; who may share one is the caller's to say
//! (`oauth.md` §e.17).

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, HeaderValue, USER_AGENT};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, redirect, retry, tls};

use super::content;
use super::egress::{AddressPolicy, GuardedResolver};
use super::endpoint::Endpoint;
use super::error::Error;
use super::request::WireRequest;
use super::resolver::TenantResolver;
use super::response::{Answer, MAX_BODY};
use super::secret::Secret;
use crate::panics::contain;

mod authorities;
mod fault;

/// Resolving, connecting and the TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections are kept for the next requests: as many as the controller has requests under way to one provider,
/// so that a burst does not begin a TLS session for each token.
const IDLE_CONNECTIONS: usize = 16;

/// How long a connection is kept for the next request: enough for the steps of one attempt (discovery, refresh,
/// fallback). Renewals are minutes apart, and a connection the server has closed meanwhile would fail a POST.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How requests of one provider travel.
#[derive(Clone)]
pub struct Transport {
    /// Where connections may go.
    pub addresses: Arc<AddressPolicy>,
    /// How names become addresses; None = as the system's library does, for a person's own machine: a look-up may then
    /// hold a thread for longer than anybody waits for it.
    pub resolver: Option<TenantResolver>,
    /// PEM certificates that **replace** the system's authorities; None = the system's.
    pub ca_bundle: Option<String>,
    /// Who connects, where the server asks for a certificate; None = nobody in particular.
    pub identity: Option<ClientCertificate>,
    /// For the whole exchange, from resolving the name to the last byte of the body.
    pub timeout: Duration,
}

/// A certificate that the client shows at the TLS layer (RFC 8705), with its key, both as PEM.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The client's own certificate, then those that vouch for it.
    pub certificate: String,
    /// PKCS#8, PKCS#1 or SEC1.
    pub key: Secret,
}

impl Transport {
    /// The default of [`Transport::timeout`].
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
}

/// Sends requests. Cheap to clone; clones share their connections.
///
/// With the system's authorities the first one takes about 3 ms to make and 150 KiB to keep (measured); others share the
/// authorities, and so do those of one bundle.
#[derive(Clone)]
pub struct Exchanger {
    client: Client,
    addresses: Arc<AddressPolicy>,
}

impl Exchanger {
    /// Prepares a client. [`Error::Spec`] where the CA bundle holds no certificate or an unreadable one, or where
    /// the system has no authorities and no bundle replaces them. [`Error::Credential`] where the client certificate
    /// cannot be used.
    ///
    /// The process must have installed rustls's default crypto provider.
    pub fn new(transport: &Transport) -> Result<Self, Error> {
        let addresses = Arc::clone(&transport.addresses);
        let resolver = match &transport.resolver {
            Some(resolver) => GuardedResolver::new(addresses, Arc::new(resolver.clone())),
            None => GuardedResolver::system(addresses),
        };
        // Certificates are read by libraries.
        contain(|| Self::with_resolver(transport, resolver)).unwrap_or_else(|_| {
            let what = "`tls.caBundle` or the client certificate cannot be used";
            Err(if transport.identity.is_some() { Error::credential(what) } else { Error::spec(what) })
        })
    }

    fn with_resolver(transport: &Transport, resolver: GuardedResolver) -> Result<Self, Error> {
        let builder = guarded(Client::builder())
            .dns_resolver(resolver)
            .timeout(transport.timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_TIMEOUT);
        let tls = authorities::client(transport.ca_bundle.as_deref(), transport.identity.as_ref())?;
        // The library's text is left out: it may quote what it was given.
        let client = builder
            .tls_backend_preconfigured(tls)
            .build()
            .map_err(|_| Error::spec("the HTTP client could not be made"))?;
        Ok(Self { client, addresses: Arc::clone(&transport.addresses) })
    }

    /// Sends one request, once, and reads the answer whatever its status. Redirects are not followed.
    ///
    /// Fails with [`Error::EndpointNotAllowed`], [`Error::Unreachable`], [`Error::Tls`] or [`Error::TooLarge`].
    pub async fn send(&self, request: WireRequest) -> Result<Answer, Error> {
        let WireRequest { endpoint, mut headers, body, .. } = request;
        // The library leaves it out for an empty body, and some servers answer 411 to that.
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let call = self.client.post(endpoint.url().clone()).headers(headers);
        // Handed over as it is, so that it is still wiped when the client drops it.
        self.perform(&endpoint, call.body(Bytes::from_owner(body))).await
    }

    /// Asks for a document, once. The rest is as with [`Exchanger::send`].
    pub(super) async fn document(&self, endpoint: &Endpoint, user_agent: &str) -> Result<Answer, Error> {
        self.perform(endpoint, self.get(endpoint, user_agent)).await
    }

    /// Shows a token as bearer (RFC 6750 §2.1), once, and says with which status it was met. The body is not read.
    pub async fn probe(&self, endpoint: &Endpoint, user_agent: &str, token: &Secret) -> Result<u16, Error> {
        self.addresses.check_literal(endpoint)?;
        // The library marks the header sensitive.
        let call = self.get(endpoint, user_agent).bearer_auth(token.expose());
        let response = call.send().await.map_err(|error| fault::classify(&error, endpoint.host()))?;
        Ok(response.status().as_u16())
    }

    fn get(&self, endpoint: &Endpoint, user_agent: &str) -> RequestBuilder {
        let call = self.client.get(endpoint.url().clone());
        call.header(ACCEPT, "application/json").header(USER_AGENT, user_agent)
    }

    /// What every kind of request goes through.
    async fn perform(&self, endpoint: &Endpoint, call: RequestBuilder) -> Result<Answer, Error> {
        self.addresses.check_literal(endpoint)?;
        let classify = |error: reqwest::Error| fault::classify(&error, endpoint.host());
        let mut response = call.send().await.map_err(classify)?;
        let status = response.status().as_u16();
        let mut headers = mem::take(response.headers_mut());
        let too_large = || Error::too_large(endpoint.host());
        let body = read_body(response).await.map_err(|error| match status {
            // The provider has done what it was asked for: the token is lost, and another try may cost another one.
            200..=299 => Error::cut_off(endpoint.host(), status, error.is_timeout()),
            _ => classify(error),
        })?;
        let body = content::decode(&mut headers, body.ok_or_else(too_large)?, MAX_BODY);
        Ok(Answer { status, headers, body: body.map_err(|_| too_large())? })
    }
}

impl fmt::Debug for Exchanger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchanger").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Every setting that keeps credentials on the one connection they were meant for. Each of reqwest's defaults it
/// replaces has been seen to send them elsewhere (`oauth.md` §e.3, §e.4, §e.5).
fn guarded(builder: ClientBuilder) -> ClientBuilder {
    builder
        .https_only(true)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .tls_version_min(tls::Version::TLS_1_2)
}

/// The body, or None where it exceeds the limit. Counted as it arrives: the length a server declares proves nothing.
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
