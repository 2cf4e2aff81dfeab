//! Issuing a token: collects what a request is made of, sends the request, and reads the answer. The controller and
//! `tokensource check` use the same functions, each with its own [`lookup::Lookup`].
//! Must not know why a token is wanted, where it is written, or what a cluster is.

pub(crate) mod caches;
pub(crate) mod error;
pub(crate) mod inputs;
pub(crate) mod lookup;
pub(crate) mod metadata_cache;
pub(crate) mod revoke;
pub(crate) mod send;
pub(crate) mod tenant_cache;
pub(crate) mod token_clients;
