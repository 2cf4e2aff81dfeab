//! Backup and restore: everything comes back under new uids, the Secrets with owners that are no more.
