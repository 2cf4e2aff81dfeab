//! The process's knowledge of the cluster: the objects in its caches, the metadata of Secrets, which TokenSource names which
//! objects, and its own writes that no watch has delivered yet. Must not know how a reconcile uses them.

pub(crate) mod audiences;
pub(crate) mod cluster_scoped;
pub(crate) mod cluster_view;
pub(crate) mod index;
pub(crate) mod local_state;
pub(crate) mod name;
pub(crate) mod replaced;
pub(crate) mod rights;
pub(crate) mod secrets;
pub(crate) mod watch;
