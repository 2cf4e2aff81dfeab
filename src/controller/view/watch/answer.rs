//! The answers of the API server to lists and watches: the pieces of their bodies, each within a time limit, and their
//! errors. Must not know what a body contains, unless it is an error.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::Response;
use http_body_util::BodyExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::client::Body;
use tokio::time::timeout;

/// How long the API server may be silent while it answers.
pub(super) const SILENCE: Duration = Duration::from_secs(30);
/// The most bytes of an error's body that are read.
const LONGEST_ERROR: usize = 64 * 1024;

/// Why a list or a watch ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    #[error("the API server could not be reached")]
    Unreachable(#[source] kube::Error),
    #[error("the connection to the API server broke off")]
    Broken,
    #[error("the API server was silent for {} s", SILENCE.as_secs())]
    Silent,
    /// The last version that was read is too old to continue from.
    #[error("the API server remembers no changes since the last one that was read")]
    Expired,
    #[error("the API server answered {code}: {message}")]
    Refused { code: i32, message: String },
    #[error("the request could not be made")]
    Request(#[source] kube::core::request::Error),
    /// The receiver of the events has been dropped.
    #[error("the controller ends")]
    Closed,
}

impl WatchError {
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, WatchError::Refused { code: 401 | 403 | 404, .. })
    }
}

/// The pieces of a body, each within `silence`.
pub(super) fn pieces(body: Body, silence: Duration) -> impl Stream<Item = Result<Bytes, WatchError>> + Send {
    futures::stream::unfold(Some(body.into_data_stream()), move |body| async move {
        let mut body = body?;
        match timeout(silence, body.next()).await {
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(body))),
            Ok(Some(Err(_))) => Some((Err(WatchError::Broken), None)),
            Ok(None) => None,
            Err(_) => Some((Err(WatchError::Silent), None)),
        }
    })
}

/// The error that this answer reports.
pub(super) async fn error_of(answer: Response<Body>) -> WatchError {
    let code = i32::from(answer.status().as_u16());
    let mut text = Vec::new();
    let mut pieces = std::pin::pin!(pieces(answer.into_body(), SILENCE));
    while let Some(Ok(piece)) = pieces.next().await {
        text.extend(piece);
        if text.len() > LONGEST_ERROR {
            break;
        }
    }
    refusal(&text, code)
}

/// The error in a `Status` of the API server. Nothing else in the body is quoted.
pub(super) fn refusal(text: &[u8], code: i32) -> WatchError {
    let status = serde_json::from_slice::<Status>(text).unwrap_or_default();
    let code = status.code.unwrap_or(code);
    if code == 410 {
        return WatchError::Expired;
    }
    let message = status.message.unwrap_or_default().chars().take(300).collect();
    WatchError::Refused { code, message }
}
