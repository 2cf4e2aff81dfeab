//! The contract with users: kinds, fields, annotations, reasons.
//!
//! Must not know how the contract is carried out: no behaviour beyond defaults, look-ups and conversions, no client, no
//! clock.

#![allow(unreachable_pub)] // KubeSchema expands to such items
#![allow(clippy::duplicated_attributes)] // printer columns repeat attribute names
#![allow(clippy::doc_markdown)] // kubectl explain shows these texts, where backticks are noise

pub mod annotation;
mod client_authentication;
mod cluster_provider;
mod condition;
mod crd;
mod duration;
mod grant;
mod input;
mod parameter;
mod provider;
mod provider_status;
pub mod reason;
mod reference;
mod response;
mod revocation;
mod rule;
mod signed_token;
mod source;
mod status;
mod target;
pub mod text;
mod time;
mod workload;

pub use client_authentication::{
    AssertionSettings, BasicEncoding, BearerToken, ClientAuthentication, ClientAuthenticationMethod,
    JsonWebAlgorithm, SendClientId,
};
pub use cluster_provider::{ClusterTokenProvider, ClusterTokenProviderSpec};
pub use condition::ConditionType;
pub use crd::definitions;
pub use duration::Duration;
pub use grant::{AssertionGrant, ExchangeToken, RefreshPolicy, RefreshSettings};
pub use input::{InputSource, RequestPart, ServiceAccountTokenSettings, TokenInput, ValueSource};
pub use parameter::{
    BodyFormat, Header, Parameter, ParameterPlace, ParameterType, RequestMethod, is_reserved_parameter,
};
pub use provider::{Tls, TokenProvider, TokenProviderSpec};
pub use provider_status::TokenProviderStatus;
pub use reason::{Reason, ReasonKind};
pub use reference::{KeyReference, ObjectReference};
pub use response::{ErrorCode, ExpirySettings, ExpiryUnit, ResponseFields, ResponseSettings};
pub use revocation::Revocation;
pub use signed_token::SignedToken;
pub use source::{
    CredentialKeys, CredentialsReference, OnRevoked, Probe, ProviderKind, ProviderReference, Renewal,
    RequestedToken, TokenSource, TokenSourceSpec,
};
pub use status::{StatusNotice, TargetStatus, TokenSourceStatus};
pub use target::{HostText, LongText, RESERVED_TYPES, ShortText, TARGET_KEYS, Target};
pub use time::{from_kubernetes, timestamp, to_kubernetes};
pub use workload::{Workload, WorkloadKind};

/// The API group of all three kinds.
pub const GROUP: &str = "tokensource.dev";

/// The controller's field manager, by which server-side apply distinguishes the controller's fields from others.
pub const FIELD_MANAGER: &str = "tokensource";

/// Whether a value equals its default. Such fields are not serialized, so that a field which a later version adds does not
/// change the fingerprints of existing objects.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Declares one method for each of these optional text fields, which returns the field's value or its default.
macro_rules! text_defaults {
    ($($(#[$documentation:meta])* $field:ident: $default:literal,)+) => {$(
        $(#[$documentation])*
        pub fn $field(&self) -> &str {
            self.$field.as_deref().unwrap_or($default)
        }
    )+};
}
use text_defaults;
