//! Which addresses may be connected to, and the resolver that hands out no others.
//! Knows address ranges and the operator's flags. Must not know requests, tenants or credentials.
//! The resolver returns exactly the addresses it has judged, and the client connects to what it returns: there is
//! no second look-up between check and use (`oauth.md` §e.2). Literal addresses never reach a resolver, so they
//! are judged by [`AddressPolicy::check_literal`].

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

use super::endpoint::Endpoint;
use super::error::Error;

/// Services of cloud platforms that hand credentials to whoever can connect, outside the link-local ranges:
/// Azure's host, Alibaba's and Oracle's older metadata services.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];

/// Google's metadata service over IPv6. Amazon's have a range of their own, `fd00:ec2::/32`.
const GOOGLE_METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);

/// Where connections may go: public and private addresses by default, never the node itself, its link, or a
/// metadata service, unless the operator says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    /// `--allow-network`: permitted whatever else is said here.
    pub allow: Vec<IpNet>,
    /// `--deny-network`: refused in addition to the built-in ranges.
    pub deny: Vec<IpNet>,
}

/// Why an address is refused. Says nothing of the address itself: the message reaches tenants, who need not learn
/// what names resolve to inside the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// `--deny-network` covers it.
    #[error("an address in a network that the operator denies")]
    Denied,
    /// 127/8, `::1`.
    #[error("a loopback address")]
    Loopback,
    /// 169.254/16, `fe80::/10`: most metadata services, too.
    #[error("a link-local address")]
    LinkLocal,
    /// A cloud platform's service for its own machines.
    #[error("a metadata service of a cloud platform")]
    Metadata,
    /// 224/4, `ff00::/8`.
    #[error("a multicast address")]
    Multicast,
    /// 0/8, `::`, which many systems read as "this host".
    #[error("an unspecified address")]
    Unspecified,
    /// 240/4 with the broadcast address.
    #[error("a reserved address")]
    Reserved,
}

impl AddressPolicy {
    /// Whether a connection to this address may be opened.
    pub fn permits(&self, address: IpAddr) -> bool {
        self.refusal(address).is_none()
    }

    /// Why a connection to this address may not be opened; None = it may.
    ///
    /// An IPv6 address that carries an IPv4 one is reached under either, so both are judged.
    pub(super) fn refusal(&self, address: IpAddr) -> Option<Refusal> {
        if contains(&self.allow, address) {
            return None;
        }
        if contains(&self.deny, address) {
            return Some(Refusal::Denied);
        }
        match address {
            IpAddr::V4(address) => built_in_v4(address),
            IpAddr::V6(address) => {
                built_in_v6(address).or_else(|| self.refusal(IpAddr::V4(embedded(address)?)))
            }
        }
    }

    /// Judges an endpoint whose host is an address; names pass, to be judged once they are resolved.
    pub(super) fn check_literal(&self, endpoint: &Endpoint) -> Result<(), Error> {
        let address = match endpoint.url().host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        match self.refusal(address) {
            None => Ok(()),
            Some(refusal) => Err(Error::not_allowed(endpoint.host(), format!("it is {refusal}"))),
        }
    }
}

fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

fn built_in_v4(address: Ipv4Addr) -> Option<Refusal> {
    let [first, ..] = address.octets();
    match first {
        0 => Some(Refusal::Unspecified),
        127 => Some(Refusal::Loopback),
        224..=239 => Some(Refusal::Multicast),
        240..=255 => Some(Refusal::Reserved),
        _ if address.is_link_local() => Some(Refusal::LinkLocal),
        _ if METADATA_V4.contains(&address) => Some(Refusal::Metadata),
        _ => None,
    }
}

fn built_in_v6(address: Ipv6Addr) -> Option<Refusal> {
    let [first, second, ..] = address.segments();
    match (first, second) {
        (0xfd00, 0x0ec2) => Some(Refusal::Metadata),
        _ if address == GOOGLE_METADATA_V6 => Some(Refusal::Metadata),
        _ if address.is_unspecified() => Some(Refusal::Unspecified),
        _ if address.is_loopback() => Some(Refusal::Loopback),
        _ if address.is_unicast_link_local() => Some(Refusal::LinkLocal),
        _ if address.is_multicast() => Some(Refusal::Multicast),
        _ => None,
    }
}

/// The IPv4 address at which a packet to this IPv6 address may end up.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (
        // Mapped (RFC 4291 §2.5.5.2) and the deprecated compatible form (§2.5.5.1).
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        // NAT64 (RFC 6052 §2.1).
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // NAT64 under the local-use prefix (RFC 8215), in its usual layout of 96 bits before the address.
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        // 6to4 (RFC 3056).
        | [0x2002, high, low, ..]
    ) = address.segments()
    else {
        return None;
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

/// A resolver's answer of which nothing may be used. Found again by type in the client's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name resolves to {0}")]
pub(super) struct AddressRefused(pub(super) Refusal);

/// A resolver that passes on another one's permitted addresses only.
#[derive(Clone)]
pub(super) struct GuardedResolver {
    policy: Arc<AddressPolicy>,
    inner: Arc<dyn Resolve>,
}

impl GuardedResolver {
    /// Guards the system's resolver, which keeps the cluster's search domains and `/etc/hosts`.
    pub(super) fn system(policy: Arc<AddressPolicy>) -> Self {
        Self::new(policy, Arc::new(SystemResolver))
    }

    /// Guards any resolver.
    pub(super) fn new(policy: Arc<AddressPolicy>, inner: Arc<dyn Resolve>) -> Self {
        Self { policy, inner }
    }
}

impl fmt::Debug for GuardedResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedResolver").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        let answer = self.inner.resolve(name);
        Box::pin(async move {
            let mut refused = None;
            let permitted: Vec<SocketAddr> = answer
                .await?
                .filter(|address| match policy.refusal(address.ip()) {
                    None => true,
                    Some(refusal) => {
                        refused = Some(refusal);
                        false
                    }
                })
                .collect();
            match refused {
                Some(refusal) if permitted.is_empty() => Err(AddressRefused(refusal).into()),
                None if permitted.is_empty() => Err(io::Error::from(io::ErrorKind::NotFound).into()),
                _ => Ok(Box::new(permitted.into_iter()) as Addrs),
            }
        })
    }
}

/// `getaddrinfo`, on tokio's threads for blocking calls.
struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The client puts the URL's port in the place of 0.
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
