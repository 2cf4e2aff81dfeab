//! A thread with an event loop of its own, for tasks that must not wait for reconciles. Must not know the tasks.

use std::{io, thread};

use tokio::runtime::{Builder, Handle};

/// Starts the thread, which ends with the process.
pub(super) fn start(name: &str) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}
