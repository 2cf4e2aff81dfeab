//! What a request for a token is made of, and the caches that requests share.
//! Must not know why a token is wanted, nor where it is written.

pub(crate) mod inputs;
pub(crate) mod metadata_cache;
pub(crate) mod service_accounts;
pub(crate) mod tenant_cache;
pub(crate) mod token_clients;
