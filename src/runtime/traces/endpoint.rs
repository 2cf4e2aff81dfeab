//! The address of the OTLP collector in `--otlp-endpoint`. Must not know what is sent there.

use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

/// The URL for requests with traces. Safe to show: it has no credentials and no query.
#[derive(Clone, Debug)]
pub struct CollectorEndpoint(Url);

/// Why the flag cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The value is not an http(s) URL of a collector.
    #[error("must be a URL such as https://collector.example:4318")]
    Url,
    /// The value contains a secret, or may contain one.
    #[error("must have no credentials, query or fragment: put headers into --otlp-headers-file")]
    Secret,
    /// Others could read the traces.
    #[error(
        "must begin with https://, unless the host is this machine, a private address or a Service (NAME.NAMESPACE.svc)"
    )]
    Plain,
}

impl FromStr for CollectorEndpoint {
    type Err = EndpointError;

    /// Adds the path `/v1/traces`, as exporters do with `OTEL_EXPORTER_OTLP_ENDPOINT`, unless the URL ends with it.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let mut url = Url::parse(text).map_err(|_| EndpointError::Url)?;
        let is_near = url.host().map(|host| is_near(&host)).ok_or(EndpointError::Url)?;
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(EndpointError::Secret);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_near => {}
            "http" => return Err(EndpointError::Plain),
            _ => return Err(EndpointError::Url),
        }
        let path = url.path().trim_end_matches('/');
        if !path.ends_with("/v1/traces") {
            let path = format!("{path}/v1/traces");
            url.set_path(&path);
        }
        Ok(Self(url))
    }
}

impl CollectorEndpoint {
    pub(super) fn url(&self) -> Url {
        self.0.clone()
    }
}

/// Whether the host is this machine, or most likely in the cluster or its network.
fn is_near(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let name = name.strip_suffix(".cluster.local").unwrap_or(name);
            !name.contains('.') || name.rsplit('.').next() == Some("svc")
        }
        Host::Ipv4(address) => is_near_address((*address).into()),
        Host::Ipv6(address) => is_near_address((*address).into()),
    }
}

fn is_near_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}
