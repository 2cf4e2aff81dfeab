//! Resolves host names for many tenants at the same time.
//!
//! Reads `/etc/resolv.conf` and `/etc/hosts`. Names that never resolve should delay only their own tenant: a look-up has a
//! deadline, ends when it is abandoned, and counts against the tenant's share until then.
//! Must not know which addresses may be connected to (see [`super::egress`]), or what a tenant is.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup_ip::LookupIp;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};
use reqwest::dns::{self, Addrs, Resolve, Resolving};
use tokio::sync::Semaphore;

/// The deadline for one name, including all search domains and the wait for a permit. Shorter than the connect timeout, of
/// which resolving is a part, so that the error names the cause.
const DEADLINE: Duration = Duration::from_secs(4);
/// How long a name server may take before the query is repeated once.
const ATTEMPT: Duration = Duration::from_millis(1500);

/// How many names of one tenant are resolved at the same time.
const TENANT_LIMIT: usize = 8;
/// How many names are resolved at the same time. Each look-up has a socket for each address family and each of two name
/// servers, and by default a process may have only 1024 open files, sockets included.
const TOTAL_LIMIT: usize = 128;

/// Resolves names. Tenants do not delay each other unless sixteen or more tenants have many names that never resolve; then
/// tenants take turns.
pub struct Resolver {
    shared: Arc<Shared>,
    /// The share of each tenant that has a resolver.
    tenants: Mutex<HashMap<String, Weak<Share>>>,
}

struct Shared {
    dns: TokioResolver,
    hosts: Hosts,
    search: Vec<Name>,
    permits: Semaphore,
}

struct Share {
    permits: Semaphore,
    /// Held while waiting for a permit of [`Shared::permits`]. Only one look-up of each tenant waits there, so that tenants
    /// take turns.
    turn: tokio::sync::Mutex<()>,
}

/// A [`Resolver`] for one tenant.
#[derive(Clone)]
pub struct TenantResolver {
    shared: Arc<Shared>,
    share: Arc<Share>,
}

impl Resolver {
    /// A resolver with the system's configuration. Like the C library, this function assumes a name server on this machine
    /// if `/etc/resolv.conf` names none.
    pub fn system() -> io::Result<Self> {
        let config = match system_conf::read_system_conf() {
            Ok((config, _)) => config,
            Err(error) => {
                tracing::warn!(detail = %error, "/etc/resolv.conf is not usable; a name server at 127.0.0.1 is assumed");
                let local = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
                ResolverConfig::from_parts(None, Vec::new(), vec![local])
            }
        };
        Self::new(config, Hosts::from_system().unwrap_or_default())
    }

    fn new(config: ResolverConfig, hosts: Hosts) -> io::Result<Self> {
        let search = config.search().to_vec();
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options();
        let dns = builder.build().map_err(io::Error::other)?;
        let shared = Shared { dns, hosts, search, permits: Semaphore::new(TOTAL_LIMIT) };
        Ok(Self { shared: Arc::new(shared), tenants: Mutex::default() })
    }

    /// The resolver of one tenant. Its look-ups count against the tenant's share.
    pub fn of(&self, tenant: &str) -> TenantResolver {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let share = tenants.get(tenant).and_then(Weak::upgrade).unwrap_or_else(|| {
            tenants.retain(|_, share| share.strong_count() > 0);
            let share = Arc::new(Share {
                permits: Semaphore::new(TENANT_LIMIT),
                turn: tokio::sync::Mutex::default(),
            });
            tenants.insert(tenant.to_owned(), Arc::downgrade(&share));
            share
        });
        TenantResolver { shared: Arc::clone(&self.shared), share }
    }
}

/// Results are not cached, so that no tenant can see or influence the look-ups of another. Connections are kept.
fn options() -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.cache_size = 0;
    options.timeout = ATTEMPT;
    options.attempts = 1;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // `look_up` searches the entries of `/etc/hosts` itself, once for each name.
    options.use_hosts_file = ResolveHosts::Never;
    // Over TCP, the default would refuse the 33rd request.
    options.max_active_requests = 2 * TOTAL_LIMIT;
    options
}

impl TenantResolver {
    async fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let name = Name::from_ascii(host).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        if let Some(addresses) = self.shared.in_hosts(&name) {
            return Ok(addresses);
        }
        let closed = |_| io::Error::other("the resolver is closed");
        let _own = self.share.permits.acquire().await.map_err(closed)?;
        let _permit = {
            let _turn = self.share.turn.lock().await;
            self.shared.permits.acquire().await.map_err(closed)?
        };
        for candidate in candidates(&name, &self.shared.search) {
            match self.shared.dns.lookup_ip(candidate).await {
                Ok(found) if found.iter().next().is_some() => return Ok(addresses(found)),
                Ok(_) => {}
                Err(error) if does_not_exist(&error) => {}
                // It is unknown whether the name exists, so another name must not take its place.
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

impl Resolve for TenantResolver {
    fn resolve(&self, name: dns::Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let found = tokio::time::timeout(DEADLINE, this.look_up(name.as_str())).await;
            let found = found.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            // The client replaces port 0 with the port of the URL.
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

impl Shared {
    fn in_hosts(&self, name: &Name) -> Option<Vec<IpAddr>> {
        let found: Vec<IpAddr> = [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind)))
            .flat_map(|lookup| addresses(lookup.into()))
            .collect();
        (!found.is_empty()).then_some(found)
    }
}

fn addresses(found: LookupIp) -> Vec<IpAddr> {
    found.into_iter().collect()
}

/// The names to try, in this order. A name with a dot is tried unchanged first, for every value of `ndots`: with Kubernetes'
/// `ndots:5`, a Service `login` in a namespace `com` would otherwise receive the requests for `login.com`.
fn candidates(name: &Name, search: &[Name]) -> Vec<Name> {
    let mut absolute = name.clone();
    absolute.set_fqdn(true);
    let below = search.iter().filter_map(|domain| name.clone().append_domain(domain).ok());
    let below = below.map(|mut name| {
        name.set_fqdn(true);
        name
    });
    if name.num_labels() > 1 {
        std::iter::once(absolute).chain(below).collect()
    } else {
        below.chain([absolute]).collect()
    }
}

/// Whether a name server has answered that the name, or an address for it, does not exist. Only then may a search domain be
/// tried: a failed look-up must not lead to another host.
fn does_not_exist(error: &NetError) -> bool {
    let NetError::Dns(DnsError::NoRecordsFound(NoRecords { response_code, .. })) = error else {
        return false;
    };
    matches!(*response_code, ResponseCode::NXDomain | ResponseCode::NoError)
}

#[cfg(test)]
mod tests;
