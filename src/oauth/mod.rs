//! The protocol: RFC 6749 and its relatives, and token endpoints as they are in the wild.
//!
//! Knows requests, answers, lifetimes, and which addresses may be spoken to. Must not know Kubernetes: of the other
//! layers only the vocabulary of reasons is used here.

mod assertion;
mod content;
mod disclosure;
mod egress;
mod endpoint;
mod error;
mod error_table;
mod exchange;
mod expiry;
mod metadata;
mod request;
mod resolver;
mod response;
mod secret;
mod token;

pub use assertion::{Algorithm, Assertion, Moment};
pub use egress::AddressPolicy;
pub use endpoint::{Endpoint, HostBinding};
pub use error::{Error, Repeat, Retry};
pub use exchange::{ClientCertificate, Exchanger, Transport};
pub use expiry::{ExpiryRules, ExpiryUnit};
pub use metadata::{Issuer, Metadata};
pub use request::{
    BasicEncoding, BodyFormat, Client, ClientAuthentication, Grant, GrantKind, Parameter, ParameterPlace,
    ParameterValue, SendClientId, TokenRequest, WireRequest, build, trim_one_newline,
};
pub use resolver::{Resolver, TenantResolver};
pub use response::{Answer, Disclosure, FieldPointers, Reading, ResponseRules, is_refresh_token, read};
pub use secret::Secret;
pub use token::{Notice, Token};
