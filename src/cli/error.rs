//! Why a command could not be carried out. A bad state of a `TokenSource` is no error, but the result of a command.

use std::io;
use std::path::PathBuf;

use super::init::LineError;
use crate::api_calls::CallFailed;
use crate::oauth::ProxyFlagError;

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no configuration for a cluster.
    #[error("no usable kubeconfig, and this is no pod: set KUBECONFIG, or give --kubeconfig or --context")]
    Infer(#[source] kube::config::InferConfigError),
    /// The selected kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    /// The proxy URL cannot be parsed.
    #[error("the proxy for the API server (proxy-url of the kubeconfig, or HTTPS_PROXY) is not a URL")]
    Proxy,
    /// The flags for the proxy to providers cannot be used.
    #[error(transparent)]
    ProxyFlag(#[from] ProxyFlagError),
    /// The client could not be made.
    #[error("the client for the API server could not be made")]
    Connect(#[source] kube::Error),
    /// A call to the API server failed. The text says what failed.
    #[error("{0}")]
    Call(&'static str, #[source] CallFailed),
    /// The watch ended and could not be restarted.
    #[error("the watch on TokenSources ended")]
    WatchEnded,
    /// A file could not be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file could not be created or written.
    #[error("{} cannot be written, and an existing file is never replaced", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A curl line cannot become a manifest.
    #[error("the curl line cannot be used")]
    Line(#[from] LineError),
    /// The output could not be written.
    #[error("the output cannot be written")]
    Write(#[source] io::Error),
    /// The system gave no random number.
    #[error("the system gave no random number for an assertion")]
    Random,
}

impl Error {
    /// Whether the program that reads the output has exited.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
