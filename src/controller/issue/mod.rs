//! One way to get a token: everything that a request is made of is looked up, the request is sent, the answer is read.
//! Must not know why a token is wanted, nor where it is written.

pub(crate) mod audiences;
pub(crate) mod caches;
pub(crate) mod error;
pub(crate) mod inputs;
pub(crate) mod lookup;
pub(crate) mod metadata_cache;
pub(crate) mod send;
pub(crate) mod service_accounts;
pub(crate) mod tenant_cache;
pub(crate) mod token_clients;
