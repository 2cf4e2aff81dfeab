//! What the controller reports besides the status: metrics, Events and log lines.
//! Must not decide what is worth reporting.

pub(crate) mod collectors;
pub(crate) mod events;
pub(crate) mod log;
pub(crate) mod metrics;
