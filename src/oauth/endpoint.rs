//! Where credentials may be sent: a checked https URL, and the list of hosts that the owner of a credential allows.
//! Knows URL syntax and how hosts are compared. Must not know addresses (see [`super::egress`]), requests, or which object
//! carries the list.

use std::fmt;

use url::{Host, Url};

use super::error::Error;
use crate::panics::contain;

/// The longest URL, in characters: what proxies and servers commonly accept.
const MAX_LENGTH: usize = 2048;
/// How many hosts the owner of a credential may name.
const MAX_ENTRIES: usize = 100;
/// The longest entry of the list, in bytes: a name of 253, a port, and some white space.
const LONGEST_ENTRY: usize = 300;

/// An https URL that has passed every check which needs the URL alone.
///
/// Path and query may hold secrets, so Debug shows only host and port.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    host: String,
    port: u16,
}

impl Endpoint {
    /// Parses and checks a URL.
    ///
    /// [`Error::Spec`] if the text is not an absolute URL with a host, of at most 2048 characters and without white space,
    /// control characters and backslashes. [`Error::EndpointNotAllowed`] for a URL that does not begin with `https://` and a
    /// host, or has user information, a fragment, or a dot after the host.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.chars().count() > MAX_LENGTH {
            return Err(Error::spec(format!("the endpoint's URL is longer than {MAX_LENGTH} characters")));
        }
        // The URL parser silently drops or trims these characters and reads a backslash as a slash. CEL and people do not,
        // so they could see another host than the parser.
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(Error::spec(
                "the endpoint's URL contains a control character, a space or a backslash",
            ));
        }
        let url = contain(|| Url::parse(text))
            .map_err(|_| Error::spec("the endpoint's URL cannot be read"))?
            .map_err(|fault| Error::spec(format!("the endpoint is not a URL: {fault}")))?;
        let Some(host) = url.host_str().filter(|host| !host.is_empty()).map(str::to_owned) else {
            return Err(Error::spec("the endpoint's URL has no host"));
        };
        if let Some(why) = refusal(text, &url, &host) {
            return Err(Error::not_allowed(host, why));
        }
        let port = url.port().unwrap_or(443);
        Ok(Self { url, host, port })
    }

    /// The URL as the client sends it.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Host in lower-case ASCII (Punycode if needed); IPv6 in brackets; without a trailing dot. Safe to show.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port, 443 if the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// This endpoint with another path and without a query.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        let mut other = self.clone();
        other.url.set_path(path);
        other.url.set_query(None);
        other
    }

    /// This endpoint with form-encoded pairs appended to its query.
    #[must_use]
    pub fn with_query<'a>(&self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut extended = self.clone();
        let mut pairs = pairs.into_iter().peekable();
        // An empty iterator would append a bare `?`.
        if pairs.peek().is_some() {
            extended.url.query_pairs_mut().extend_pairs(pairs);
        }
        extended
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({}:{})", self.host, self.port)
    }
}

/// The rule that a valid URL breaks.
fn refusal(text: &str, url: &Url, host: &str) -> Option<&'static str> {
    if url.scheme() != "https" {
        return Some("only https is allowed");
    }
    // Browsers read `https:host` and `https:///host` as `https://host`; other programs do not.
    let after_scheme = match text.split_at_checked("https://".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https://") => rest,
        _ => "",
    };
    match after_scheme.split(['/', '?', '#']).next() {
        None | Some("") => Some("the URL must begin with https:// and a host"),
        // Read from the text, because empty user information leaves no trace in the parsed URL.
        Some(authority) if authority.contains('@') => Some("the URL contains user information"),
        Some(_) if url.fragment().is_some() => Some("the URL contains a fragment"),
        Some(_) if host.ends_with('.') => Some("the host ends with a dot"),
        Some(_) => None,
    }
}

/// The hosts that may receive a credential, named by the owner of the credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostBinding {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    /// None: any port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    /// One host, in the spelling of [`Endpoint::host`].
    One(String),
    /// Every host with exactly one label before this domain.
    LabelUnder(String),
}

impl HostBinding {
    /// Parses the annotation `tokensource.dev/allowed-hosts`: entries separated by commas, each an exact host or `*.domain`
    /// for exactly one label, with `:port` to allow a single port. Case and surrounding white space are ignored. An entry
    /// that cannot be parsed, or has more than 300 bytes, matches nothing. Entries after the hundredth are ignored, because
    /// the list is parsed at every reconcile.
    pub fn parse(text: &str) -> Self {
        let short = |entry: &&str| entry.len() <= LONGEST_ENTRY;
        Self { entries: text.split(',').take(MAX_ENTRIES).filter(short).filter_map(Entry::parse).collect() }
    }

    /// Whether the credential may be sent to this endpoint.
    pub fn allows(&self, endpoint: &Endpoint) -> bool {
        self.entries.iter().any(|entry| entry.covers(endpoint))
    }

    /// The first entry of another list that names a host which this list does not allow.
    pub fn first_not_allowed(&self, other: &Self) -> Option<String> {
        let not_allowed = |wanted: &&Entry| !self.entries.iter().any(|entry| entry.contains(wanted));
        other.entries.iter().find(not_allowed).map(ToString::to_string)
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = split_port(text.trim())?;
        let hosts = match host.strip_prefix("*.") {
            None => Hosts::One(canonical(host)?.to_string()),
            Some(domain) => match canonical(domain)? {
                Host::Domain(domain) => Hosts::LabelUnder(domain),
                Host::Ipv4(_) | Host::Ipv6(_) => return None,
            },
        };
        Some(Self { hosts, port })
    }

    fn covers(&self, endpoint: &Endpoint) -> bool {
        self.hosts.include(endpoint.host()) && self.port.is_none_or(|port| port == endpoint.port())
    }

    /// Whether every endpoint that the other entry covers is covered by this one.
    fn contains(&self, other: &Self) -> bool {
        let hosts = match &other.hosts {
            Hosts::One(host) => self.hosts.include(host),
            under @ Hosts::LabelUnder(_) => self.hosts == *under,
        };
        hosts && self.port.is_none_or(|port| other.port == Some(port))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::One(host) => write!(f, "{host}")?,
            Hosts::LabelUnder(domain) => write!(f, "*.{domain}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Hosts {
    fn include(&self, name: &str) -> bool {
        match self {
            Hosts::One(host) => host == name,
            Hosts::LabelUnder(domain) => {
                name.split_once('.').is_some_and(|(label, parent)| !label.is_empty() && parent == domain)
            }
        }
    }
}

/// Splits `host:port`. The colons inside an IPv6 literal belong to the host.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => return Some((text, None)),
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| port.parse().ok()).flatten().map(|port| (host, Some(port)))
}

/// The host in the spelling of parsed URLs; None if the text is not a plain host.
fn canonical(text: &str) -> Option<Host> {
    // The URL parser would decode `%` and accept `*`; no real host contains either.
    if text.contains(['%', '*']) || text.ends_with('.') {
        return None;
    }
    Host::parse(text).ok()
}

#[cfg(test)]
mod tests;
