//! No core dumps: a core of this process holds tokens and credentials, and would lie on a node's disk.
//! A panic ends the program by an abort, of which the kernel makes one where the limit lets it.

use nix::sys::resource::{Resource, setrlimit};

/// Forbids them for the rest of the process. Where that fails, the process is no worse off than without.
pub(super) fn forbid() {
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!(%error, "Core dumps could not be forbidden");
    }
}
