//! The test kit of tokensource: everything around the controller that a story needs, and nothing of the
//! controller.
//!
//! The kit must not depend on the `tokensource` package, because the tests of that package depend on the kit: a story passes the
//! path of the binary, and a `TokenSource` is a `DynamicObject`. Outside an enclosure, all servers listen on 127.0.0.1. A process
//! ends when its value is dropped, and the kernel ends the process if a test is killed. A failure in the kit is a panic with a
//! message that describes the failure.
//!
//! | what | where |
//! |---|---|
//! | a Kubernetes control plane, its users, its audit log | [`control_plane`] |
//! | a provider with the answers that a test chooses | [`scripted_provider`] |
//! | the five documented providers | [`lookalikes`] |
//! | a Keycloak | [`keycloak`] |
//! | a Prometheus, and the rules and queries of deploy/monitoring | [`prometheus`] |
//! | the controller as a process | [`controller`] |
//! | a node that runs pods, for root only, and namespaces around it | [`node`], [`enclosure`] |
//! | faults on the way to the API server, and from there to etcd | [`proxy`], [`pipe`] |
//! | a forward proxy | [`tinyproxy`] |
//! | manifests, read and redirected; objects, applied | [`manifest`], [`apply`] |
//! | what the repository ships: CRDs, rights, policies, the values of the chart | [`shipped`], [`chart`] |
//! | waiting for admission policies | [`admission`] |
//! | a mounted Secret, replaced as the kubelet does it | [`mount`] |
//! | the kstatus rules; the health checks for Argo CD | [`kstatus`], [`argocd`] |
//! | waiting | [`eventually()`], [`throughout`] |
//! | what is secret, and the search for it | [`canaries`] |
//! | certificates, programs, processes | [`authority`], [`assets`], [`process`] |
//! | unique names, tokens and ports | [`unique`] |
//!
//! A story, whole:
//!
//! ```no_run
//! # async fn story() {
//! use std::{path::Path, time::Duration};
//! use tokensource_kit::authority::Authority;
//! use tokensource_kit::control_plane::ControlPlane;
//! use tokensource_kit::controller::ControllerProcess;
//! use tokensource_kit::scripted_provider::{Answer, ScriptedProvider};
//! use tokensource_kit::{eventually, kstatus, manifest, token_sources};
//!
//! // Do this once for each test binary. The garbage collector knows the kinds that exist from the beginning.
//! let plane = ControlPlane::start_with(&manifest::load("crds/tokensources.yaml")).await;
//! let kubeconfig = plane.kubeconfig_for("admin");
//! let arguments = ["--allow-network", "127.0.0.0/8"];
//! // In the product's own tests: env!("CARGO_BIN_EXE_tokensource").
//! let binary = Path::new("target/debug/tokensource");
//! let environment = [("RUST_LOG", "debug")];
//! let controller = ControllerProcess::start(binary, &kubeconfig, &arguments, &environment).await;
//!
//! // Do this once for each story.
//! let namespace = plane.namespace("busy-provider").await;
//! let provider = ScriptedProvider::start(&Authority::new("this story"));
//! provider.answer("/oauth/token", Answer::status(503));
//! provider.always("/oauth/token", Answer::token(3600));
//! let mut objects = manifest::load("deploy/examples/ocrolus.yaml");
//! let (from_host, to_host) = ("auth.ocrolus.com", provider.host());
//! let redirection = manifest::Redirection { from_host, to_host: &to_host, ca_pem: provider.ca_pem() };
//! manifest::redirect(&mut objects, &redirection);
//! manifest::into_namespace(&mut objects, &namespace);
//! let mark = plane.audit_mark();
//! plane.apply_objects(&objects).await;
//!
//! let sources = token_sources(plane.admin(), &namespace);
//! let ready = eventually("a token in spite of the first answer", Duration::from_secs(20), async || {
//!     let source = sources.get("ocrolus").await.map_err(|error| error.to_string())?;
//!     let is_ready = source.data["status"]["expiresAt"].is_string();
//!     is_ready.then_some(source).ok_or_else(|| controller.process().tail(5))
//! })
//! .await;
//! kstatus::check(&ready).unwrap();
//! assert_eq!(provider.count("/oauth/token"), 2);
//! let written = plane.audit_since(mark).iter().filter(|entry| entry.verb == "patch").count();
//! assert!(written < 10, "{written} writes for one token");
//! # }
//! ```
//!
//! A look-alike needs fewer steps: `Lookalike::ocrolus(&authority).stand_in(&mut objects)` redirects
//! the manifests of that provider and fills its credentials in.

// A test kit panics at the first failure, writes messages for people to stderr, and reads clocks and the environment.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::missing_panics_doc
)]

pub mod admission;
pub mod apply;
pub mod argocd;
pub mod assets;
pub mod authority;
pub mod canaries;
pub mod chart;
pub mod control_plane;
pub mod controller;
pub mod enclosure;
mod eventually;
mod hex;
pub mod keycloak;
pub mod kstatus;
pub mod lookalikes;
pub mod manifest;
pub mod mount;
pub mod node;
pub mod pipe;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod scripted_provider;
pub mod shipped;
pub mod tinyproxy;
pub mod unique;

use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::{Api, Client};

pub use self::eventually::{eventually, throughout};
pub use self::hex::hex;

/// The `TokenSource`s of a namespace, as untyped objects.
pub fn token_sources(client: Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("tokensource.dev", "v1alpha1", "TokenSource");
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind))
}
