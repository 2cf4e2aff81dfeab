//! Disables core dumps: a core dump of this process would store tokens and credentials on the node's disk.
//! A panic aborts the process, and the kernel then writes a core dump if the limit permits it.

use nix::sys::resource::{Resource, setrlimit};

/// Disables core dumps for this process. If that fails, the process continues with them.
pub(super) fn forbid() {
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!(%error, "Core dumps could not be disabled");
    }
}
