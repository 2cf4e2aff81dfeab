//! Reports to people: statuses, metrics, Events, log lines and traces. Must not decide the content of a status, nor which
//! transitions are worth an Event.

pub(crate) mod collectors;
pub(crate) mod events;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod provider_status;
pub(crate) mod status;
pub(crate) mod traces;
