//! The annotation, label and finalizer keys of the contract. Knows names only.

/// On a Secret or ServiceAccount that requests use, and on a target: the hosts that may receive its values or tokens,
/// comma-separated. On a Secret with a key also `jwt:AUDIENCE` for each audience for which the key may sign tokens.
pub const ALLOWED_HOSTS: &str = "tokensource.dev/allowed-hosts";

/// On a `TokenSource`: each new value requests one renewal.
pub const RENEW_REQUESTED_AT: &str = "tokensource.dev/renew-requested-at";

/// On the Lease: the version of the process that holds the Lease.
pub const VERSION: &str = "tokensource.dev/version";

/// On the target: when the request for its token was sent (RFC 3339, UTC, whole seconds).
pub const ISSUED_AT: &str = "tokensource.dev/issued-at";

/// On the target: when its token expires (RFC 3339, UTC, whole seconds).
pub const EXPIRES_AT: &str = "tokensource.dev/expires-at";

/// On the target: the fingerprint of the inputs that its token was requested with.
pub const INPUTS: &str = "tokensource.dev/inputs";

/// On the target: the versions of the Secrets that the fingerprint in [`INPUTS`] includes, and a keyed hash of their values
/// (JSON).
pub const CREDENTIALS: &str = "tokensource.dev/credentials";

/// On the target: the value of [`RENEW_REQUESTED_AT`] when its token was requested.
pub const ANSWERS: &str = "tokensource.dev/answers";

/// On the target: SHA-256 over its data, [`ISSUED_AT`], [`EXPIRES_AT`] and [`INPUTS`], to detect changes by others.
pub const DATA_HASH: &str = "tokensource.dev/data-hash";

/// On the target: the hash of the labels, annotations and type that the controller wrote.
pub const METADATA_HASH: &str = "tokensource.dev/dressing";

/// On the target: when its token was removed because the provider refused the credentials (RFC 3339, UTC).
pub const WITHDRAWN_AT: &str = "tokensource.dev/withdrawn-at";

/// On the target: when the provider first returned its token. Earlier than [`ISSUED_AT`] if the provider has returned the
/// same token again with a later expiry (RFC 3339, UTC, whole seconds).
pub const TOKEN_SINCE: &str = "tokensource.dev/token-since";

/// On the pod template of a workload, followed by the name of a `TokenSource` (its uid if the name is longer than 63
/// characters): the [`TOKEN_SINCE`] of the token that the pods were last restarted for.
pub const RESTARTED_FOR: &str = "restarted-for.tokensource.dev/";

/// On the Secret of a refresh token: the fingerprint of the endpoint that issued the refresh token. The controller sends the
/// refresh token to no other endpoint.
pub const ISSUED_BY: &str = "tokensource.dev/issued-by";

/// The finalizer of a `TokenSource` whose tokens are revoked when it is deleted.
pub const FINALIZER: &str = "tokensource.dev/revocation";

/// Only on the controller's copy of an object in memory, never in the cluster: the parts of its spec that this version
/// cannot read.
pub const UNREADABLE: &str = "tokensource.dev/unreadable";

/// The prefix of the controller's own keys. Users may not set such keys on the target.
pub const PREFIX: &str = "tokensource.dev/";

/// The recommended label that names the tool which manages an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// The value of [`MANAGED_BY_LABEL`] on every target.
pub const MANAGED_BY: &str = "tokensource";

/// On the target: the name of its `TokenSource`, for `kubectl get secret -l`. A name of more than 63 characters is left out.
pub const SOURCE_LABEL: &str = "tokensource.dev/token-source";
