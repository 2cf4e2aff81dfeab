//! Connections: TLS, requests, and answers with all their faults.
//!
//! Knows sockets and framing. Must not know which answer belongs to which request.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Shared;
use super::answer::{Act, Answer, Delivery, Response};
use super::request::{Head, RecordedRequest};

/// The maximum size of a request, in bytes. The connection of a client that sends more is closed.
const MOST: usize = 1024 * 1024;

/// Accepts connections until the task is aborted; the connections end with it.
pub(super) async fn serve(listener: TcpListener, tls: Arc<rustls::ServerConfig>, shared: Arc<Shared>) {
    let listener = unblocked(listener);
    let acceptor = TlsAcceptor::from(tls);
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let (acceptor, shared) = (acceptor.clone(), shared.clone());
        // Errors of a connection are reported by the client.
        connections.spawn(async move { converse(acceptor.accept(stream).await?, number, &shared).await });
        while connections.try_join_next().is_some() {}
    }
}

/// Accepts connections without TLS: the first bytes are answered with `reply`.
pub(super) async fn serve_without_tls(listener: TcpListener, reply: Vec<u8>, shared: Arc<Shared>) {
    let listener = unblocked(listener);
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        shared.connections.fetch_add(1, Ordering::Relaxed);
        let mut ignored = Vec::with_capacity(4096);
        if stream.read_buf(&mut ignored).await.is_ok() && stream.write_all(&reply).await.is_ok() {
            let _ = stream.shutdown().await;
        }
    }
}

fn unblocked(listener: TcpListener) -> tokio::net::TcpListener {
    listener.set_nonblocking(true).expect("a socket in non-blocking mode");
    tokio::net::TcpListener::from_std(listener).expect("a listener in non-blocking mode")
}

async fn converse(mut stream: TlsStream<TcpStream>, number: usize, shared: &Shared) -> io::Result<()> {
    shared.handshakes.fetch_add(1, Ordering::Relaxed);
    let mut received = Vec::new();
    while let Some(mut request) = read_request(&mut stream, &mut received).await? {
        request.connection = number;
        let last = request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let answer = shared.receive(&request);
        if !perform(&mut stream, answer, shared).await? || last {
            break;
        }
    }
    Ok(())
}

/// The next request, or `None` when the client has closed the connection.
async fn read_request(
    stream: &mut TlsStream<TcpStream>,
    received: &mut Vec<u8>,
) -> io::Result<Option<RecordedRequest>> {
    let head = loop {
        match Head::parse(received).map_err(io::Error::other)? {
            Some(head) => break head,
            None if read_more(stream, received).await? => {}
            None => return Ok(None),
        }
    };
    let (arrived, instant) = (Utc::now(), Instant::now());
    let end = head.length + head.body_length();
    while received.len() < end {
        if !read_more(stream, received).await? {
            return Ok(None);
        }
    }
    let mut body: Vec<u8> = received.drain(..end).collect();
    let raw_head: Vec<u8> = body.drain(..head.length).collect();
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    Ok(Some(RecordedRequest {
        method: head.method,
        target: head.target,
        headers: head.headers,
        head: raw_head,
        body,
        arrived,
        instant,
        connection: 0,
        client_certificate: shown.map(|certificate| certificate.to_vec()),
    }))
}

async fn read_more(stream: &mut TlsStream<TcpStream>, received: &mut Vec<u8>) -> io::Result<bool> {
    if received.len() > MOST {
        return Err(io::Error::other("the request is larger than any token request"));
    }
    Ok(stream.read_buf(received).await? > 0)
}

/// Sends an answer; returns whether the connection may serve another request.
async fn perform(stream: &mut TlsStream<TcpStream>, answer: Answer, shared: &Shared) -> io::Result<bool> {
    sleep(answer.delay).await;
    match answer.act {
        Act::Respond(response) => return respond(stream, &response, shared).await,
        Act::Hang => {
            // The loop ends when the client closes the connection, which is read as its end or as an error.
            let mut ignored = Vec::new();
            while stream.read_buf(&mut ignored).await? > 0 {}
        }
        Act::Close => stream.shutdown().await?,
        Act::Reset => stream.get_ref().0.set_zero_linger()?,
        Act::EndlessHeaders => endless_headers(stream).await?,
        Act::EndlessBody => endless_body(stream).await?,
        Act::Raw(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await?;
        }
    }
    Ok(false)
}

async fn respond(
    stream: &mut TlsStream<TcpStream>,
    response: &Response,
    shared: &Shared,
) -> io::Result<bool> {
    let rendered = response.render();
    match response.delivery {
        Delivery::Whole => {
            // The token is recorded before it is sent, because a client with the token may read the record immediately.
            shared.state().issued.extend(rendered.issued);
            stream.write_all(&[rendered.head, rendered.body].concat()).await?;
            stream.flush().await?;
            return Ok(!rendered.closes);
        }
        Delivery::EndlessDrip(every) => endless_drip(stream, &rendered.head, every).await?,
        Delivery::Truncated => {
            let (half, _) = rendered.body.split_at(rendered.body.len() / 2);
            stream.write_all(&[&rendered.head, half].concat()).await?;
            stream.flush().await?;
        }
    }
    Ok(false)
}

async fn endless_drip(stream: &mut TlsStream<TcpStream>, head: &[u8], every: Duration) -> io::Result<()> {
    stream.write_all(head).await?;
    loop {
        stream.flush().await?;
        sleep(every).await;
        stream.write_all(b" ").await?;
    }
}

async fn endless_headers(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
    for number in 0_u64.. {
        let header = format!("X-Endless-{number}: {}\r\n", "x".repeat(200));
        stream.write_all(header.as_bytes()).await?;
        stream.flush().await?;
    }
    Ok(())
}

async fn endless_body(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n").await?;
    let white_space = vec![b' '; 16 * 1024];
    loop {
        stream.write_all(&white_space).await?;
    }
}
