//! The Secrets that a request uses: which of their versions are part of the fingerprint, and the Secret that stores a
//! refresh token.

pub(crate) mod lookup;
pub(crate) mod refresh_token;
pub(crate) mod service_accounts;
pub(crate) mod upstream;
pub(crate) mod value_key;
pub(crate) mod versions;
