//! The operator's proxy for requests to providers: which endpoints use it, and its credentials.
//! Knows the flags of the proxy, such as `--https-proxy` and `--no-proxy`. Must not know requests or tenants: no spec can
//! name a proxy. The client tunnels TLS through the proxy (CONNECT), so the proxy sees host and port of a provider and no
//! request.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::Matcher;
use ipnet::IpNet;
use reqwest::header::HeaderValue;
use rustls::pki_types::ServerName;
use url::{Host, Url};
use zeroize::Zeroizing;

use super::endpoint::Endpoint;
use super::error::CredentialsFault;
use super::secret_file::{FileFault, read_secret_file};

/// The longest credentials file, in bytes.
const MAX_CREDENTIALS: u64 = 4096;

/// A flag of the proxy cannot be used. The text does not quote the proxy's URL, which may contain a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the messages explain each variant
pub enum ProxyFlagError {
    #[error("--https-proxy is not a URL of the form http://HOST:PORT or https://HOST:PORT")]
    Url,
    #[error("--https-proxy must not contain credentials: put `user:password` into --proxy-credentials-file")]
    UserInfo,
    #[error("--no-proxy: `{0}` is not a network")]
    Network(String),
    #[error(
        "--no-proxy: `{0}` is not a host, with or without a port: a suffix is written .example.com, and all hosts *"
    )]
    Host(String),
    #[error("--no-proxy and --proxy-credentials-file have no effect without --https-proxy")]
    NoProxy,
    #[error(
        "--api-server-proxy needs --https-proxy with an http:// URL: the Kubernetes client knows no proxy with https://"
    )]
    ApiServer,
    #[error("--api-server-proxy: {0}")]
    Credentials(CredentialsFault),
}

/// The proxy, and the hosts that are contacted without it.
pub struct OutboundProxy {
    url: Url,
    name: String,
    exemptions: Vec<Exemption>,
    credentials: Option<PathBuf>,
}

/// An entry of `--no-proxy`.
enum Exemption {
    All,
    /// The hosts of the matcher are contacted directly. A port limits the exemption to that port.
    Host(Box<Matcher>, Option<u16>),
}

impl OutboundProxy {
    /// The proxy of these flags; None without `--https-proxy`.
    pub fn of_flags(
        url: Option<&str>,
        no_proxy: &[String],
        credentials: Option<PathBuf>,
    ) -> Result<Option<Self>, ProxyFlagError> {
        let exempt = no_proxy.iter().flat_map(|list| list.split(',')).map(str::trim);
        let exempt: Vec<&str> = exempt.filter(|entry| !entry.is_empty()).collect();
        let Some(text) = url.filter(|url| !url.is_empty()) else {
            let unused = exempt.is_empty() && credentials.is_none();
            return if unused { Ok(None) } else { Err(ProxyFlagError::NoProxy) };
        };
        let url = Url::parse(text).map_err(|_| ProxyFlagError::Url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ProxyFlagError::Url);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ProxyFlagError::UserInfo);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(ProxyFlagError::Url)?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyFlagError::Url);
        }
        let name = format!("{host}:{}", url.port_or_known_default().unwrap_or(80));
        let exemptions = exempt.into_iter().map(Exemption::parse).collect::<Result<_, _>>()?;
        Ok(Some(Self { url, name, exemptions, credentials }))
    }

    /// Host and port. Safe to show.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The proxy's name for its certificate, if the connection to the proxy has TLS itself.
    pub(super) fn tls_name(&self) -> Option<ServerName<'static>> {
        let host = self.url.host_str().filter(|_| self.url.scheme() == "https")?;
        ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).ok()
    }

    /// Whether the certificates of the endpoint and of the proxy are for the same name.
    pub(super) fn has_tls_name(&self, endpoint: &Endpoint) -> bool {
        self.tls_name().is_some() && self.url.host_str() == Some(endpoint.host())
    }

    /// Whether requests to this endpoint go through the proxy.
    pub(super) fn applies(&self, endpoint: &Endpoint) -> bool {
        !self.exemptions.iter().any(|exemption| exemption.covers(endpoint))
    }

    /// The URL with the credentials as they are now, percent-encoded: for a client that finds credentials in the URL alone.
    /// The result is a secret.
    pub fn url_with_credentials(&self) -> Result<Zeroizing<String>, ProxyFlagError> {
        if self.url.scheme() != "http" {
            return Err(ProxyFlagError::ApiServer);
        }
        let mut url = self.url.clone();
        if let Some(line) = self.read_credentials().map_err(ProxyFlagError::Credentials)? {
            // `Url` takes a percent sign for the start of an escape, and leaves it.
            let line = Zeroizing::new(line.replace('%', "%25"));
            let (user, password) = line.split_once(':').unwrap_or((&line, ""));
            let set = url.set_username(user).and_then(|()| url.set_password(Some(password)));
            set.map_err(|()| ProxyFlagError::ApiServer)?;
        }
        Ok(Zeroizing::new(url.into()))
    }

    /// The header for the proxy, from the credentials file as it is now; None without a file.
    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, CredentialsFault> {
        self.read_credentials()?.map(|line| basic(&line)).transpose()
    }

    /// The line `user:password` of the credentials file as it is now; None without a file.
    fn read_credentials(&self) -> Result<Option<Zeroizing<String>>, CredentialsFault> {
        let Some(path) = &self.credentials else { return Ok(None) };
        let content = read_secret_file(path, MAX_CREDENTIALS).map_err(|fault| match fault {
            FileFault::Unreadable => CredentialsFault::Unreadable,
            FileFault::TooLong => CredentialsFault::TooLong,
        })?;
        credentials(&content).map(Some)
    }
}

impl fmt::Debug for OutboundProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundProxy").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The line `user:password` in the content of a credentials file.
fn credentials(content: &[u8]) -> Result<Zeroizing<String>, CredentialsFault> {
    let text = std::str::from_utf8(content).map_err(|_| CredentialsFault::Format)?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let user = line.split_once(':').map(|(user, _)| user);
    if user.is_none_or(str::is_empty) || line.chars().any(char::is_control) {
        return Err(CredentialsFault::Format);
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// Basic authentication (RFC 7617).
fn basic(line: &str) -> Result<HeaderValue, CredentialsFault> {
    let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(line)));
    let mut header = HeaderValue::from_str(&value).map_err(|_| CredentialsFault::Format)?;
    header.set_sensitive(true);
    Ok(header)
}

impl Exemption {
    fn parse(entry: &str) -> Result<Self, ProxyFlagError> {
        if entry == "*" {
            return Ok(Exemption::All);
        }
        if entry.contains('/') && entry.parse::<IpNet>().is_err() {
            return Err(ProxyFlagError::Network(entry.to_owned()));
        }
        // An IPv6 address has a port only if it is in brackets.
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if host.ends_with(']') || !host.contains(':') => (host, port.parse().ok()),
            _ => (entry, None),
        };
        let host = if port.is_some() { host } else { entry };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        // An entry that matches no host would be a mistake that nobody notices.
        let is_literal = host.parse::<IpAddr>().is_ok() || host.parse::<IpNet>().is_ok();
        let is_name = matches!(Host::parse(host.strip_prefix('.').unwrap_or(host)), Ok(Host::Domain(_)));
        if !is_literal && (!is_name || host.contains('*')) {
            return Err(ProxyFlagError::Host(entry.to_owned()));
        }
        // The matcher needs a proxy, and says that this proxy would not be used.
        let matcher = Matcher::builder().https("http://proxy.invalid").no(host).build();
        Ok(Exemption::Host(Box::new(matcher), port))
    }

    fn covers(&self, endpoint: &Endpoint) -> bool {
        match self {
            Exemption::All => true,
            Exemption::Host(matcher, port) => {
                let host = format!("https://{}/", endpoint.host()).parse();
                port.is_none_or(|port| port == endpoint.port())
                    && host.is_ok_and(|host| matcher.intercept(&host).is_none())
            }
        }
    }
}

#[cfg(test)]
mod tests;
