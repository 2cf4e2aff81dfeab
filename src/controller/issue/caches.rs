//! The caches that the requests of all TokenSources share. Must not know what a request is made of.

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
    /// Empty caches. `config` is the configuration of the API server's client.
    pub(crate) fn new(config: &Config, settings: &Settings) -> Self {
        Self {
            clients: TokenClients::new(settings.addresses.clone(), settings.resolver.clone()),
            metadata: MetadataCache::new(settings.clock),
            audiences: Audiences::new(config),
        }
    }
}
