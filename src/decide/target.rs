//! The target Secret as it was found, and the Secrets of its former names.
//! Knows what is in them; must not know what is to be done about it.

use chrono::{DateTime, Utc};

use super::versions::Versions;

/// The Secret of the target's name.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// There is none.
    Missing,
    /// There is one that belongs to somebody else or is being deleted: which, as the end of a sentence.
    Foreign(String),
    /// It is ours.
    Ours(Published),
    /// It is ours, and its token has been taken away: its uid and resourceVersion.
    Withdrawn {
        /// Its uid.
        uid: String,
        /// Its resourceVersion.
        resource_version: String,
    },
}

/// What our target says of the token in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// Its uid: what is written later is written to this very object or not at all.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// When the request for its token was sent.
    pub issued_at: DateTime<Utc>,
    /// When its token expires.
    pub expires_at: DateTime<Utc>,
    /// When this very token came first.
    pub since: DateTime<Utc>,
    /// Fingerprint of what its token was asked for with.
    pub asked: String,
    /// The versions of the Secrets that counted in it.
    pub versions: Versions,
    /// The renewal request that its token answers.
    pub answers: Option<String>,
    /// Its content is what we wrote.
    pub intact: bool,
    /// Its labels, annotations and type are what the spec wants.
    pub metadata_in_sync: bool,
}

/// A Secret that was the target before the spec gave it another name: it is ours still, and nobody renews its token.
#[derive(Clone, Debug, PartialEq)]
pub struct FormerTarget {
    /// Its name.
    pub name: String,
    /// Its uid: this very object is deleted or none.
    pub uid: String,
    /// Its resourceVersion: one that somebody has changed since is looked at again first.
    pub resource_version: String,
    /// Its token has not been withdrawn.
    pub holds_token: bool,
}
