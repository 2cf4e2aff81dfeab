//! Why a command could not be carried out. Variants are named by what failed; what a cluster or a provider says of a
//! `TokenSource` is no error but the answer.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How long the API server may take over one call.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(15);

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No way to a cluster.
    #[error("no usable kubeconfig, and this is no pod: set KUBECONFIG, or give --kubeconfig or --context")]
    Infer(#[source] kube::config::InferConfigError),
    /// The kubeconfig that was named cannot be used.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    /// The proxy is none that can be used.
    #[error("the proxy for the API server (proxy-url of the kubeconfig, or HTTPS_PROXY) is no URL")]
    Proxy,
    /// The client could not be made.
    #[error("the client for the API server could not be made")]
    Connect(#[source] kube::Error),
    /// What was being done, and what the API server, or the way to it, said.
    #[error("{0}: {1}")]
    Call(&'static str, String),
    /// The watch ended and could not be begun anew.
    #[error("the watch on TokenSources ended")]
    WatchEnded,
    /// A file could not be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The output could not be written.
    #[error("the output cannot be written")]
    Write(#[source] io::Error),
    /// The system gave no random number.
    #[error("the system gave no random number for an assertion")]
    Random,
}

impl Error {
    /// What the API server said of a call; its own sentence, without the object around it that kube prints as well.
    pub(super) fn call(what: &'static str, error: &kube::Error) -> Self {
        let said = match error {
            kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
            other => chain(other),
        };
        Error::Call(what, said)
    }

    /// Whether the reader of the output has gone.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some libraries print their causes themselves.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
