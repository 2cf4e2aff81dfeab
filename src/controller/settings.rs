//! What the operator chose, and the clock and random numbers of the process.
//! Must not know how a setting is given.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::controller::error::CallError;
use crate::controller::leadership::Leadership;
use crate::oauth::{AddressPolicy, Resolver};

/// What the operator chose on the command line.
#[derive(Clone)]
pub struct Settings {
    /// The namespaces to serve; empty for all.
    pub namespaces: Vec<String>,
    /// The `TokenSource`s to serve, by label; none for all.
    pub selector: Option<String>,
    /// Which addresses may be spoken to.
    pub addresses: AddressPolicy,
    /// How names of hosts become addresses.
    pub resolver: Arc<Resolver>,
    /// Endpoints may come from `ClusterTokenProvider`s only.
    pub only_cluster_providers: bool,
    /// How many reconciles may run at once.
    pub concurrency: u16,
    /// Namespace and name of the Secret that keeps the key for the hash of credentials.
    pub key_secret: (String, String),
    /// Whether this process may act.
    pub leadership: Leadership,
    /// Reads the clock; the one way in which time enters.
    pub clock: fn() -> DateTime<Utc>,
    /// Draws a text never used before; the one way in which chance enters. None where the system gives none.
    pub nonce: fn() -> Option<String>,
}

impl Settings {
    /// The time now.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// Fails unless this process leads. Checked before each token request and each write.
    pub(crate) fn lead(&self) -> Result<(), CallError> {
        if self.leadership.holds(self.now()) { Ok(()) } else { Err(CallError::NotLeading) }
    }
}
