//! The inputs of a request in the cluster: Secrets and their versions in the fingerprint, tokens of ServiceAccounts and of
//! other TokenSources, and the Secret that stores a refresh token.

pub(crate) mod lookup;
pub(crate) mod refresh_token;
pub(crate) mod service_accounts;
pub(crate) mod upstream;
pub(crate) mod value_key;
pub(crate) mod versions;
