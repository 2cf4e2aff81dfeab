//! The HTTP server of the admin endpoint, with a limit on every resource that an unauthenticated client could exhaust.
//! Must not know how requests are answered.

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

/// The deadline for the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// The deadline for a connection, from its beginning to the last byte of the response.
const DEADLINE: Duration = Duration::from_secs(30);
/// The largest head of a request, and the most headers in it. Bodies are not read.
const HEAD: usize = 16 * 1024;
const HEADERS: usize = 64;
/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;
/// The pause after a failed `accept`, most likely because of too many open files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Listens on the address. `[::]` includes IPv4, and becomes `0.0.0.0` if the system has no IPv6.
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

/// The error of a kernel that does not have IPv6.
#[cfg(unix)]
const NO_SUCH_FAMILY: i32 = nix::errno::Errno::EAFNOSUPPORT as i32;
#[cfg(windows)]
const NO_SUCH_FAMILY: i32 = 10_047; // WSAEAFNOSUPPORT

/// Whether the kernel has no IPv6, or no IPv6 address.
fn lacks_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_SUCH_FAMILY)
}

/// Serves forever.
pub(super) async fn serve(listener: std::net::TcpListener, routes: Router) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(detail = %error, "The admin endpoint cannot be served"),
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
    // A connection that was ended by a limit needs no further handling.
    let _ = tokio::time::timeout(DEADLINE, connection).await;
}
