//! The operator's settings, and the clock and random numbers of the process.
//! Must not know how a setting is given.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::controller::error::CallError;
use crate::controller::leadership::Leadership;
use crate::oauth::{AddressPolicy, OutboundProxy, Resolver};

/// The settings from the command line, and the clock and random numbers, which tests replace.
#[derive(Clone)]
pub struct Settings {
    /// The namespaces to serve; empty for all.
    pub namespaces: Vec<String>,
    /// The `TokenSource`s to serve, by label; None for all.
    pub selector: Option<String>,
    /// The addresses that requests may be sent to.
    pub addresses: AddressPolicy,
    /// The proxy for requests to providers.
    pub proxy: Option<Arc<OutboundProxy>>,
    /// Resolves host names.
    pub resolver: Arc<Resolver>,
    /// Endpoints may come only from `ClusterTokenProvider`s.
    pub only_cluster_providers: bool,
    /// How many reconciles may work at the same time, not counting those that wait for a provider, and how many requests
    /// each limiter permits at the same time.
    pub concurrency: u16,
    /// Namespace and name of the Secret that keeps the key for the hash of credentials.
    pub key_secret: (String, String),
    /// Whether this process leads.
    pub leadership: Leadership,
    /// Reads the wall clock. The controller reads it in no other way.
    pub clock: fn() -> DateTime<Utc>,
    /// Makes a text that was never used before; None if the system gives no random numbers. The controller uses no other
    /// randomness.
    pub nonce: fn() -> Option<String>,
}

impl Settings {
    /// The time now.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// Fails unless this process leads. Checked before each request for a token or a revocation, and before each write
    /// except of Events.
    pub(crate) fn ensure_leading(&self) -> Result<(), CallError> {
        if self.leadership.holds(self.now()) { Ok(()) } else { Err(CallError::NotLeading) }
    }
}
