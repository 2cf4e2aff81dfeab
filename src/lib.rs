//! tokensource: a user applies a `TokenSource`, and the controller keeps a fresh OAuth 2.0 access token in a Secret.
//!
//! Each directory is a layer, which may use only the layers above it in this list:
//!
//! - [`api`]: the contract with users. No behaviour.
//! - [`oauth`]: the protocol. Knows no Kubernetes; of `api` it uses only reasons and the types of a provider's settings.
//! - [`decide`]: the decisions. Pure: no async, client, clock, environment or random number.
//! - `issue`: the one way to get a token, over a trait that reads its inputs.
//! - [`controller`]: Kubernetes I/O in four steps: observe, decide, act, record.
//! - [`runtime`]: the process: arguments, clock, lease, admin endpoint, log, traces, shutdown.
//! - [`cli`]: the subcommands for people. Uses only `api`, `oauth`, `decide` and `issue`, and no layer uses it.
//!
//! Three modules belong to no layer: [`panics`] handles panics, [`api_calls`] has the deadline and the errors of calls to
//! the API server, and [`trace`] names the spans of a renewal. Every layer may use `panics`. Only layers with a client of
//! the API server use `api_calls`. `oauth` and `decide` have no spans.
//!
//! `tests/layers.rs` checks which layer uses which.

pub mod api;
pub mod api_calls;
pub mod cli;
pub mod controller;
pub mod decide;
mod issue;
pub mod oauth;
pub mod panics;
pub mod runtime;
pub mod trace;
