//! The protocol: RFC 6749 and related RFCs, and how token endpoints deviate from them.
//!
//! Knows requests, responses, lifetimes, and which addresses may be connected to. Must not know Kubernetes: of the other
//! layers, only reasons and a provider's settings are used here.

mod assertion;
mod content_encoding;
mod egress;
mod endpoint;
mod error;
mod error_table;
mod expiry;
mod metadata;
mod proxy;
mod redactor;
mod request;
mod resolver;
mod response;
mod revocation;
mod secret;
mod secret_file;
mod token;
mod token_client;

pub use assertion::{Assertion, CertificateHeaders, SigningContext};
pub use egress::AddressPolicy;
pub use endpoint::{Endpoint, HostBinding};
pub use error::{Error, Repeat, Retry};
pub use metadata::{Issuer, Metadata};
pub use proxy::{OutboundProxy, ProxyFlagError};
pub use request::{
    Client, ClientAuthentication, Grant, GrantKind, HttpRequest, JWT_BEARER, RequestHeader, RequestParameter,
    TOKEN_EXCHANGE, TokenRequest, TypedToken, build, trim_one_newline,
};
pub use resolver::{Resolver, TenantResolver};
pub use response::{Disclosure, HttpResponse, ResponseContext, is_refresh_token, read};
pub use revocation::{TokenTypeHint, read_revocation, revocation};
pub use secret::Secret;
pub use secret_file::{FileFault, read_secret_file};
pub use token::{Notice, Token};
pub use token_client::{ClientCertificate, ClientSettings, TokenClient};

/// The `User-Agent` of every request whose spec sets no other: some firewalls refuse requests without this header.
pub const USER_AGENT: &str = concat!("tokensource/", env!("CARGO_PKG_VERSION"));
