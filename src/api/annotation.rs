//! The annotation and label keys of the contract. Knows names only.

/// On a credentials Secret: the hosts that may ever receive it, comma-separated.
pub const ALLOWED_HOSTS: &str = "tokensource.dev/allowed-hosts";

/// On a `TokenSource`: each new value asks for one renewal.
pub const RENEW_REQUESTED_AT: &str = "tokensource.dev/renew-requested-at";

/// On the target: when the request for its token was sent (RFC 3339, UTC, whole seconds).
pub const ISSUED_AT: &str = "tokensource.dev/issued-at";

/// On the target: when its token expires (RFC 3339, UTC, whole seconds).
pub const EXPIRES_AT: &str = "tokensource.dev/expires-at";

/// On the target: the fingerprint of what its token was asked for with.
pub const INPUTS: &str = "tokensource.dev/inputs";

/// On the target: which versions of the credentials count in that fingerprint, and a keyed hash of their values (JSON).
pub const CREDENTIALS: &str = "tokensource.dev/credentials";

/// On the target: the value that [`RENEW_REQUESTED_AT`] had when its token was asked for.
pub const ANSWERS: &str = "tokensource.dev/answers";

/// On the target: SHA-256 over its data and the annotations above, to notice alterations.
pub const DATA_HASH: &str = "tokensource.dev/data-hash";

/// On the target: fingerprint of the labels, annotations and type it was written with.
pub const DRESSING: &str = "tokensource.dev/dressing";

/// On the target: when its token was taken away because the provider refused the credentials (RFC 3339, UTC).
pub const WITHDRAWN_AT: &str = "tokensource.dev/withdrawn-at";

/// On the target: when the request for its token was first answered with it; before [`ISSUED_AT`], if the provider has
/// given the same token a longer life since (RFC 3339, UTC, whole seconds).
pub const TOKEN_SINCE: &str = "tokensource.dev/token-since";

/// On the pod template of a workload, followed by the name of a `TokenSource` (its uid, where that is longer than 63
/// characters): since when the token has been in the target that its pods were last restarted for.
pub const RESTARTED_FOR: &str = "restarted-for.tokensource.dev/";

/// On the Secret of a refresh token: fingerprint of the endpoint that issued it, the only one it is ever sent to.
pub const ISSUED_BY: &str = "tokensource.dev/issued-by";

/// On an object in the controller's memory alone, never in the cluster: what of its spec this version cannot read.
pub const UNREADABLE: &str = "tokensource.dev/unreadable";

/// Every key under this prefix is ours; users may not set them on the target.
pub const PREFIX: &str = "tokensource.dev/";

/// The recommended label that names the tool behind an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// Value of [`MANAGED_BY_LABEL`] on every target.
pub const MANAGED_BY: &str = "tokensource";

/// On the target: the `TokenSource` it belongs to, for `kubectl get secret -l`.
pub const SOURCE_LABEL: &str = "tokensource.dev/token-source";
