//! The addresses that requests may be sent to, a resolver that returns no others, and a resolver for the operator's proxy.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

use super::endpoint::Endpoint;
use super::error::Error;

/// Services of cloud platforms that give credentials to anyone who can connect, outside the link-local ranges: Azure's host,
/// Alibaba's metadata service, and an older one of Oracle.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];

/// Metadata services over IPv6: Google, Oracle, Scaleway, Akamai and Alibaba. Amazon's services have a range of their own,
/// `fd00:ec2::/32`.
const METADATA_V6: [Ipv6Addr; 5] = [
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
    Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200),
];

/// The addresses that may be connected to. By default: public and private addresses, but no loopback, link-local, multicast,
/// unspecified or reserved address, and no metadata service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    /// `--allow-network`: permitted whatever other rule refuses it.
    pub allow: Vec<IpNet>,
    /// `--deny-network`: refused in addition to the built-in ranges.
    pub deny: Vec<IpNet>,
}

/// Why an address is refused. The text does not contain the address, because tenants read it and must not learn what names
/// resolve to inside the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// `--deny-network` covers the address.
    #[error("an address in a network that the operator denies")]
    Denied,
    /// 127/8, `::1`.
    #[error("a loopback address")]
    Loopback,
    /// 169.254/16, `fe80::/10`; most metadata services are here.
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
    /// 240/4 with the broadcast address, 192.0.0/24 (IETF protocols) and 198.18/15 (benchmarks): no token endpoint has such
    /// an address, but components of the cluster may.
    #[error("a reserved address")]
    Reserved,
}

impl AddressPolicy {
    /// Why a connection to this address is refused; None if it is permitted.
    ///
    /// An IPv6 address that embeds an IPv4 address may lead to either, so both are checked.
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
                let within =
                    || embedded(address).into_iter().find_map(|inner| self.refusal(IpAddr::V4(inner)));
                built_in_v6(address).or_else(within)
            }
        }
    }

    /// Checks an endpoint whose host is a literal address. Names pass; their addresses are checked after resolution.
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

    /// Checks an endpoint whose name a proxy resolves. Only `localhost` and the names under it have known addresses (RFC
    /// 6761 §6.3): for these names, a proxy would contact its own machine.
    pub(super) fn check_name(&self, endpoint: &Endpoint) -> Result<(), Error> {
        let host = endpoint.host();
        let is_local = host == "localhost" || host.ends_with(".localhost");
        match self.refusal(IpAddr::V4(Ipv4Addr::LOCALHOST)).filter(|_| is_local) {
            None => Ok(()),
            Some(refusal) => Err(Error::not_allowed(host, format!("it is {refusal}"))),
        }
    }
}

fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

fn built_in_v4(address: Ipv4Addr) -> Option<Refusal> {
    match address.octets() {
        _ if METADATA_V4.contains(&address) => Some(Refusal::Metadata),
        [0, ..] => Some(Refusal::Unspecified),
        [127, ..] => Some(Refusal::Loopback),
        [169, 254, ..] => Some(Refusal::LinkLocal),
        [192, 0, 0, _] | [198, 18 | 19, ..] | [240..=255, ..] => Some(Refusal::Reserved),
        [224..=239, ..] => Some(Refusal::Multicast),
        _ => None,
    }
}

fn built_in_v6(address: Ipv6Addr) -> Option<Refusal> {
    let [first, second, ..] = address.segments();
    match (first, second) {
        (0xfd00, 0x0ec2) => Some(Refusal::Metadata),
        _ if METADATA_V6.contains(&address) => Some(Refusal::Metadata),
        _ if address.is_unspecified() => Some(Refusal::Unspecified),
        _ if address.is_loopback() => Some(Refusal::Loopback),
        _ if address.is_unicast_link_local() => Some(Refusal::LinkLocal),
        _ if address.is_multicast() => Some(Refusal::Multicast),
        _ => None,
    }
}

/// The IPv4 addresses that a packet to this IPv6 address may reach, if the address itself contains them. NAT64 prefixes that
/// an operator has chosen (RFC 6052) cannot be recognised; `--deny-network` is for those.
fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let octets = address.octets();
    let of = |[a, b, c, d]: [usize; 4]| {
        let octet = |index: usize| octets.get(index).copied().unwrap_or_default();
        Ipv4Addr::new(octet(a), octet(b), octet(c), octet(d))
    };
    let last = of([12, 13, 14, 15]);
    match address.segments() {
        // Mapped (RFC 4291 §2.5.5.2), the deprecated compatible form (§2.5.5.1), translated (SIIT, RFC 2765 §2.1), and
        // NAT64 (RFC 6052 §2.1).
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            vec![last]
        }
        // NAT64 under the local-use prefix (RFC 8215): the position of the address depends on the length of the prefix
        // (RFC 6052 §2.2), and the unused positions mostly hold zeros.
        [0x64, 0xff9b, 1, ..] => [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]]
            .map(of)
            .into_iter()
            .filter(|inner| inner.octets().first() != Some(&0))
            .collect(),
        // 6to4 (RFC 3056).
        [0x2002, ..] => vec![of([2, 3, 4, 5])],
        // Teredo (RFC 4380 §4): the server's address, and the client's with all bits inverted.
        [0x2001, 0, ..] => vec![of([4, 5, 6, 7]), Ipv4Addr::from_bits(!last.to_bits())],
        // ISATAP (RFC 5214 §6.1), whatever the prefix.
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => vec![last],
        _ => Vec::new(),
    }
}

/// Every address of a name is refused. The token client finds this error by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name resolves to {0}")]
pub(super) struct AddressRefused(pub(super) Refusal);

/// A resolver that returns only the permitted addresses of another resolver.
#[derive(Clone)]
pub(super) struct GuardedResolver {
    policy: Arc<AddressPolicy>,
    inner: Arc<dyn Resolve>,
}

impl GuardedResolver {
    /// Guards the system's resolver, which uses the cluster's search domains and `/etc/hosts`.
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

/// A resolver for the name of the operator's proxy, whose addresses no rule restricts: the operator has chosen it. Any other
/// name fails, so that no endpoint can pass through it unchecked.
pub(super) struct ProxyResolver {
    inner: Arc<dyn Resolve>,
    name: String,
}

impl ProxyResolver {
    /// Resolves this name only, with the given resolver or else the system's.
    pub(super) fn new(name: &str, inner: Option<Arc<dyn Resolve>>) -> Self {
        Self { inner: inner.unwrap_or_else(|| Arc::new(SystemResolver)), name: name.to_owned() }
    }
}

impl Resolve for ProxyResolver {
    fn resolve(&self, name: Name) -> Resolving {
        if name.as_str() == self.name {
            return self.inner.resolve(name);
        }
        Box::pin(async { Err(io::Error::from(io::ErrorKind::NotFound).into()) })
    }
}

/// `getaddrinfo`, on tokio's threads for blocking calls.
struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The client replaces port 0 with the port of the URL.
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
