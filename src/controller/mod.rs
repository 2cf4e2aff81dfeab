//! Kubernetes I/O, as a story of four steps: observe → decide → act → record.
//!
//! Knows the API server, and which objects lead to which `TokenSource`. Must not decide anything: what to do, what
//! to report and when to look again are asked of `decide`.
//!
//! `reconcile` is the story, `scope` what sets it off, `queue` the workqueue, `run` what holds it
//! together.

mod act;
mod announce;
mod cluster;
mod collectors;
mod context;
mod error;
mod exchangers;
mod former_targets;
mod issuers;
mod leadership;
mod log;
mod materials;
mod memory;
mod metrics;
mod mint;
mod observe;
mod probe;
mod provider;
mod publish;
mod queue;
mod reconcile;
mod record;
mod references;
mod refresh;
mod restart;
mod rights;
mod run;
mod scope;
mod secrets;
mod service_accounts;
mod target;
mod tenant_cache;
mod turn;
mod value_key;
mod versions;
mod view;

pub use context::{Context, Settings};
pub use error::{Error, chain};
pub use leadership::{Leadership, Until};
pub use metrics::Metrics;
pub use rights::Rights;
pub use run::{Controller, Health};
pub use view::connect;
