//! What the process knows of the cluster: objects, Secret metadata, which TokenSource names what, and its own writes that
//! no watch has brought back yet. Must not know what a reconcile does with them.

pub(crate) mod cluster;
pub(crate) mod index;
pub(crate) mod name;
pub(crate) mod pending;
pub(crate) mod rights;
pub(crate) mod scope;
pub(crate) mod secrets;
pub(crate) mod watch;
