//! What the process knows of the cluster, and how that is kept up to date: lists, watches, and what is read of objects.
//! Knows the API server's answers. Must not know what a reconcile does with them.

mod budget;
mod client;
mod decode;
mod faults;
mod retry;
mod scanner;
mod watch;

pub(in crate::controller) use budget::Budget;
pub use client::connect;
pub(in crate::controller) use decode::{Watched, unreadable};
pub(in crate::controller) use faults::Faults;
pub(in crate::controller) use watch::{Selection, Standing, watch_objects};
