//! Connections: reads a call and writes the answer, with the injected fault.
//!
//! Knows sockets and framing. Must not know which call has which fault.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Call, Fault, Injection, Shared, lock};

/// Accepts connections until the task is aborted; the connections end with it.
pub(super) async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener in non-blocking mode");
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let (acceptor, shared) = (acceptor.clone(), shared.clone());
        // Errors of a connection are reported by the controller.
        connections.spawn(async move { converse(acceptor.accept(stream).await?, &shared).await });
        while connections.try_join_next().is_some() {}
    }
}

/// Handles one call, then closes the connection.
async fn converse(mut client: TlsStream<TcpStream>, shared: &Shared) -> io::Result<()> {
    let Some((call, bytes)) = read_call(&mut client).await? else { return Ok(()) };
    lock(&shared.calls).push(call.clone());
    let injection = shared.injection_for(&call);
    match injection.as_ref().map(|injection| (injection, &injection.fault)) {
        Some((injection, Fault::Answer(status, retry_after))) => {
            client.write_all(&refusal(*status, *retry_after)).await?;
            injection.meet();
            return client.shutdown().await;
        }
        Some((injection, Fault::Expire)) => {
            client.write_all(EXPIRED).await?;
            injection.meet();
            return client.shutdown().await;
        }
        Some((injection, Fault::Hold)) => {
            injection.meet();
            if !let_go(injection, &mut client).await {
                return Ok(());
            }
        }
        Some((injection, Fault::Delay(delay))) => {
            injection.meet();
            sleep(*delay).await;
        }
        Some((_, Fault::HoldAnswer)) | None => {}
    }
    let name = ServerName::IpAddress(shared.upstream.ip().into());
    let mut upstream = shared.trust.connect(name, TcpStream::connect(shared.upstream).await?).await?;
    upstream.write_all(&bytes).await?;
    upstream.flush().await?;
    let mut answer = Vec::new();
    if let Some(injection) = injection.filter(|injection| matches!(injection.fault, Fault::HoldAnswer)) {
        // The first bytes show that the API server has carried out the call.
        upstream.read_buf(&mut answer).await?;
        injection.meet();
        if !let_go(&injection, &mut client).await {
            return Ok(());
        }
    }
    pass_on(&mut upstream, &mut client, answer, &call, shared).await
}

/// The API server's answer to a watch from a version that it no longer has.
const EXPIRED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n\
    {\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\
    \"message\":\"too old resource version\",\"reason\":\"Expired\",\"code\":410}}\n";

/// The next call with its bytes, changed to be the last on its connection.
async fn read_call(client: &mut TlsStream<TcpStream>) -> io::Result<Option<(Call, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(head) = request.parse(&bytes).map_err(io::Error::other)? {
            let length =
                request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
            let body = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
            if bytes.len() >= head + body.unwrap_or(0_usize) {
                let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
                let call = Call { method: text(request.method), target: text(request.path) };
                let line = bytes.windows(2).position(|pair| pair == b"\r\n").map_or(0, |end| end + 2);
                bytes.splice(line..line, *b"Connection: close\r\n");
                return Ok(Some((call, bytes)));
            }
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// Waits until the injection is released; false if the client disconnects before. After the release, waits a moment more,
/// because the disconnection of a client that was just killed may not have been noticed yet.
async fn let_go(injection: &Injection, client: &mut TlsStream<TcpStream>) -> bool {
    const NOTICED: Duration = Duration::from_millis(100);
    let mut held = injection.held.subscribe();
    tokio::select! {
        is_let_go = async { held.wait_for(|held| !held).await.is_ok() } => {
            is_let_go && timeout(NOTICED, gone(client)).await.is_err()
        }
        () = gone(client) => false,
    }
}

/// Waits until the client closes the connection. The client sends nothing meanwhile, because its call is complete.
async fn gone(client: &mut (impl AsyncRead + Unpin)) {
    let mut ignored = Vec::new();
    while client.read_buf(&mut ignored).await.is_ok_and(|read| read > 0) {}
}

async fn pass_on(
    upstream: &mut (impl AsyncRead + Unpin),
    client: &mut TlsStream<TcpStream>,
    mut bytes: Vec<u8>,
    call: &Call,
    shared: &Shared,
) -> io::Result<()> {
    let is_watch = call.is_watch();
    let silenced =
        |of: Option<&str>| is_watch && of.is_some_and(|end| end == "/" || call.path().ends_with(end));
    let (mut cuts, mut silent) = (shared.cuts.subscribe(), shared.silent.subscribe());
    loop {
        tokio::select! {
            _ = cuts.changed(), if is_watch => return Ok(()),
            spoken = silent.wait_for(|of| !silenced(*of)) => { spoken.map_err(io::Error::other)?; }
        }
        client.write_all(&bytes).await?;
        client.flush().await?;
        bytes.clear();
        let read = tokio::select! {
            read = upstream.read_buf(&mut bytes) => read.unwrap_or(0),
            _ = cuts.changed(), if is_watch => return Ok(()),
            () = gone(client) => return Ok(()),
        };
        if read == 0 {
            return client.shutdown().await;
        }
    }
}

/// The API server's answer when it refuses a call.
fn refusal(status: u16, retry_after: Option<u32>) -> Vec<u8> {
    let reason = match status {
        409 => "Conflict",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "said by the proxy of a test", "reason": reason, "code": status,
    })
    .to_string();
    let retry_after = retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n{retry_after}Connection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
