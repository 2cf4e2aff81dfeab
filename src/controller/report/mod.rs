//! Reports to people: statuses, metrics, Events and log lines. Must not decide which facts are worth reporting.

pub(crate) mod collectors;
pub(crate) mod events;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod provider_status;
pub(crate) mod status;
