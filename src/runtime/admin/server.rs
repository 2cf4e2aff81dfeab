//! The HTTP server under the admin endpoint, with a limit on everything that an unauthenticated client could use up.
//! Knows sockets and limits; must not know what is answered.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::Client;
use super::connections::{Connections, client};

/// How long a client may take for the head of its request.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long a connection may last, from its beginning to the last byte of the answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// The largest head of a request. Bodies are not read.
const HEAD: usize = 16 * 1024;
const HEADERS: usize = 64;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// After a failed `accept`: mostly there are too many open files, and some will be closed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Takes the address. `[::]` takes IPv4 as well, and is `0.0.0.0` where there is no IPv6.
pub(super) fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    match bind(address) {
        Err(error) if lacks_ipv6(&error) && address.is_ipv6() && address.ip().is_unspecified() => {
            bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()))
        }
        bound => bound,
    }
}

fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The kernel has no IPv6, or none of its addresses.
fn lacks_ipv6(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw);
    error.kind() == io::ErrorKind::AddrNotAvailable || errno == Some(Errno::EAFNOSUPPORT)
}

/// Answers for ever.
pub(super) async fn serve(listener: std::net::TcpListener, routes: Router) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "The admin endpoint cannot be served"),
    };
    let mut connections = Connections::<AbortHandle>::new();
    let mut answers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let client = client(peer.ip());
                    let answer = answers.spawn(answer(stream, Client(client), routes.clone()));
                    if let Some(surplus) = connections.add(client, answer) {
                        surplus.abort();
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "A connection to the admin endpoint could not be accepted");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
            Some(_) = answers.join_next() => connections.retain(|answer| !answer.is_finished()),
        }
    }
}

/// Answers one request, within the limits.
async fn answer(stream: TcpStream, client: Client, routes: Router) {
    let service = TowerToHyperService::new(routes.layer(Extension(client)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A client that is cut off is no concern of ours.
    let _ = tokio::time::timeout(DEADLINE, connection).await;
}
