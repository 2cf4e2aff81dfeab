//! A second API server of a control plane, whose view of etcd can be held back.
//!
//! It knows where it listens. It must not know who asks it.

use std::path::Path;

use super::components;
use crate::pipe::Pipe;
use crate::process::Process;
use crate::unique;

/// A second API server, which sees of etcd what the pipe lets through.
pub struct Follower {
    pub(super) api_server: Process,
    /// `https://127.0.0.1:PORT`
    pub server: String,
    /// Its way to etcd.
    pub pipe: Pipe,
}

impl Follower {
    pub(super) fn start(folder: &Path) -> Self {
        let (entrance, exit) = (folder.join(components::PIPE_SOCKET), folder.join(components::ETCD_SOCKET));
        let (pipe, port) = (Pipe::between(&entrance, &exit), unique::port());
        let api_server = Process::start(components::follower(folder, port));
        Self { api_server, server: format!("https://127.0.0.1:{port}"), pipe }
    }
}
