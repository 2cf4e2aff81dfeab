//! Connects to an endpoint without sending a request: name resolution, proxy, TCP and TLS, under the rules of every request.
//! For diagnosis. Must not know why an endpoint is tried.

use reqwest::ClientBuilder;
use tower::util::MapResultLayer;

use super::{ClientSettings, TokenClient, get};
use crate::oauth::endpoint::Endpoint;
use crate::oauth::error::Error;

/// A connection was made, and is dropped before a request is sent on it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("connected")]
pub(super) struct Connected;

impl TokenClient {
    /// Connects once, and sends nothing but the TLS handshake and, if there is a proxy, the request for its tunnel.
    ///
    /// Fails as [`TokenClient::send`] and [`TokenClient::new`] do.
    pub async fn reach(settings: &ClientSettings, endpoint: &Endpoint) -> Result<(), Error> {
        let client = Self::made(settings, connecting)?;
        let route = client.route(endpoint)?;
        match get(&route, endpoint).send().await {
            Err(error) if super::fault::find::<Connected>(&error).is_none() => {
                Err(route.fault(&error, endpoint))
            }
            _ => Ok(()),
        }
    }
}

/// Replaces each finished connection by the error [`Connected`], so that the library never gets a connection to send on.
fn connecting(builder: ClientBuilder) -> ClientBuilder {
    builder.connector_layer(MapResultLayer::new(
        |connection: Result<_, Box<dyn std::error::Error + Send + Sync>>| {
            connection.and_then(|_| Err(Connected.into()))
        },
    ))
}
