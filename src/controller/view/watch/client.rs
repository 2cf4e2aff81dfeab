//! The two clients for the API server. Unused parts of every answer are removed: by the client, or by the scanner of lists
//! and watches.
//!
//! Anyone who may write an object may nest `managedFields` deeper than `serde_json` can read, and kubectl's
//! `last-applied-configuration` has a copy of a Secret's data. Must not know the purpose of a request.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame};
use kube::client::ClientBuilder;
use kube::{Client, Config};
use tokio::runtime::Handle;
use tower::util::MapResponseLayer;

use super::scanner::{Scanner, Shape};

/// Makes the client for all calls except lists and watches. A controller must use no other client for these calls.
pub fn connect(config: Config) -> kube::Result<Client> {
    let cut = MapResponseLayer::new(cut);
    Ok(ClientBuilder::try_from(config)?.with_layer(&cut).build())
}

/// The client of lists and watches, and the event loop that reads them.
#[derive(Clone)]
pub struct WatchClient {
    pub(super) client: Client,
    pub(super) runtime: Handle,
}

impl WatchClient {
    /// Makes the client. Its event loop should not be the event loop of reconciles: anyone who may write Secrets can have
    /// megabytes of them read.
    pub fn new(config: Config, runtime: Handle) -> kube::Result<Self> {
        // A client belongs to the event loop in which it is made.
        let _entered = runtime.enter();
        // The scanner of lists and watches removes unused parts itself.
        let client = ClientBuilder::try_from(config)?.build();
        Ok(Self { client, runtime })
    }

    /// Wraps a client that the calling thread's event loop runs.
    #[cfg(test)]
    pub(crate) fn on_this_thread(client: Client) -> Self {
        Self { client, runtime: Handle::current() }
    }
}

fn cut<B>(response: Response<B>) -> Response<Cut<B>> {
    response.map(|body| Cut { body, scanner: Scanner::new(Shape::Any, usize::MAX) })
}

/// A body without the unused parts.
struct Cut<B> {
    body: B,
    scanner: Scanner,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Cut<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => frame,
                other => return other,
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            self.scanner.feed(&data, |_| {});
            let passed_on = self.scanner.passed_on();
            // The whole piece may have been removed, and an empty piece would look like the end.
            if !passed_on.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(passed_on.into()))));
            }
        }
    }
}
