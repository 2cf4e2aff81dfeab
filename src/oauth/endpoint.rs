//! Where credentials may be sent: an https URL judged once, and the list of hosts a credential's owner allows.
//! Knows URL syntax and how hosts are compared. Must not know addresses (see [`super::egress`]), requests, or where
//! the annotation that holds the list is kept.

use std::fmt;

use url::{Host, Url};

use super::error::Error;
use crate::panics::contain;

/// Longest URL taken, in characters: what proxies and servers commonly accept.
const MAX_LENGTH: usize = 2048;
/// How many hosts the owner of a credential may name.
const MAX_ENTRIES: usize = 100;
/// Longest of these entries, in bytes: a name of 253, a port, and some white space.
const LONGEST_ENTRY: usize = 300;

/// An https URL that has passed every rule a URL alone can break.
///
/// Its path and query may carry secrets, so Debug shows host and port only.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    host: String,
    port: u16,
}

impl Endpoint {
    /// Reads and judges a URL (`oauth.md` §e.5, §e.6).
    ///
    /// What cannot be read as an absolute URL of at most 2048 characters is [`Error::Spec`]. What can, but is not
    /// plain https to a host without user info, fragment and trailing dot, is [`Error::EndpointNotAllowed`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.chars().count() > MAX_LENGTH {
            return Err(Error::spec(format!("the endpoint's URL is longer than {MAX_LENGTH} characters")));
        }
        // The URL parser would drop or trim these silently and read a backslash as a slash; other readers of the
        // same text (CEL, people) do not, so both could see different hosts.
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

    /// Host in lower-case ASCII (Punycode where needed); IPv6 in brackets; never a trailing dot. Safe to show.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port, 443 where the URL names none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Another path of the same host, without a query.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        let mut other = self.clone();
        other.url.set_path(path);
        other.url.set_query(None);
        other
    }

    /// The same endpoint with form-encoded pairs appended to whatever query it has.
    #[must_use]
    pub fn with_query<'a>(&self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut extended = self.clone();
        let mut pairs = pairs.into_iter().peekable();
        // Without this an endpoint would gain a bare `?`.
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

/// The rule that a readable URL breaks.
fn refusal(text: &str, url: &Url, host: &str) -> Option<&'static str> {
    if url.scheme() != "https" {
        return Some("only https is spoken");
    }
    // `https:host` and `https:///host` are read as `https://host` by browsers and by nobody else.
    let after_scheme = match text.split_at_checked("https://".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https://") => rest,
        _ => "",
    };
    match after_scheme.split(['/', '?', '#']).next() {
        None | Some("") => Some("the URL must begin with https:// and a host"),
        // Read from the text, because an empty user info leaves no trace in the parsed URL.
        Some(authority) if authority.contains('@') => Some("the URL contains user information"),
        Some(_) if url.fragment().is_some() => Some("the URL contains a fragment"),
        Some(_) if host.ends_with('.') => Some("the host ends with a dot"),
        Some(_) => None,
    }
}

/// The hosts to which the owner of a credential lets it be sent (`oauth.md` §e.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostBinding {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    /// None = any port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    /// One host, in the spelling of [`Endpoint::host`].
    One(String),
    /// Every name with exactly one label before this domain.
    LabelUnder(String),
}

impl HostBinding {
    /// Reads the value of the annotation `tokensource.dev/allowed-hosts`: entries separated by commas, each an
    /// exact host or `*.domain` for exactly one label, with `:port` to pin a port. Case and surrounding white space
    /// do not matter; an entry that cannot be read matches nothing, and neither does any after the first hundred: the
    /// list is read at every reconcile.
    pub fn parse(text: &str) -> Self {
        let short = |entry: &&str| entry.len() <= LONGEST_ENTRY;
        Self { entries: text.split(',').take(MAX_ENTRIES).filter(short).filter_map(Entry::parse).collect() }
    }

    /// Whether the credential may be sent there.
    pub fn allows(&self, endpoint: &Endpoint) -> bool {
        self.entries.iter().any(|entry| entry.covers(endpoint))
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
        let host = match &self.hosts {
            Hosts::One(host) => host == endpoint.host(),
            Hosts::LabelUnder(domain) => endpoint
                .host()
                .split_once('.')
                .is_some_and(|(label, parent)| !label.is_empty() && parent == domain),
        };
        host && self.port.is_none_or(|port| port == endpoint.port())
    }
}

/// Splits `host:port`; the colons inside an IPv6 literal belong to the host.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => return Some((text, None)),
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| port.parse().ok()).flatten().map(|port| (host, Some(port)))
}

/// A host in the one spelling that URLs use, or None where it is no plain host.
fn canonical(text: &str) -> Option<Host> {
    // `%` and `*` survive or are decoded by the URL parser; neither stands in a host that somebody meant.
    if text.contains(['%', '*']) || text.ends_with('.') {
        return None;
    }
    Host::parse(text).ok()
}

#[cfg(test)]
mod tests;
