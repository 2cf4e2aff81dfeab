//! A second API server of a control plane, whose connection to etcd can be frozen.
//!
//! Knows where it listens. Must not know its clients.

use std::path::Path;

use super::components;
use crate::pipe::Pipe;
use crate::process::Process;
use crate::unique;

/// A second API server, which sees the part of etcd's data that the pipe has transferred.
pub struct Follower {
    pub(super) api_server: Process,
    /// `https://127.0.0.1:PORT`
    pub server: String,
    /// Its connection to etcd.
    pub pipe: Pipe,
}

impl Follower {
    pub(super) fn start(directory: &Path) -> Self {
        let (entrance, exit) =
            (directory.join(components::PIPE_SOCKET), directory.join(components::ETCD_SOCKET));
        let (pipe, port) = (Pipe::between(&entrance, &exit), unique::port());
        let api_server = Process::start(components::follower(directory, port));
        Self { api_server, server: format!("https://127.0.0.1:{port}"), pipe }
    }
}
