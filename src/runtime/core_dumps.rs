//! Disables core dumps: a core dump of this process would store tokens and credentials on the node's disk.
//! A panic outside `contain` aborts the process, and the kernel then writes a core dump if the limit permits it.

/// Disables core dumps for this process. If that fails, the process continues, and core dumps remain possible. Does nothing
/// on Windows, which has no such limit.
pub(super) fn forbid() {
    #[cfg(unix)]
    if let Err(error) = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!(detail = %error, "Core dumps could not be disabled");
    }
}
