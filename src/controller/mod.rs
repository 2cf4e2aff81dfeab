//! Kubernetes I/O, as a story of four steps: observe → decide → act → record.
//!
//! Knows the API server, and which objects lead to which `TokenSource`. Must not decide anything: what to do, what
//! to report and when to look again are asked of `decide`.
//!
//! - `reconcile`: one reconcile, from what is observed to the status that is written.
//! - `view`: what the process knows of the cluster, and which changes set off a reconcile.
//! - `provider`: the limiters in front of providers.
//! - `issue`: what a request for a token is made of.
//! - `report`: metrics, Events and log lines.
//! - `workqueue` decides which reconcile begins next; `run` starts and ends everything.

mod error;
mod issue;
mod leadership;
mod provider;
mod reconcile;
mod report;
mod run;
mod settings;
mod view;
mod workqueue;

pub use error::{Error, chain};
pub use leadership::{Leadership, Until};
pub use report::metrics::Metrics;
pub use run::{Controller, Health};
pub use settings::Settings;
pub use view::rights::Rights;
pub use view::watch::{WatchClient, connect};
