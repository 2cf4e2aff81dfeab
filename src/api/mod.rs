//! What the user writes and reads: kinds, fields, annotations, reasons.
//!
//! Knows the contract and nothing else. Must not know how any of it comes about: no behaviour beyond defaults,
//! no client, no clock.

#![allow(unreachable_pub)] // KubeSchema expands to items marked so
#![allow(clippy::duplicated_attributes)] // printer columns repeat their members
#![allow(clippy::doc_markdown)] // these texts are what kubectl explain shows, where backticks are noise

pub mod annotation;
mod client_authentication;
mod condition;
mod crd;
mod duration;
mod grant;
mod provider;
pub mod reason;
mod response;
mod rule;
mod source;
mod status;
mod target;
pub mod text;
mod time;
mod workload;

pub use client_authentication::{
    AssertionSettings, BasicEncoding, ClientAuthentication, ClientAuthenticationMethod, JsonWebAlgorithm,
    SendClientId, ServiceAccountTokenSettings,
};
pub use condition::ConditionType;
pub use crd::definitions;
pub use duration::Duration;
pub use grant::{AssertionGrant, RefreshPolicy, RefreshSettings, SubjectToken};
pub use provider::{
    BodyFormat, ClusterTokenProvider, ClusterTokenProviderSpec, Header, KeyReference, ObjectReference,
    Parameter, ParameterPlace, ParameterType, Tls, TokenProvider, TokenProviderSpec,
};
pub use reason::Reason;
pub use response::{ExpirySettings, ExpiryUnit, ResponseFields, ResponseSettings};
pub use source::{
    CredentialKeys, CredentialsReference, OnRevoked, Probe, ProviderKind, ProviderReference, Renewal,
    RequestedToken, TokenSource, TokenSourceSpec,
};
pub use status::{StatusNotice, TargetStatus, TokenSourceStatus};
pub use target::{LongText, RESERVED_TYPES, ShortText, TARGET_KEYS, Target};
pub use time::{from_kubernetes, to_kubernetes};
pub use workload::{Workload, WorkloadKind};

/// The API group of all three kinds.
pub const GROUP: &str = "tokensource.dev";

/// The field manager of every write, so that server-side apply knows what is ours.
pub const FIELD_MANAGER: &str = "tokensource";

/// True for a value equal to its default: such fields are left out when a spec is written down, so that a field
/// added by a later version changes no fingerprint of an existing object.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
