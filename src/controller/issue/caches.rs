//! The caches that requests of all TokenSources share. Must not know what any of them holds.

use kube::Config;

use crate::controller::issue::audiences::Audiences;
use crate::controller::issue::metadata_cache::MetadataCache;
use crate::controller::issue::token_clients::TokenClients;
use crate::controller::settings::Settings;

/// The caches.
pub(crate) struct Caches {
    /// HTTP clients.
    pub(crate) clients: TokenClients,
    /// Metadata of issuers.
    pub(crate) metadata: MetadataCache,
    /// Audiences that are not the API server's own.
    pub(crate) audiences: Audiences,
}

impl Caches {
    /// Empty ones. `config` leads to the API server.
    pub(crate) fn new(config: &Config, settings: &Settings) -> Self {
        Self {
            clients: TokenClients::new(settings.addresses.clone(), settings.resolver.clone()),
            metadata: MetadataCache::new(settings.clock),
            audiences: Audiences::new(config),
        }
    }
}
