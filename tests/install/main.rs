//! The ways to install: the chart and the kustomize overlays, as text, checked by a real API server, and in use.
//!
//! A test binary and control planes of their own, because these installations affect the whole cluster and would disturb the
//! stories.

#![allow(clippy::disallowed_methods)] // these tests run in real time
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a failure ends a test

mod effects;
mod helm;
mod lifecycle;
mod overlay;
mod people;
mod rehearsal;
mod rendering;
mod values;
