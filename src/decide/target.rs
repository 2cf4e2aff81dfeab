//! The observed target Secret, and the Secrets of its former names. Knows their content; must not know what to do about it.

use chrono::{DateTime, Utc};

use super::versions::Versions;

/// The Secret with the target's name.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The Secret does not exist.
    Missing,
    /// The Secret belongs to another owner or is being deleted: which of the two, as the end of a sentence.
    Foreign(String),
    /// The TokenSource owns the Secret.
    Ours(Published),
    /// The TokenSource owns the Secret, and the token was withdrawn from it.
    Withdrawn {
        /// The uid of the Secret.
        uid: String,
        /// The resourceVersion of the Secret.
        resource_version: String,
    },
}

/// The record of the token in the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The uid of the Secret: later writes apply to this object only.
    pub uid: String,
    /// The resourceVersion of the Secret.
    pub resource_version: String,
    /// When the request for its token was sent.
    pub issued_at: DateTime<Utc>,
    /// When its token expires.
    pub expires_at: DateTime<Utc>,
    /// When this token was first issued.
    pub since: DateTime<Utc>,
    /// Fingerprint of the inputs of its token: [`super::Fingerprints::token`].
    pub inputs_fingerprint: String,
    /// The versions of the Secrets that are part of the fingerprint.
    pub versions: Versions,
    /// The renewal request that is handled by its token.
    pub handled_renew_request: Option<String>,
    /// Whether its content is unaltered.
    pub intact: bool,
    /// Whether its labels, annotations and type are as in the spec.
    pub metadata_in_sync: bool,
}

/// A Secret that was the target before the spec changed the name. The TokenSource still owns it, and its token is not
/// renewed.
#[derive(Clone, Debug, PartialEq)]
pub struct FormerTarget {
    /// The name of the Secret.
    pub name: String,
    /// The uid of the Secret: only this object is deleted.
    pub uid: String,
    /// The resourceVersion of the Secret: if it has changed, the Secret is observed again before it is deleted.
    pub resource_version: String,
    /// Whether it still contains a token.
    pub holds_token: bool,
}
