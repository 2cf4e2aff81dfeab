//! A pipe between two Unix sockets that can be frozen: the peer then neither answers nor closes the connection.
//!
//! Knows bytes; must not know what they mean.

use std::io;
use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::scripted_provider::SERVERS;

/// The pipe. Dropping it closes all connections.
pub struct Pipe {
    frozen: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Pipe {
    /// Listens on the socket `entrance` and leads to the socket `exit`.
    pub fn between(entrance: &Path, exit: &Path) -> Self {
        let _runtime = SERVERS.enter();
        let listener = UnixListener::bind(entrance)
            .unwrap_or_else(|error| panic!("listening on {}: {error}", entrance.display()));
        let frozen = watch::Sender::new(false);
        let (exit, state) = (exit.to_owned(), frozen.subscribe());
        let task = SERVERS.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (exit, state) = (exit.clone(), state.clone());
                connections.spawn(async move { join(stream, UnixStream::connect(exit).await?, state).await });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { frozen, task }
    }

    /// Stops all bytes in both directions; none are lost.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// Continues the transfer, in order.
    pub fn thaw(&self) {
        self.frozen.send_replace(false);
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn join(one: UnixStream, other: UnixStream, frozen: watch::Receiver<bool>) -> io::Result<()> {
    let ((one_in, one_out), (other_in, other_out)) = (one.into_split(), other.into_split());
    // When one direction ends, so does the other.
    tokio::select! {
        done = pass(one_in, other_out, frozen.clone()) => done,
        done = pass(other_in, one_out, frozen) => done,
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frozen: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    while from.read_buf(&mut bytes).await? > 0 {
        frozen.wait_for(|frozen| !frozen).await.map_err(io::Error::other)?;
        to.write_all(&bytes).await?;
        bytes.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_is_sent_while_frozen_comes_later() {
        let directory = tempfile::tempdir().unwrap();
        let (entrance, exit) = (directory.path().join("in"), directory.path().join("out"));
        let listener = UnixListener::bind(&exit).unwrap();
        let pipe = Pipe::between(&entrance, &exit);
        let mut sender = UnixStream::connect(&entrance).await.unwrap();
        let (mut receiver, _) = listener.accept().await.unwrap();
        pipe.freeze();
        sender.write_all(b"later").await.unwrap();
        let mut word = [0; 5];
        let early = timeout(Duration::from_millis(200), receiver.read_exact(&mut word)).await;
        assert!(early.is_err(), "the frozen pipe let data through: {early:?}");
        pipe.thaw();
        receiver.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"later");
    }
}
