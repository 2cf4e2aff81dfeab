//! The spans of a renewal: their names and attributes. Spans are exported only if the operator names a collector, and cost
//! next to nothing otherwise.
//!
//! An attribute is a name, a host, a method, a status, a cause, an outcome or a reason, and never text of a provider, a URL
//! or a value of a Secret. Must not know who receives the spans.

use tracing::field::Empty;
use tracing::{Span, info_span};

/// The target of every span that may be exported, and of nothing else.
pub const TARGET: &str = "tokensource::trace";

/// The root: one reconcile.
pub const RENEWAL: &str = "renewal";
/// Waiting for a permit to reconcile.
pub const PERMIT: &str = "wait for permit";
/// Reading the state of the cluster.
pub const OBSERVE: &str = "observe";
/// Deciding what to do.
pub const DECIDE: &str = "decide";
/// Reading the issuer's metadata.
pub const DISCOVERY: &str = "discovery";
/// A request to the token endpoint.
pub const TOKEN_REQUEST: &str = "token request";
/// Writing the target Secret.
pub const WRITE_TARGET: &str = "write target";
/// Writing the status.
pub const WRITE_STATUS: &str = "write status";

/// Every name.
pub const NAMES: [&str; 8] =
    [RENEWAL, PERMIT, OBSERVE, DECIDE, DISCOVERY, TOKEN_REQUEST, WRITE_TARGET, WRITE_STATUS];

/// The attribute of the root with the cause of the token request.
pub const CAUSE: &str = "tokensource.cause";
/// The attribute of the root with the outcome: whether there is a token, and whether it was written.
pub const OUTCOME: &str = "tokensource.outcome";

/// The reconcile of this `TokenSource`.
pub fn renewal(namespace: &str, name: &str) -> Span {
    info_span!(
        target: TARGET, RENEWAL,
        k8s.namespace.name = namespace,
        tokensource.name = name,
        tokensource.cause = Empty,
        tokensource.outcome = Empty,
        tokensource.provider.host = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// Records why the current reconcile requests a token. Called within [`renewal`] itself, not within one of its steps.
pub fn requested(cause: &'static str) {
    Span::current().record(CAUSE, cause);
}

/// Records the outcome; `reason` is the reason of a failure. Called within [`renewal`] itself, like [`requested`].
pub fn ended(outcome: &'static str, reason: Option<&'static str>, host: Option<&str>) {
    let span = Span::current();
    span.record(OUTCOME, outcome);
    span.record("tokensource.provider.host", host);
    if let Some(reason) = reason {
        failed(&span, reason);
    }
}

/// Waiting for a permit.
pub fn permit() -> Span {
    info_span!(target: TARGET, PERMIT)
}

/// Reading the state of the cluster.
pub fn observe() -> Span {
    info_span!(target: TARGET, OBSERVE)
}

/// Deciding what to do.
pub fn decide() -> Span {
    info_span!(target: TARGET, DECIDE)
}

/// Reading the issuer's metadata from this host, which may take more than one request.
pub fn discovery(host: &str) -> Span {
    info_span!(
        target: TARGET, DISCOVERY,
        otel.kind = "client", server.address = host, error.type = Empty, otel.status_code = Empty,
    )
}

/// A request to the token endpoint of this host.
pub fn token_request(method: &'static str, host: &str) -> Span {
    info_span!(
        target: TARGET, TOKEN_REQUEST,
        otel.kind = "client",
        http.request.method = method,
        server.address = host,
        http.response.status_code = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// Records the HTTP status of the answer to a token request.
pub fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
}

/// Writing the target Secret.
pub fn write_target() -> Span {
    info_span!(target: TARGET, WRITE_TARGET, error.type = Empty, otel.status_code = Empty)
}

/// Writing the status.
pub fn write_status() -> Span {
    info_span!(target: TARGET, WRITE_STATUS, error.type = Empty, otel.status_code = Empty)
}

/// Records a failure.
pub fn failed(span: &Span, reason: &'static str) {
    span.record("error.type", reason);
    span.record("otel.status_code", "ERROR");
}
