//! tokensource: a user applies a `TokenSource`, and a Secret holds a fresh OAuth 2.0 access token for ever after.
//!
//! Folders are layers, and arrows point one way: each knows only those above it in this list.
//!
//! - [`api`]: what users write and read. Knows the contract; no behaviour.
//! - [`oauth`]: the protocol. Knows no Kubernetes; of `api` it uses the vocabulary of reasons alone.
//! - [`decide`]: what should happen. Pure: no async, client, clock, environment or random number.
//! - [`controller`]: Kubernetes I/O, as a story: observe, decide, act, record.
//! - [`runtime`]: the process: arguments, admin endpoint, metrics, telemetry, shutdown.
//! - [`cli`]: the subcommands for people. Of the others it knows `api`, `oauth` and `decide` alone, and nobody knows it.
//!
//! Beside the layers stands [`panics`], which all of them may use: what becomes of a panic.
//!
//! `tests/layers.rs` holds the arrows to that.

pub mod api;
pub mod cli;
pub mod controller;
pub mod decide;
pub mod oauth;
pub mod panics;
pub mod runtime;
