//! Issuing a token: collects what a request is made of, sends the request, and reads the answer.
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
