//! The Secrets that a request is made with: which of their versions count, and the Secret that stores a refresh token.
//! Must not know what a token request looks like.

pub(crate) mod lookup;
pub(crate) mod refresh_token;
pub(crate) mod service_accounts;
pub(crate) mod upstream;
pub(crate) mod value_key;
pub(crate) mod versions;
