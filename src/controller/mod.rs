//! Kubernetes I/O. A reconcile has four steps: observe → decide → act → record.
//!
//! Knows the API server, and which objects affect which `TokenSource`. Must not decide what to do, what a status says, or
//! when a token is requested: `decide` does.
//!
//! - `reconcile`: one reconcile, from the observation to the status that is written.
//! - `view`: what the process knows of the cluster, and which changes trigger a reconcile.
//! - `provider`: the limiters in front of providers.
//! - `report`: statuses, metrics, Events, log lines and traces.
//! - `workqueue`: which reconcile begins next. `run`: start and shutdown.

mod error;
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
