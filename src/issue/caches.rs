//! The caches that all requests share. Must not know the parts of a request.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::issue::metadata_cache::MetadataCache;
use crate::issue::token_clients::TokenClients;
use crate::oauth::{AddressPolicy, OutboundProxy, Resolver};

/// The caches.
pub(crate) struct Caches {
    /// HTTP clients.
    pub(crate) clients: TokenClients,
    /// Metadata of issuers.
    pub(crate) metadata: MetadataCache,
}

impl Caches {
    /// Empty caches. Without a resolver, the system's library resolves names.
    pub(crate) fn new(
        addresses: AddressPolicy,
        resolver: Option<Arc<Resolver>>,
        proxy: Option<Arc<OutboundProxy>>,
        clock: fn() -> DateTime<Utc>,
    ) -> Self {
        Self { clients: TokenClients::new(addresses, resolver, proxy), metadata: MetadataCache::new(clock) }
    }
}
