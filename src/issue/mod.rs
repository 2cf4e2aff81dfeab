//! Issues a token: collects the parts of a request, sends it, and reads the answer. The controller and `tokensource check`
//! use the same functions, each with its own [`lookup::Lookup`]. Must not know why a token is needed, where it is written,
//! or that there is a cluster.

pub(crate) mod caches;
pub(crate) mod error;
pub(crate) mod inputs;
pub(crate) mod lookup;
pub(crate) mod metadata_cache;
pub(crate) mod revoke;
pub(crate) mod send;
pub(crate) mod tenant_cache;
pub(crate) mod token_clients;
